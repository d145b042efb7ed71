package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"mycoproxy/backend"
)

// Bind listens on addr. For "[::]" that is IPv6 and IPv4 both; where IPv6 is
// switched off it is IPv4 alone, which the listener's address tells.
// [Explain] makes a sentence of its error.
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

// IsFatal reports whether a listener will never accept again after err.
func IsFatal(err error) bool {
	return errors.Is(err, net.ErrClosed) ||
		slices.ContainsFunc(fatalErrors, func(fatal error) bool { return errors.Is(err, fatal) })
}

func inUse(err error) bool { return errors.Is(err, errInUse) }

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
