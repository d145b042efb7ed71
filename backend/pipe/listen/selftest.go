package listen

import (
	"context"
	"net"
	"net/netip"
	"time"
)

const selfTestTimeout = 500 * time.Millisecond

// SelfTest dials the listener's own port, over 127.0.0.1 and ::1 if it is bound
// to all interfaces, and returns the addresses at which this listener answered:
// on some systems another program can hold the more specific address, and
// applications would reach that one. What others connect meanwhile is given to
// admit. An address that does not answer costs half a second at most. A listener
// that is not the system's reaches nothing.
func SelfTest(ctx context.Context, listener net.Listener, admit func(net.Conn)) (reached []netip.AddrPort) {
	l, ok := listener.(*net.TCPListener)
	if !ok {
		return nil
	}
	defer l.SetDeadline(time.Time{})
	bound := AddrPort(l.Addr())
	candidates := []netip.Addr{bound.Addr()}
	if bound.Addr().IsUnspecified() {
		candidates = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	for _, ip := range candidates {
		if addr := netip.AddrPortFrom(ip, bound.Port()); isReached(ctx, l, addr, admit) {
			reached = append(reached, addr)
		}
	}
	return reached
}

// isReached reports whether l accepts what is dialled at addr.
func isReached(ctx context.Context, l *net.TCPListener, addr netip.AddrPort, admit func(net.Conn)) bool {
	ctx, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialTCP(ctx, "tcp", netip.AddrPort{}, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	l.SetDeadline(time.Now().Add(selfTestTimeout))
	for {
		accepted, err := l.Accept()
		if err != nil {
			return false
		}
		if AddrPort(accepted.RemoteAddr()) == AddrPort(conn.LocalAddr()) {
			accepted.Close()
			return true
		}
		admit(accepted)
	}
}

// AddrPort is the address of a TCP connection or listener, as IPv4 where it is
// one that is mapped; invalid if it is none of TCP.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
