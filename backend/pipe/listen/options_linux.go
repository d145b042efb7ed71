package listen

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

const keepAlive = 15 // seconds until a silent connection is asked, and between questions

// setOptions sets what accepted connections inherit, at no cost for each. Within
// one machine nothing is congested, and the pacing of BBR halves the throughput.
func setOptions(config *net.ListenConfig) {
	config.KeepAlive = -1
	config.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAlive)
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAlive)
			unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
		})
	}
}
