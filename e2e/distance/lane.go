//go:build linux

package distance

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// packet is one on its way.
type packet struct {
	bytes []byte
	due   time.Time // when it is to be at the end of the lane it is in
}

// destination is that of an IPv6 packet.
func (p packet) destination() (to netip.Addr, ok bool) {
	if len(p.bytes) < 40 || p.bytes[0]>>4 != 6 {
		return to, false
	}
	return netip.AddrFrom16([16]byte(p.bytes[24:40])), true
}

// lane is one direction of a link: first in, first out.
type lane struct {
	link  Link
	queue chan packet

	mu   sync.Mutex
	free time.Time // when the packets so far will all have been sent
}

const (
	maxUnderWay = 1 << 14                // packets of a lane
	maxWaiting  = 200 * time.Millisecond // for a link that is busy sending: the buffer of a usual router
)

func newLane(l Link) *lane { return &lane{link: l, queue: make(chan packet, maxUnderWay)} }

// enter puts a packet into the lane, or loses it. The time it takes counts from
// when the packet was due, so that what was late before is not late twice.
func (l *lane) enter(p packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rand.Float64() < l.link.Loss || l.free.Sub(p.due) > maxWaiting {
		return
	}
	if l.link.Rate > 0 {
		if l.free.Before(p.due) {
			l.free = p.due
		}
		l.free = l.free.Add(time.Duration(float64(len(p.bytes)*8) / l.link.Rate * float64(time.Second)))
		p.due = l.free
	}
	p.due = p.due.Add(l.link.Delay)
	select {
	case l.queue <- p:
	default: // full
	}
}

// carry delivers each packet when it is due, until done.
func (l *lane) carry(done <-chan struct{}, deliver func(packet)) {
	for {
		select {
		case p := <-l.queue:
			sleepUntil(p.due)
			deliver(p)
		case <-done:
			return
		}
	}
}

// sleepUntil is exact to some 50 microseconds, where time.Sleep may be a
// millisecond late.
func sleepUntil(due time.Time) {
	for wait := time.Until(due); wait > 0; wait = time.Until(due) {
		pause := unix.NsecToTimespec(int64(wait))
		unix.Nanosleep(&pause, nil) // a signal of the runtime may end it early
	}
}
