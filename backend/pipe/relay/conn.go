package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Conn is a connection that is read and written in the way that costs least
// where it is a socket of the system. One goroutine at a time may read from it,
// and one may write to it.
type Conn struct {
	net.Conn
	set        *Conns // nil: it is in none
	isClosed   atomic.Bool
	writeEnded atomic.Bool // we have ended our writing to it
	socket
	buffer *[bufferSize]byte // what fill has read; nil while nothing is there
}

// NewConn returns c as a Conn.
func NewConn(c net.Conn) *Conn {
	conn := &Conn{Conn: c}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			conn.prepare(raw)
		}
	}
	return conn
}

// fill reads into the buffer, which it takes when there is something to read.
func (c *Conn) fill() (n int, err error) {
	if c.raw != nil {
		return c.readSocket(nil)
	}
	c.buffer = buffers.Get().(*[bufferSize]byte)
	return c.Conn.Read(c.buffer[:])
}

// release gives the buffer back.
func (c *Conn) release() {
	if c.buffer != nil {
		buffers.Put(c.buffer)
		c.buffer = nil
	}
}

// CloseWrite ends the writing: the other side reads an end.
func (c *Conn) CloseWrite() error {
	c.writeEnded.Store(true)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	if c.isClosed.Swap(true) {
		return net.ErrClosed
	}
	if c.set != nil {
		c.set.open.Delete(c)
	}
	return c.Conn.Close()
}

// Reset closes the connection in such a way that the other side sees an error
// and not an end.
func (c *Conn) Reset() {
	if abrupt, ok := c.Conn.(interface{ SetLinger(seconds int) error }); ok && !c.isClosed.Load() {
		abrupt.SetLinger(0)
	}
	c.Close()
}

// waitSent returns when what was written has arrived, or cannot: a reset would
// throw away what the other side has not been sent yet.
func (c *Conn) waitSent() {
	const pause = 10 * time.Millisecond
	for end := time.Now().Add(sentLimit); !c.isClosed.Load() && c.Unsent() > 0 && time.Now().Before(end); {
		time.Sleep(pause)
	}
}

// Conns is a set of connections, which leave it when they are closed. Its zero
// value is an empty set.
type Conns struct{ open sync.Map }

// Add adds c. A caller must look afterwards whether c is still wanted: a Cut may
// have come before.
func (s *Conns) Add(c *Conn) {
	c.set = s
	s.open.Store(c, nil)
}

// Cut resets those connections of the set that unwanted says.
func (s *Conns) Cut(unwanted func(*Conn) bool) {
	for c := range s.open.Range {
		if conn := c.(*Conn); unwanted(conn) {
			conn.Reset()
		}
	}
}
