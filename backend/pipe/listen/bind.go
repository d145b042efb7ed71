// Package listen binds the local port and says whom it serves:
//
//	l, err := listen.Bind(netip.MustParseAddrPort("[::]:1080"))
//	if err != nil {
//		return listen.Explain(addr, err) // a sentence, with the program that holds the port
//	}
//	reached := listen.SelfTest(ctx, l, admit)
//
// [Serves] is the access policy: a connection from this machine
// is always served, one from another machine as [backend.Share] says.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"mycoproxy/backend"
)

// Errors of Windows, where the names of package syscall are not the system's.
const (
	wsaEINVAL     = syscall.Errno(10022)
	wsaENOTSOCK   = syscall.Errno(10038)
	wsaEADDRINUSE = syscall.Errno(10048)
)

// Bind listens on addr. For "[::]" that is IPv6 and IPv4 both; where IPv6 is
// switched off it is IPv4 alone, which the listener's address tells. What is
// accepted has the options of a session. [Explain] makes a sentence of its error.
func Bind(addr netip.AddrPort) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // nothing here has two paths, and each accept would pay for it
	setOptions(&config)
	network := "tcp"
	if addr.Addr().Is4() {
		network = "tcp4" // else 0.0.0.0 would take IPv6 too
	}
	l, err := config.Listen(context.Background(), network, addr.String())
	if err != nil && addr.Addr() == netip.IPv6Unspecified() && !inUse(err) {
		v4 := netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port())
		l4, err4 := config.Listen(context.Background(), "tcp4", v4.String())
		if err4 == nil || inUse(err4) {
			return l4, err4
		}
	}
	return l, err
}

func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaEADDRINUSE)
}

// IsFatal reports whether a listener will never accept again after err.
func IsFatal(err error) bool {
	fatal := []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, wsaEINVAL, wsaENOTSOCK}
	return slices.ContainsFunc(fatal, func(one error) bool { return errors.Is(err, one) })
}

// Explain makes the error for the user of one from [Bind]: of code
// [backend.PortInUse], with the program that holds the port where the system
// tells it, or of code [backend.CannotBind]. It may take a second.
func Explain(addr netip.AddrPort, err error) *backend.Error {
	const sentence = "Could not bind TCP listener on %s: %s"
	if !inUse(err) {
		var system *os.SyscallError
		if errors.As(err, &system) {
			err = system.Err
		}
		return &backend.Error{Code: backend.CannotBind, Message: fmt.Sprintf(sentence, addr, err)}
	}
	cause := "address already in use"
	if who := holder(addr.Port()); who != "" {
		cause += " by " + who
	}
	return &backend.Error{Code: backend.PortInUse, Message: fmt.Sprintf(sentence, addr, cause)}
}

// holder names the program that listens on the port; empty if the system keeps
// it to itself, as it does of other users' programs.
func holder(port uint16) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conns, _ := psnet.ConnectionsWithContext(ctx, "tcp")
	for _, c := range conns {
		if c.Status != "LISTEN" || c.Laddr.Port != uint32(port) || c.Pid == 0 {
			continue
		}
		p, err := process.NewProcessWithContext(ctx, c.Pid)
		if err != nil {
			continue
		}
		if name, err := p.NameWithContext(ctx); err == nil && name != "" {
			return fmt.Sprintf("%s, pid %d", name, c.Pid)
		}
	}
	return ""
}
