package relay

import "golang.org/x/sys/unix"

// Unsent is the number of bytes written to c that the other side has not
// acknowledged; 0 if the connection is closed (SO_NWRITE of getsockopt(2)).
func (c *Conn) Unsent() (n int) {
	c.control(func(fd int) { n, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE) })
	return n
}

// wasReset cannot be asked for here.
func (c *Conn) wasReset() bool { return false }
