//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// States of a TCP socket, as the system numbers them.
const (
	established = "01"
	synSent     = "02"
	listening   = "0A"
)

// socket is a TCP socket of IPv6, or one that serves both IPv6 and IPv4.
type socket struct {
	localPort, remotePort uint16
	remote                string // its address, in hexadecimal
	state, inode          string
	unread                bool // something has come that its process has not read
}

// sockets lists those of the namespace that a process is in.
func sockets(t testing.TB, pid int) (all []socket) {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp6", pid))
	if err != nil {
		t.Fatal(err)
	}
	port := func(address string) uint16 {
		_, digits, _ := strings.Cut(address, ":")
		n, _ := strconv.ParseUint(digits, 16, 16)
		return uint16(n)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 9 && f[0] != "sl" {
			remote, _, _ := strings.Cut(f[2], ":")
			all = append(all, socket{port(f[1]), port(f[2]), remote, f[3], f[9], !strings.HasSuffix(f[4], ":00000000")})
		}
	}
	return all
}

// acknowledged waits until the other end's system has all that was sent, so that
// what is sent next is a segment of its own.
func acknowledged(c net.Conn) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	left := 0
	if !poll(time.Millisecond, 5*time.Second, func() bool {
		if controlErr := raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); controlErr != nil {
			err = controlErr
		}
		return err != nil || left == 0
	}) {
		return fmt.Errorf("%d bytes are not acknowledged", left)
	}
	return err
}

// hasRead waits until the service has read all that the client has sent.
func (s *service) hasRead(client net.Conn) {
	s.t.Helper()
	port := client.LocalAddr().(*net.TCPAddr).Port
	eventually(s.t, "the service reads", 5*time.Second, func() bool {
		for _, c := range sockets(s.t, s.process.Process.Pid) {
			if int(c.remotePort) == port && c.fromHere() {
				return !c.unread
			}
		}
		return false
	})
}

// fromHere reports whether the other end is a client on the same machine: at ::1,
// or at an IPv4 address, which nobody else has there.
func (s socket) fromHere() bool { return strings.HasPrefix(s.remote, "0000000000000000") }
