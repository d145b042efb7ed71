//go:build linux

package distance

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// packet is an IP packet under way.
type packet struct {
	bytes []byte
	due   time.Time // when it arrives at the end of the wire it is in
}

// destination is where the packet goes; ok is false if it is no IPv6 packet.
func (p packet) destination() (to netip.Addr, ok bool) {
	if len(p.bytes) < 40 || p.bytes[0]>>4 != 6 {
		return to, false
	}
	return netip.AddrFrom16([16]byte(p.bytes[24:40])), true
}

// wire is one direction of a cable: first in, first out.
type wire struct {
	cable Cable
	queue chan packet

	mu   sync.Mutex
	free time.Time // when the rate allows the next packet to be sent
}

const (
	maxUnderWay = 1 << 14                // packets in a wire
	maxWaiting  = 200 * time.Millisecond // for the rate to allow a packet; the buffer of a usual router
)

func newWire(c Cable) *wire { return &wire{cable: c, queue: make(chan packet, maxUnderWay)} }

// send puts a packet into the wire, or loses it. The delay counts from when the
// packet was due at the wire, not from now: what one wire delivers late, the next
// one makes up for.
func (w *wire) send(p packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rand.Float64() < w.cable.Loss || w.free.Sub(p.due) > maxWaiting {
		return
	}
	if w.cable.Rate > 0 {
		if w.free.Before(p.due) {
			w.free = p.due
		}
		w.free = w.free.Add(time.Duration(float64(len(p.bytes)*8) / w.cable.Rate * float64(time.Second)))
		p.due = w.free
	}
	p.due = p.due.Add(w.cable.Delay)
	select {
	case w.queue <- p:
	default: // too many are under way: this one is lost, too
	}
}

// deliver hands each packet over when it is due, until done is closed.
func (w *wire) deliver(done <-chan struct{}, to func(packet)) {
	for {
		select {
		case p := <-w.queue:
			sleepUntil(p.due)
			to(p)
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
		unix.Nanosleep(&pause, nil) // a signal, such as the runtime sends itself, may end it early: hence the loop
	}
}
