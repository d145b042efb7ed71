package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Conn is a connection that is read and written in the way that costs least
// where it is a socket of the system. One goroutine at a time may read from it,
// and one may write to it.
type Conn struct {
	net.Conn
	raw        syscall.RawConn   // nil: it is no socket of the system
	buffer     *[bufferSize]byte // what was read by fill; nil while nothing is there
	read       call
	write      call
	writeEnded atomic.Bool // we have ended our writing to it
}

// call is a read or a write under way.
type call struct {
	attempt func(fd uintptr) (done bool)
	b       []byte
	n       int
	err     error
}

// NewConn returns c as a Conn.
func NewConn(c net.Conn) *Conn {
	conn := &Conn{Conn: c}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			conn.raw, conn.read.attempt, conn.write.attempt = raw, conn.readNow, conn.writeNow
		}
	}
	return conn
}

// copyBytes copies from src to dst until src ends, without errors, or either
// fails.
func copyBytes(dst, src *Conn, count *atomic.Int64) (readErr, writeErr error) {
	for {
		n, err := src.fill()
		if n > 0 {
			_, writeErr = dst.Write(src.buffer[:n])
		}
		src.release()
		switch {
		case writeErr != nil:
			return nil, writeErr
		case n > 0:
			count.Add(int64(n))
		case errors.Is(err, io.EOF):
			return nil, nil
		default:
			return err, nil
		}
		if n >= bulk && dst.raw != nil && src.raw != nil {
			if readErr, writeErr = splice(dst, src, count); readErr != nil || writeErr != nil {
				return readErr, writeErr
			}
		}
	}
}

// fill reads into the buffer, which it takes when there is something to read.
func (c *Conn) fill() (n int, err error) {
	if c.read.b = nil; c.raw != nil {
		return c.fillSocket()
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

// Reset closes the connection in such a way that the other side sees an error
// and not an end.
func (c *Conn) Reset() {
	if abrupt, ok := c.Conn.(interface{ SetLinger(seconds int) error }); ok {
		abrupt.SetLinger(0)
	}
	c.Close()
}

// control calls f with the descriptor, if it is a socket of the system.
func (c *Conn) control(f func(fd int)) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
