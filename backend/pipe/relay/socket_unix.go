//go:build unix

package relay

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is what a connection of the system is read and written by. Its calls
// are prepared once, so that none costs an allocation.
type socket struct {
	raw         syscall.RawConn // nil: it is no socket of the system
	read, write call
}

type call struct {
	attempt func(fd uintptr) (done bool)
	b       []byte
	n       int
	err     error
}

func (c *Conn) prepare(raw syscall.RawConn) {
	c.raw, c.read.attempt, c.write.attempt = raw, c.readNow, c.writeNow
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.Conn.Read(b)
	}
	return c.readSocket(b)
}

// readSocket reads into b, or into the buffer if b is nil.
func (c *Conn) readSocket(b []byte) (int, error) {
	c.read.b = b
	if err := c.raw.Read(c.read.attempt); err != nil {
		return 0, err
	}
	if c.read.n == 0 && c.read.err == nil {
		return 0, io.EOF
	}
	return c.read.n, c.read.err
}

// readNow reads what there is.
func (c *Conn) readNow(fd uintptr) (done bool) {
	b := c.read.b
	if b == nil {
		c.buffer = buffers.Get().(*[bufferSize]byte)
		b = c.buffer[:]
	}
	if c.read.n, c.read.err = receive(fd, b); c.read.err == unix.EAGAIN {
		c.release()
		return false // called again when there is something
	}
	return true
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Write(b)
	}
	c.write.b, c.write.n, c.write.err = b, 0, nil
	if err := c.raw.Write(c.write.attempt); err != nil {
		return c.write.n, err
	}
	return c.write.n, c.write.err
}

func (c *Conn) writeNow(fd uintptr) (done bool) {
	for w := &c.write; w.n < len(w.b); {
		n, err := send(fd, w.b[w.n:])
		if w.n += n; err == unix.EAGAIN {
			return false
		}
		if w.err = err; err != nil {
			return true
		}
	}
	return true
}

// control calls f with the descriptor, if it is a socket of the system.
func (c *Conn) control(f func(fd int)) {
	if c.raw != nil {
		c.raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
