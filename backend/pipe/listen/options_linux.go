package listen

import (
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const keepAlive = 15 // seconds until a silent connection is asked, and between questions

// setOptions sets what each accepted connection inherits from the listener, so
// that it costs no call for each of them.
//
// Within one machine nothing is congested. Where BBR is the system's way, its
// pacing costs half of the throughput even there. Every system has reno, and
// lets everybody use it.
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

// SetOtherMachine gives an accepted connection, from another machine, the
// system's own congestion control.
func SetOtherMachine(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	systems, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	raw, rawErr := tcp.SyscallConn()
	if err == nil && rawErr == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, strings.TrimSpace(string(systems)))
		})
	}
}
