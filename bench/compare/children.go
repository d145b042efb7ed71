//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTries = 100 // with startPause between two: 5 seconds
	startPause = 50 * time.Millisecond
	endLimit   = 5 * time.Second // for how long a child may take to end before it is killed
)

// start starts a child that listens on the port, and waits until it does.
func (c *comparison) start(name string, port int, child *exec.Cmd) (forwarder, error) {
	pid, err := c.launch(name, child)
	if err != nil {
		return forwarder{}, err
	}
	return forwarder{name, port, pid}, c.wait(name, port)
}

// launch starts a child whose complaints go to a file.
func (c *comparison) launch(name string, child *exec.Cmd) (pid int, err error) {
	complaints, err := os.Create(c.complaintsFile(name))
	if err != nil {
		return 0, err
	}
	defer complaints.Close()
	child.Stderr = complaints
	if err := child.Start(); err != nil {
		return 0, err
	}
	c.children.Go(func() { child.Wait() })
	return child.Process.Pid, nil
}

// wait returns when something listens on the port.
func (c *comparison) wait(name string, port int) error {
	err := retry(c.ctx, func() error {
		conn, err := net.DialTimeout("tcp", loopback(port), time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s does not listen: %w%s", name, err, c.complaints(name))
	}
	return nil
}

// complaints is what a child wrote to its standard error, from a new line on;
// empty if that is nothing.
func (c *comparison) complaints(name string) string {
	text, _ := os.ReadFile(c.complaintsFile(name))
	return strings.TrimRight("\n"+string(text), "\n")
}

func (c *comparison) complaintsFile(name string) string {
	return filepath.Join(c.folder, name+".log")
}

// retry tries for some seconds until there is no error.
func retry(ctx context.Context, try func() error) (err error) {
	for range startTries {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-time.After(startPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// command is asked to end, and then made to, when the context ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	child := exec.CommandContext(ctx, name, args...)
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = endLimit
	return child
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func loopback(port int) string { return "[::1]:" + strconv.Itoa(port) }

func listenOn(port int) string { return "[::]:" + strconv.Itoa(port) }
