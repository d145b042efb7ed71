package scan

import (
	"context"
	"net/netip"
	"time"

	"mycoproxy/backend"
)

// Race greets all addresses at once and returns the first that answers as a
// valid proxy; the others are cancelled. Without a winner within
// [ProbeTimeout] it returns [backend.ErrNoValidProxy].
func (p *Prober) Race(ctx context.Context, addrs []netip.AddrPort) (netip.AddrPort, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan Result, len(addrs)) // room for all, so that no probe waits after the race
	for _, addr := range addrs {
		go func() { results <- p.Probe(running, addr) }()
	}
	for range addrs {
		if r := <-results; r.Verdict == backend.Valid {
			return r.Address, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPort{}, backend.ErrNoValidProxy
}

const (
	confirmChecks = 3
	confirmGap    = 2 * time.Second // between the starts of two checks
	confirmLimit  = confirmChecks * confirmGap
)

// Confirm probes addr three times, 2 seconds apart, and takes 6 seconds at most.
// It returns the first result whose verdict good accepts. If there is none, it
// returns the last result that says something of addr, or one whose verdict is
// Unknown if none does.
func (p *Prober) Confirm(ctx context.Context, addr netip.AddrPort, good func(backend.Verdict) bool) Result {
	running, cancel := context.WithTimeout(ctx, confirmLimit)
	defer cancel()
	results := make(chan Result, confirmChecks)
	for i := range confirmChecks {
		go func() {
			select {
			case <-time.After(time.Duration(i) * confirmGap):
				r := p.Probe(running, addr)
				if r.Verdict == backend.Unknown && ctx.Err() == nil && running.Err() != nil {
					r.Verdict = backend.NotListening // there was no answer within the limit
				}
				results <- r
			case <-running.Done():
				results <- Result{Address: addr}
			}
		}()
	}
	last := Result{Address: addr}
	for range confirmChecks {
		r := <-results
		if good(r.Verdict) {
			return r
		}
		if r.Verdict != backend.Unknown {
			last = r
		}
	}
	return last
}
