package scan

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"mycoproxy/backend"
)

// ProbeTimeout is how long a peer has to accept and to answer, both together.
const ProbeTimeout = 5 * time.Second

// Prober probes peers. Its zero value is ready for use.
type Prober struct {
	// Dial makes a TCP connection; nil: that of a zero [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Result is what one probe found.
type Result struct {
	Address netip.AddrPort

	// Verdict is Unknown if the result says nothing of the peer: the probe was
	// cancelled, or this machine could not make it, for want of descriptors, say.
	Verdict backend.Verdict

	Connect time.Duration // from the dial to the connection; zero: there was none
	RTT     time.Duration // from the greeting to its answer; zero: there was none
	At      time.Time     // when the probe ended
}

// What a probe sends and what a valid proxy answers (RFC 1928, section 3).
var (
	Greeting = []byte{5, 1, 0} // version 5, one method offered: no authentication
	Accepted = []byte{5, 0}    // version 5, no authentication
)

// Probe greets addr once and closes. It takes at most [ProbeTimeout].
func (p *Prober) Probe(ctx context.Context, addr netip.AddrPort) (r Result) {
	r.Address = addr
	defer func() {
		if ctx.Err() != nil {
			r.Verdict = backend.Unknown
		}
		r.At = time.Now()
	}()
	limited, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	dial := p.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	start := time.Now()
	conn, err := dial(limited, "tcp", addr.String())
	if err != nil {
		if !backend.IsLocal(err) {
			r.Verdict = backend.NotListening
		}
		return r
	}
	defer conn.Close()
	defer context.AfterFunc(limited, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	connected := time.Now()
	r.Connect = connected.Sub(start)

	var answer [2]byte
	_, err = conn.Write(Greeting)
	n := 0
	if err == nil {
		n, err = io.ReadFull(conn, answer[:])
	}
	if err == nil {
		r.RTT = time.Since(connected)
	}
	r.Verdict = verdict(answer, n, err)
	return r
}

func verdict(answer [2]byte, n int, err error) backend.Verdict {
	switch {
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return backend.NotListening
	case err != nil:
		return backend.NotAProxy
	case answer == [2]byte{5, 0x00}:
		return backend.Valid
	case answer == [2]byte{5, 0xFF}:
		return backend.AuthRequired
	default:
		return backend.NotAProxy
	}
}
