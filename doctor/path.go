package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/listen"
)

// checkPort binds the port for a moment, unless the service has it.
func (s Subject) checkPort(context.Context) Finding {
	if s.State.Listen != nil {
		return ok("the service listens on %s", s.State.Listen.Address)
	}
	if s.State.Phase == backend.Connecting {
		return skipped("the service is about to listen")
	}
	addr := s.Settings.Listen.AddrPort
	l, err := listen.Bind(addr)
	if err != nil {
		return bad("End that program, or choose another port: setting listen", "%v", listen.Explain(addr, err))
	}
	l.Close()
	return ok("%s is free", addr)
}

const notListening = "the service does not listen"

func (s Subject) checkListener(context.Context) Finding {
	l := s.State.Listen
	switch {
	case s.State.Phase == backend.Offline:
		return skipped(notRunning)
	case l == nil:
		return skipped(notListening)
	case len(l.Reached) == 0:
		return bad("Another program may have that port on 127.0.0.1: end it, or choose another port: setting listen",
			"applications cannot reach %s", l.Address)
	case l.Address.Addr().IsUnspecified() && len(l.Reached) == 1:
		return note("Point applications at "+l.Reached[0].String(), "reached at %s alone", l.Reached[0])
	default:
		return ok("reached at %s", backend.JoinAddresses(l.Reached, " and "))
	}
}

func (s Subject) checkRemote(context.Context) Finding {
	switch r := s.State.Remote; {
	case s.State.Phase == backend.Offline:
		return skipped(notRunning)
	case r == nil:
		return skipped("not connected")
	case !r.Answering:
		return bad("Take another: mycoproxy connect", "%s does not answer", r.Address)
	default:
		return ok("%s answers", r.Address)
	}
}

// checkConnect asks the remote, through the service's listener, to connect to the
// remote itself, so that no third party hears of it. Any reply shows that bytes
// pass the whole way and back.
func (s Subject) checkConnect(ctx context.Context) Finding {
	const another = "Take another proxy: mycoproxy connect"
	switch {
	case s.State.Phase == backend.Offline:
		return skipped(notRunning)
	case s.State.Listen == nil || s.State.Remote == nil:
		return skipped(notListening)
	}
	at, isReachable := s.State.ApplicationAddress()
	if !isReachable {
		return skipped("the listener cannot be reached")
	}
	start := time.Now()
	reply, err := connectThrough(ctx, at, s.State.Remote.Address)
	took := backend.Milliseconds(time.Since(start))
	switch {
	case errors.Is(err, errPassword):
		return note("Give it to your application, which has to log in", "the proxy wants a password")
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return bad(another, "the proxy does not reply to a CONNECT within %v", limit)
	case err != nil:
		return bad(another, "a CONNECT through the proxy failed: %v", err)
	case reply == generalFailure:
		return note("If pages do not load, take another proxy: mycoproxy connect", "the proxy replies to a CONNECT with a general failure, in %v", took)
	default:
		return ok("the proxy replies to a CONNECT, in %v", took)
	}
}

const (
	generalFailure = 1
	lastReply      = 8 // RFC 1928 assigns 0 to 8
)

var errPassword = errors.New("the proxy wants a password")

// connectThrough sends a SOCKS5 CONNECT for the target to the proxy, and
// returns the reply code.
func connectThrough(ctx context.Context, proxy, target netip.AddrPort) (reply byte, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", proxy.String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := conn.Write([]byte{5, 1, 0}); err != nil {
		return 0, err
	}
	var method [2]byte
	if _, err := io.ReadFull(conn, method[:]); err != nil {
		return 0, fmt.Errorf("read the greeting: %w", err)
	}
	switch method {
	case [2]byte{5, 0}:
	case [2]byte{5, 0xff}:
		return 0, errPassword
	default:
		return 0, fmt.Errorf("it greets with % x, as no SOCKS5 server does", method)
	}
	request := []byte{5, 1, 0, 4}
	if target.Addr().Is4() {
		request[3] = 1
	}
	request = append(request, target.Addr().AsSlice()...)
	request = append(request, byte(target.Port()>>8), byte(target.Port()))
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	var answer [2]byte // version and reply; what follows is of no interest
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return 0, fmt.Errorf("read the reply: %w", err)
	}
	if answer[0] != 5 || answer[1] > lastReply {
		return 0, fmt.Errorf("it replies with % x, as no SOCKS5 server does", answer)
	}
	return answer[1], nil
}
