//go:build unix && !linux

package relay

import (
	"io"

	"golang.org/x/sys/unix"
)

func (c *Conn) fillSocket() (int, error) {
	if err := c.raw.Read(c.read.attempt); err != nil {
		return 0, err
	}
	if c.read.n == 0 && c.read.err == nil {
		return 0, io.EOF
	}
	return c.read.n, c.read.err
}

func (c *Conn) readNow(fd uintptr) (done bool) {
	c.buffer = buffers.Get().(*[bufferSize]byte)
	for c.read.err = unix.EINTR; c.read.err == unix.EINTR; {
		c.read.n, c.read.err = unix.Read(int(fd), c.buffer[:])
	}
	if c.read.err == unix.EAGAIN {
		c.release()
		return false // called again when there is something
	}
	return true
}
