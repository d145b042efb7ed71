package scan

import (
	"context"
	"net/netip"
	"time"
)

const (
	// Interval is the time from the start of one scan to the start of the next.
	Interval = 60 * time.Second

	// ForegroundGap and BackgroundGap are the longest times between the starts
	// of two probes: in a scan that somebody waits for, and in any other.
	ForegroundGap = 5 * time.Millisecond
	BackgroundGap = 250 * time.Millisecond

	startWindow = 50 * time.Second       // all probes of a round have started by then
	lateness    = 100 * time.Millisecond // more behind its schedule than this, a round makes a new one
)

// maxInFlight is how many of a round's probes may run at the same time. A tenth
// of the peers is enough for a round of silent ones to end before the next begins.
func maxInFlight(peers int) int { return max(64, peers/10) }

// Round probes every address that comes in, in order, and calls report with
// each result, one at a time. More may come until in is closed. The probes
// start gap apart, or closer where there are so many that they would not all
// have started within 50 seconds. Round returns when all have ended, or soon
// after ctx is done; results of cancelled probes are not reported.
func (p *Prober) Round(ctx context.Context, in <-chan []netip.AddrPort, gap time.Duration, report func(Result)) {
	var queue []netip.AddrPort
	var inFlight, total int
	results := make(chan Result)
	next := time.Now()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for in != nil || len(queue) > 0 || inFlight > 0 {
		var ready <-chan time.Time
		if len(queue) > 0 && inFlight < maxInFlight(total) {
			if late := time.Since(next); late > lateness {
				next = time.Now()
			}
			pace.Reset(time.Until(next))
			ready = pace.C
		}
		select {
		case more, ok := <-in:
			if !ok {
				in = nil
			}
			queue = append(queue, more...)
			total += len(more)
		case <-ready:
			addr := queue[0]
			queue = queue[1:]
			inFlight++
			next = next.Add(min(gap, startWindow/time.Duration(total)))
			go func() { results <- p.Probe(ctx, addr) }()
		case r := <-results:
			inFlight--
			if ctx.Err() == nil {
				report(r)
			}
		case <-ctx.Done():
			for range inFlight {
				<-results
			}
			return
		}
	}
}
