//go:build linux

// Package bare has forwarders that copy bytes and do nothing else: no policy, no
// counters, no switch. They show what a copy costs in Go, [IOCopy] with the
// standard library alone, [Plain] as fast as two goroutines a stream get.
package bare

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Copy copies from src to dst until src ends.
type Copy func(dst, src *net.TCPConn) error

// IOCopy is io.Copy, which splices between TCP connections.
func IOCopy(dst, src *net.TCPConn) error {
	_, err := io.Copy(dst, src)
	return err
}

// Listen listens with reno, which what is accepted inherits: BBR, where a system
// uses it for everything, paces even the loopback interface.
func Listen(addr string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
		}), err)
	}}
	return config.Listen(context.Background(), "tcp", addr)
}

// Serve forwards what it accepts to the target, until it cannot accept.
func Serve(l net.Listener, target string, one Copy) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go forward(client.(*net.TCPConn), target, one)
	}
}

func forward(client *net.TCPConn, target string, one Copy) {
	defer client.Close()
	dialer := net.Dialer{KeepAlive: -1}
	c, err := dialer.Dial("tcp", target)
	if err != nil {
		return
	}
	upstream := c.(*net.TCPConn)
	defer upstream.Close()
	up := make(chan struct{})
	go func() {
		defer close(up)
		oneWay(upstream, client, one)
	}()
	oneWay(client, upstream, one)
	<-up
}

// oneWay passes an end on as a half-close, and anything else as a reset of both.
func oneWay(dst, src *net.TCPConn, one Copy) {
	err := one(dst, src)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		reset(dst)
		reset(src)
	}
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
