package listen

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

const keepAlive = 15 // seconds until a silent connection is asked, and between questions

// setOptions sets what is accepted inherits, so that it costs no call for each.
// Within one machine nothing is congested. Where BBR is the system's way, its
// pacing costs half of the throughput even there; every system has reno.
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
