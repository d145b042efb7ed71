package pipe

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is the number of bytes written to c that the other side has not
// acknowledged; 0 if c is closed (tcp(7), SIOCOUTQ).
func unsent(c net.Conn) (n int) {
	control(c, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.State == unix.BPF_TCP_CLOSE {
			return // it was reset, which leaves the count as it was
		}
		n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	})
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
