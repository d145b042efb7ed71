package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mycoproxy/bench"
)

const (
	tokioFolder = "bench/tokio"
	startTries  = 100 // with startPause between two: 5 seconds
	startPause  = 50 * time.Millisecond
	endLimit    = 5 * time.Second // for how long a child may take to end before it is killed
)

// bed is what the measurements need: a server, and forwarders in front of it.
type bed struct {
	options
	ctx        context.Context // ends with close, and the children with it
	cancel     context.CancelFunc
	self       string // this program
	folder     string // for the children's files, a temporary one
	children   sync.WaitGroup
	server     int // its port
	forwarders []forwarder
}

// forwarder is what a client connects to.
type forwarder struct {
	name string
	port int
	pid  int // 0: there is no process, the port is the server's
}

func newBed(ctx context.Context, o options) (*bed, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.binary); err != nil {
		return nil, fmt.Errorf("no program to measure (make build makes it): %w", err)
	}
	folder, err := os.MkdirTemp("", "mycoproxy-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{options: o, self: self, folder: folder}
	b.ctx, b.cancel = context.WithCancel(ctx)
	return b, nil
}

// close ends the children and removes their files.
func (b *bed) close() {
	b.cancel()
	b.children.Wait()
	os.RemoveAll(b.folder)
}

// startAll starts the server and every forwarder that can be had.
func (b *bed) startAll() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	b.server = port
	if _, err := b.start("server", port, command(b.ctx, b.self, "serve", loopback(port))); err != nil {
		return err
	}
	b.forwarders = []forwarder{{name: bench.Direct, port: port}}
	for _, start := range []func() (forwarder, error){
		b.startTokio,
		b.startHAProxy,
		func() (forwarder, error) { return b.startOurs(b.ctx, bench.Ours) },
	} {
		f, err := start()
		if errors.Is(err, exec.ErrNotFound) {
			log.Printf("%s is left out: %v", f.name, err)
			continue
		}
		if err != nil {
			return err
		}
		b.forwarders = append(b.forwarders, f)
	}
	return nil
}

func (b *bed) startTokio() (forwarder, error) {
	cargo := command(b.ctx, "cargo", "build", "--quiet", "--release", "--manifest-path", tokioFolder+"/Cargo.toml",
		"--target-dir", tokioFolder+"/target")
	cargo.Stderr = os.Stderr
	if err := cargo.Run(); err != nil {
		return forwarder{name: bench.Tokio}, fmt.Errorf("building %s: %w", tokioFolder, err)
	}
	port, err := freePort()
	if err != nil {
		return forwarder{}, err
	}
	program := tokioFolder + "/target/release/tokio-forwarder"
	return b.start(bench.Tokio, port, command(b.ctx, program, listenOn(port), loopback(b.server)))
}

const haproxySettings = `
global
  maxconn %d
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen f
  bind :::%d v4v6
  option splice-auto
  server s %s
`

func (b *bed) startHAProxy() (forwarder, error) {
	port, err := freePort()
	if err != nil {
		return forwarder{}, err
	}
	file := filepath.Join(b.folder, "haproxy.cfg")
	settings := fmt.Sprintf(haproxySettings, max(4000, b.idle+1000), port, loopback(b.server))
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return forwarder{}, err
	}
	return b.start(bench.HAProxy, port, command(b.ctx, "haproxy", "-f", file, "-db"))
}

// startOurs starts the program, by way of another if one is given, with a home
// of its own.
func (b *bed) startOurs(ctx context.Context, name string, by ...string) (forwarder, error) {
	home := filepath.Join(b.folder, name)
	if err := os.MkdirAll(filepath.Join(home, "run"), 0o700); err != nil {
		return forwarder{}, err
	}
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MYCOPROXY_") })
	environment = append(environment, "HOME="+home, "XDG_RUNTIME_DIR="+filepath.Join(home, "run"))
	for _, kind := range []string{"CONFIG", "STATE", "CACHE", "DATA"} {
		environment = append(environment, "XDG_"+kind+"_HOME="+filepath.Join(home, strings.ToLower(kind)))
	}
	port, err := freePort()
	if err != nil {
		return forwarder{}, err
	}
	words := append(slices.Clone(by), b.binary, "serve", "--listen", listenOn(port), "--node", "")
	serve := command(ctx, words[0], words[1:]...)
	serve.Env = environment
	pid, err := b.launch(name, serve)
	if err != nil {
		return forwarder{}, err
	}
	connected := retry(ctx, func() error {
		connect := command(ctx, b.binary, "connect", loopback(b.server))
		connect.Env = environment
		return connect.Run()
	})
	if connected != nil {
		return forwarder{}, fmt.Errorf("%s would not connect: %w%s", name, connected, b.log(name))
	}
	return forwarder{name, port, pid}, b.wait(name, port)
}

// start starts a child that listens on the port, and waits until it does.
func (b *bed) start(name string, port int, child *exec.Cmd) (forwarder, error) {
	pid, err := b.launch(name, child)
	if err != nil {
		return forwarder{name: name}, err
	}
	return forwarder{name, port, pid}, b.wait(name, port)
}

// launch starts a child whose complaints go to a file.
func (b *bed) launch(name string, child *exec.Cmd) (pid int, err error) {
	complaints, err := os.Create(filepath.Join(b.folder, name+".log"))
	if err != nil {
		return 0, err
	}
	defer complaints.Close()
	child.Stderr = complaints
	if err := child.Start(); err != nil {
		return 0, err
	}
	b.children.Go(func() { child.Wait() })
	return child.Process.Pid, nil
}

// wait returns when something listens on the port.
func (b *bed) wait(name string, port int) error {
	err := retry(b.ctx, func() error {
		c, err := net.DialTimeout("tcp", loopback(port), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s does not listen: %w%s", name, err, b.log(name))
	}
	return nil
}

// log is what a child complained of, from a new line on; empty if of nothing.
func (b *bed) log(name string) string {
	text, _ := os.ReadFile(filepath.Join(b.folder, name+".log"))
	return strings.TrimRight("\n"+string(text), "\n")
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
	c := exec.CommandContext(ctx, name, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = endLimit
	return c
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
