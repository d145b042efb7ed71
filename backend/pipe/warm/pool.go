package warm

import (
	"slices"
	"time"
)

const (
	mostIdle     = 8
	demandWindow = 10 * time.Second // as many idle upstreams as sessions began in it
	lifetime     = 20 * time.Second // an older one is closed
	minPause     = 10 * time.Second // without new ones, after one has failed; doubled each time
	maxPause     = 5 * time.Minute
	dialGap      = 5 * time.Millisecond // between dials, so that the remote hears of them in the order of their use
	growth       = 16                   // sessions that idle upstreams served before one more is kept again
)

// pool is the idle upstreams and the count of who would have wanted one. It
// dials and closes nothing itself.
type pool struct {
	kind     Kind
	idle     []*idle   // oldest first
	lastMade time.Time // the newest of them
	begun    []begun   // the newest sessions
	isProven bool      // a dial of a session has succeeded
	dialling int       // sessions that dial for themselves: an idle upstream could be in their way

	limit    int // at most so many
	served   int // sessions since limit was raised
	pause    time.Duration
	pauseEnd time.Time
}

// begun is when a session began, and whether with the greeting of the handshake.
type begun struct {
	at     time.Time
	greets bool
}

// lacking reports whether an idle upstream should be made now, and of which kind.
func (p *pool) lacking(now time.Time) (greets, isLacking bool) {
	if p.kind == None || !p.isProven || p.dialling > 0 || len(p.idle) >= p.limit ||
		now.Before(p.pauseEnd) || now.Sub(p.lastMade) < dialGap {
		return false, false
	}
	missing := map[bool]int{}
	for _, b := range p.begun {
		if now.Sub(b.at) < demandWindow {
			missing[b.greets && p.kind == Greeted]++
		}
	}
	for _, have := range p.idle {
		missing[have.greets]--
	}
	return missing[true] > 0, missing[true] > 0 || missing[false] > 0
}

// take takes the oldest idle upstream that suits a session, which begins with
// the greeting or not; nil: there is none. Those in the way must be closed before
// the session goes on.
func (p *pool) take(now time.Time, greets bool) (one *idle, inTheWay []*idle) {
	p.begun = append(p.begun[max(0, len(p.begun)-mostIdle+1):], begun{now, greets})
	i := -1
	for _, wanted := range []bool{true, false} {
		if i < 0 && (greets || !wanted) {
			i = slices.IndexFunc(p.idle, func(have *idle) bool { return have.greets == wanted })
		}
	}
	if i < 0 || now.Round(0).Sub(p.idle[0].born) > lifetime { // the machine has slept
		return nil, p.clear()
	}
	one, inTheWay = p.idle[i], slices.Clone(p.idle[:i])
	p.idle = slices.Delete(p.idle, 0, i+1)
	if p.served++; p.limit < mostIdle && p.served >= growth {
		p.limit, p.served, p.pause = p.limit+1, 0, minPause
	}
	return one, inTheWay
}

// clear empties the pool and returns what was in it.
func (p *pool) clear() (all []*idle) {
	all, p.idle = p.idle, nil
	return all
}

// noteFailure makes the pool pause, and keep fewer from then on: an idle upstream
// has died before its time. Those that die in the pause count no more.
func (p *pool) noteFailure(now time.Time) {
	if !now.Before(p.pauseEnd) {
		p.limit, p.served = max(1, p.limit/4), 0
		p.pauseEnd = now.Add(p.pause)
		p.pause = min(2*p.pause, maxPause)
	}
}
