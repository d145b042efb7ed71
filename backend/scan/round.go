package scan

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

const (
	// Interval is the time from the start of one scan to the start of the next.
	Interval = 60 * time.Second

	// ForegroundGap and BackgroundGap are the longest times between the starts
	// of two probes: in a scan that somebody waits for, and in any other.
	ForegroundGap = 5 * time.Millisecond
	BackgroundGap = 250 * time.Millisecond

	secondTryGap = 6 * time.Second // in which a node finds a route that the first try has made it look for

	startWindow = 50 * time.Second       // all probes of a round have started by then
	lateness    = 100 * time.Millisecond // more behind its schedule than this, a round makes a new one
)

// secondTry is an address that is to be probed once more.
type secondTry struct {
	addr netip.AddrPort
	at   time.Time
}

// maxInFlight is how many of a round's probes may run at the same time. A tenth
// of the peers is enough for a round of silent ones to end before the next begins.
func maxInFlight(peers int) int { return max(64, peers/10) }

// Round probes every address that comes in, in order, and calls report with
// each result, one at a time. More may come until in is closed. The probes
// start gap apart, or closer where there are so many that they would not all
// have started within 50 seconds. An address of which report returns true is
// probed once more, 6 seconds later. Round returns when all have ended, or soon
// after ctx is done; results of cancelled probes are not reported.
func (p *Prober) Round(ctx context.Context, in <-chan []netip.AddrPort, gap time.Duration, report func(Result) (again bool)) {
	var queue []netip.AddrPort
	var second []secondTry // in the order of their times
	var inFlight, total int
	isSecond := map[netip.AddrPort]bool{}
	results := make(chan Result)
	next := time.Now()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for in != nil || len(queue) > 0 || inFlight > 0 || len(second) > 0 {
		var ready, due <-chan time.Time
		if len(second) > 0 {
			due = time.After(time.Until(second[0].at))
		}
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
		case <-due:
			isSecond[second[0].addr] = true
			queue = slices.Insert(queue, 0, second[0].addr)
			second = second[1:]
		case r := <-results:
			inFlight--
			if ctx.Err() == nil && report(r) && !isSecond[r.Address] {
				second = append(second, secondTry{r.Address, time.Now().Add(secondTryGap)})
			}
		case <-ctx.Done():
			for range inFlight {
				<-results
			}
			return
		}
	}
}
