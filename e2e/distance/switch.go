//go:build linux

package distance

import (
	"bytes"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Link joins one namespace to the switch. Delay, Loss and Rate are those of each
// direction.
type Link struct {
	Device *os.File      // from Open
	Prefix netip.Prefix  // packets to these addresses leave here; the longest prefix decides
	Delay  time.Duration // of each packet
	Loss   float64       // the share of packets that get lost, from 0 to 1
	Rate   float64       // bits a second; 0: no limit
}

// Switch forwards packets between links.
type Switch struct {
	ports []*port
	done  chan struct{}
	tasks sync.WaitGroup
}

// port is a link's end at the switch.
type port struct {
	Link
	in, out *lane
}

const maxPacket = 1 << 16 // bytes

// Start forwards between the links until Close. A packet that none of them is
// for is dropped.
func Start(links ...Link) *Switch {
	s := &Switch{done: make(chan struct{})}
	for _, l := range links {
		s.ports = append(s.ports, &port{Link: l, in: newLane(l), out: newLane(l)})
	}
	for _, p := range s.ports {
		s.tasks.Go(func() { s.read(p) })
		s.tasks.Go(func() { p.in.carry(s.done, s.forward) })
		s.tasks.Go(func() {
			p.out.carry(s.done, func(leaving packet) { p.Device.Write(leaving.bytes) }) // in vain while the device is down
		})
	}
	return s
}

// Close ends the forwarding and closes the devices, which removes them.
func (s *Switch) Close() {
	close(s.done)
	for _, p := range s.ports {
		p.Device.Close()
	}
	s.tasks.Wait()
}

func (s *Switch) read(p *port) {
	buffer := make([]byte, maxPacket)
	for {
		n, err := p.Device.Read(buffer)
		if err != nil {
			return
		}
		p.in.enter(packet{bytes: bytes.Clone(buffer[:n]), due: time.Now()})
	}
}

// forward hands a packet over to the link that it leaves by.
func (s *Switch) forward(p packet) {
	to, ok := p.destination()
	if !ok {
		return
	}
	var best *port
	for _, candidate := range s.ports {
		if candidate.Prefix.Contains(to) && (best == nil || candidate.Prefix.Bits() > best.Prefix.Bits()) {
			best = candidate
		}
	}
	if best != nil {
		best.out.enter(p)
	}
}
