package pipe

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsent is the number of bytes written to c that the other side has not
// acknowledged; 0 if c is closed (tcp(7), SIOCOUTQ).
func unsent(c net.Conn) (n int) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return n
}
