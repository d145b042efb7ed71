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
	growth       = 16 // sessions that idle upstreams served before one more is kept again
)

// pool is the idle upstreams and the count of who would have wanted one. It
// dials and closes nothing itself.
type pool struct {
	kind      Kind
	idle      []*idle // oldest first
	begun     [mostIdle]begun
	next      int  // index in begun
	isProven  bool // a dial of a session has succeeded
	dialling  int  // sessions that dial for themselves: an idle upstream could be in their way
	isFilling bool
	limit     int // at most so many
	served    int // sessions since limit was raised
	pause     time.Duration
	pausesTil time.Time
}

// begun is when a session began, and whether with the greeting of the handshake.
type begun struct {
	at    time.Time
	greet bool
}

func newPool() pool { return pool{limit: mostIdle, pause: minPause} }

// note counts a session that begins now.
func (p *pool) note(now time.Time, greets bool) {
	p.begun[p.next] = begun{now, greets}
	p.next = (p.next + 1) % len(p.begun)
}

// lacking reports whether an idle upstream should be made now, and of which kind.
func (p *pool) lacking(now time.Time) (greets, isLacking bool) {
	if p.kind == None || !p.isProven || p.dialling > 0 || len(p.idle) >= p.limit || now.Before(p.pausesTil) {
		return false, false
	}
	missing := map[bool]int{}
	for _, b := range p.begun {
		if !b.at.IsZero() && now.Sub(b.at) < demandWindow {
			missing[b.greet && p.kind == Greeted]++
		}
	}
	for _, have := range p.idle {
		missing[have.greets]--
	}
	return missing[true] > 0, missing[true] > 0 || missing[false] > 0
}

// remove takes one out of the pool, if it is there.
func (p *pool) remove(one *idle) {
	p.idle = slices.DeleteFunc(p.idle, func(have *idle) bool { return have == one })
}

// take takes the oldest idle upstream that suits a session, which begins with
// the greeting or not; nil: there is none. Those in the way must be closed before
// the session goes on.
func (p *pool) take(now time.Time, greets bool) (one *idle, inTheWay []*idle) {
	suits := func(wanted bool) int {
		return slices.IndexFunc(p.idle, func(have *idle) bool { return have.greets == wanted })
	}
	i := -1
	if greets {
		i = suits(true)
	}
	if i < 0 {
		i = suits(false)
	}
	hasSlept := len(p.idle) > 0 && now.Round(0).Sub(p.idle[0].born) > lifetime
	if i < 0 || hasSlept {
		return nil, p.clear()
	}
	one, inTheWay = p.idle[i], slices.Clone(p.idle[:i])
	p.idle = slices.Delete(p.idle, 0, i+1)
	return one, inTheWay
}

// clear empties the pool and returns what was in it.
func (p *pool) clear() (all []*idle) {
	all = slices.Clone(p.idle)
	p.idle = slices.Delete(p.idle, 0, len(p.idle))
	return all
}

// noteFailure makes the pool pause, and keep fewer from then on: an idle upstream
// has died before its time. Those that die in the pause count no more.
func (p *pool) noteFailure(now time.Time) {
	if now.Before(p.pausesTil) {
		return
	}
	p.limit, p.served = max(1, p.limit/4), 0
	p.pausesTil = now.Add(p.pause)
	p.pause = min(2*p.pause, maxPause)
}

// noteServed counts a session that an idle upstream has served.
func (p *pool) noteServed() {
	if p.served++; p.limit < mostIdle && p.served >= growth {
		p.limit, p.served, p.pause = p.limit+1, 0, minPause
	}
}
