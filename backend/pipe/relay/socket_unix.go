//go:build unix

package relay

import (
	"io"

	"golang.org/x/sys/unix"
)

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.Conn.Read(b)
	}
	c.read.b = b
	return c.readSocket()
}

func (c *Conn) readSocket() (int, error) {
	if err := c.raw.Read(c.read.attempt); err != nil {
		return 0, err
	}
	if c.read.n == 0 && c.read.err == nil {
		return 0, io.EOF
	}
	return c.read.n, c.read.err
}

// readNow reads what there is, into the buffer if there is no other place.
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
