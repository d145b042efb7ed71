//go:build linux

package e2e

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// standIn takes the place of a SOCKS server, and remembers what each of its
// connections has brought.
type standIn struct {
	mu    sync.Mutex
	heard [][]byte
}

// startStandIn serves at a peer of its own, until the test ends. What handle leaves
// open is closed.
func startStandIn(t testing.TB, lab *lab, handle func(*heardConn)) (s *standIn, n *namespace, addr string) {
	t.Helper()
	n, addr = ownPeer(t, lab)
	s = new(standIn)
	stop, err := serveAt(n, at(addr).String(), func(c net.Conn) { handle(s.take(c)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, n, addr
}

func (s *standIn) take(c net.Conn) *heardConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, nil)
	return &heardConn{Conn: c, of: s, number: len(s.heard) - 1}
}

// all is what each connection so far has brought.
func (s *standIn) all() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// bytes counts what has come over all connections.
func (s *standIn) bytes() (n int) {
	for _, heard := range s.all() {
		n += len(heard)
	}
	return n
}

// heardConn is a connection whose bytes are remembered when they are read.
type heardConn struct {
	net.Conn
	of     *standIn
	number int
}

func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.heard[c.number] = append(c.of.heard[c.number], p[:n]...)
	return n, err
}

// reset ends the connection as a server does that has crashed.
func (c *heardConn) reset() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// readGreeting reads a greeting.
func readGreeting(c net.Conn) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, head[1]))
	return err
}

// socksEcho answers a greeting, and then sends back what comes.
func socksEcho(c net.Conn) {
	if readGreeting(c) == nil {
		c.Write([]byte{5, 0})
		echo(c)
	}
}
