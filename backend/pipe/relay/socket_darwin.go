package relay

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const bulk = 2 * bufferSize // never read at once: nothing moves bulk by itself here

func receive(fd uintptr, b []byte) (int, error) { return repeat(unix.Read, fd, b) }
func send(fd uintptr, b []byte) (int, error)    { return repeat(unix.Write, fd, b) }

func repeat(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		if n, err := call(int(fd), b); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func splice(_, _ *Conn, _ *atomic.Int64) (readErr, writeErr error) { return nil, nil }

// Unsent is the number of bytes written that the other side has not acknowledged
// (getsockopt(2), SO_NWRITE).
func (c *Conn) Unsent() (n int) {
	c.control(func(fd int) { n, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE) })
	return n
}

// wasReset cannot be asked for here.
func (c *Conn) wasReset() bool { return false }
