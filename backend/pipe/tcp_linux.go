package pipe

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is the number of bytes written to c that the other side has not
// acknowledged; 0 if c is closed.
func unsent(c net.Conn) (n int) {
	control(c, func(fd int) { n = unsentBytes(fd) })
	return n
}

// unsentBytes is unsent for a descriptor (tcp(7), SIOCOUTQ).
func unsentBytes(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil || n == 0 {
		return 0
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err == nil && info.State == unix.BPF_TCP_CLOSE {
		return 0 // it was reset, which leaves the count as it was
	}
	return n
}

// wasReset reports whether the other side has reset c. The system tells that
// once, to whoever reads or writes next; a read after that looks like an end.
// It is no use once this side has ended its own writing.
func wasReset(c net.Conn) (reset bool) {
	control(c, func(fd int) {
		reset = unix.Send(fd, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) == unix.EPIPE
	})
	return reset
}

func control(c net.Conn, f func(fd int)) {
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
