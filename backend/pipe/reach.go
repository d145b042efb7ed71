package pipe

import (
	"context"
	"net"
	"net/netip"
	"time"
)

const reachTimeout = 500 * time.Millisecond

// Reach dials the listener's own port, over 127.0.0.1 and ::1 if it is bound to
// all interfaces, and returns the addresses at which it was this listener that
// answered. On some systems another program can hold the more specific
// address, and applications would reach that one. It is to be called before
// Serve; connections that come meanwhile are kept for it. An address that does
// not reach costs half a second at most.
func (f *Forwarder) Reach() []netip.AddrPort {
	reached := []netip.AddrPort{}
	l, ok := f.listener.(*net.TCPListener)
	if !ok {
		return reached
	}
	f.accepting.Lock()
	defer f.accepting.Unlock()
	bound := f.Addr()
	candidates := []netip.Addr{bound.Addr().Unmap()}
	if bound.Addr().IsUnspecified() {
		candidates = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	for _, ip := range candidates {
		if addr := netip.AddrPortFrom(ip, bound.Port()); f.reachedAt(l, addr) {
			reached = append(reached, addr)
		}
	}
	l.SetDeadline(time.Time{})
	return reached
}

func (f *Forwarder) reachedAt(l *net.TCPListener, addr netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(f.ctx, reachTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return false
	}
	defer reset(conn)
	l.SetDeadline(time.Now().Add(reachTimeout))
	for {
		accepted, err := l.Accept()
		if err != nil {
			return false
		}
		if unmapped(accepted.RemoteAddr()) == unmapped(conn.LocalAddr()) {
			reset(accepted)
			return true
		}
		f.early = append(f.early, accepted)
	}
}

func unmapped(a net.Addr) netip.AddrPort {
	p := addrPort(a)
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
