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
	results := make(chan Result, len(addrs)) // room for all, so that no loser waits for a reader
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

// When a suspect is asked again, and when the last word is spoken.
const (
	confirmChecks = 3
	confirmGap    = 2 * time.Second
	confirmLimit  = confirmChecks * confirmGap
)

// Confirm asks a suspect three times over 6 seconds. It returns the first
// result that good accepts, or else the last that says anything, which leaves
// the verdict Unknown only if none of the checks could be carried out.
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
					r.Verdict = backend.NotListening // the limit ended it, which is an answer
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
