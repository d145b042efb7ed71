//go:build linux

package distance

import (
	"bytes"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Cable joins one namespace to the switch. Delay, Loss and Rate hold for each
// direction.
type Cable struct {
	Device *os.File      // the namespace's end, from Open
	Prefix netip.Prefix  // the addresses at that end; the longest prefix decides
	Delay  time.Duration // of each packet
	Loss   float64       // the share of packets that get lost, from 0 to 1
	Rate   float64       // bits a second; 0: no limit
}

// Switch forwards packets between cables.
type Switch struct {
	ports []*port
	done  chan struct{}
	tasks sync.WaitGroup
}

// port is where a cable is plugged in.
type port struct {
	Cable
	in, out *wire // to the switch, and from it
}

const maxPacket = 1 << 16 // bytes

// Start forwards between the cables until Close. A packet to an address at none
// of them is dropped.
func Start(cables ...Cable) *Switch {
	s := &Switch{done: make(chan struct{})}
	for _, c := range cables {
		s.ports = append(s.ports, &port{Cable: c, in: newWire(c), out: newWire(c)})
	}
	for _, p := range s.ports {
		s.tasks.Go(func() { s.read(p) })
		s.tasks.Go(func() { p.in.deliver(s.done, s.forward) })
		s.tasks.Go(func() {
			p.out.deliver(s.done, func(leaving packet) { p.Device.Write(leaving.bytes) }) // an error means that the device is down, and the packet is lost
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

// read sends what the namespace sends into its cable, until the device is closed.
func (s *Switch) read(p *port) {
	buffer := make([]byte, maxPacket)
	for {
		n, err := p.Device.Read(buffer)
		if err != nil {
			return
		}
		p.in.send(packet{bytes: bytes.Clone(buffer[:n]), due: time.Now()})
	}
}

// forward sends a packet that has arrived at the switch into the cable to its
// destination.
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
		best.out.send(p)
	}
}
