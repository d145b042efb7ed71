package relay

import "golang.org/x/sys/unix"

// unsent is the number of bytes written to the side that it has not
// acknowledged; 0 if the connection is closed (SO_NWRITE of getsockopt(2)).
func (s *side) unsent() (n int) {
	s.control(func(fd int) { n, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE) })
	return n
}

// wasReset cannot be asked for here.
func (s *side) wasReset() bool { return false }
