package relay

import "golang.org/x/sys/unix"

// Unsent is the number of bytes written to c that the other side has not
// acknowledged; 0 if the connection is closed (tcp(7), SIOCOUTQ).
func (c *Conn) Unsent() (n int) {
	c.control(func(fd int) {
		if n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ); n == 0 {
			return
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.State == unix.BPF_TCP_CLOSE {
			n = 0 // a reset leaves the count as it was
		}
	})
	return n
}

// wasReset reports whether the other side has reset the connection. It is no use
// once this side has ended its own writing.
func (c *Conn) wasReset() (reset bool) {
	c.control(func(fd int) {
		reset = unix.Send(fd, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) == unix.EPIPE
	})
	return reset
}
