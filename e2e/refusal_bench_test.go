//go:build linux

package e2e

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkRefusals has another machine connect to the listener 900 times a
// second, which is refused, beside a local stream. It measures what a refusal
// costs the service, and the stream's round trips with and without.
func BenchmarkRefusals(b *testing.B) {
	for _, addresses := range []int{2, 250} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			f := newFlood(b, addresses)
			for b.Loop() {
				quiet, flooded := f.measure(b, false), f.measure(b, true)
				b.ReportMetric(float64((flooded.used-quiet.used).Microseconds())/float64(flooded.refusals), "us-cpu/refusal")
				b.ReportMetric(quiet.at(0.5), "quiet-us-p50")
				b.ReportMetric(quiet.at(1), "quiet-us-max")
				b.ReportMetric(flooded.at(0.5), "flooded-us-p50")
				b.ReportMetric(flooded.at(0.99), "flooded-us-p99")
				b.ReportMetric(flooded.at(1), "flooded-us-max")
			}
			b.ReportMetric(0, "ns/op") // of no interest
		})
	}
}

// flood is a service, a local stream through it, and another machine.
type flood struct {
	*service
	stream net.Conn
	other  *namespace
}

func newFlood(b *testing.B, addresses int) *flood {
	lab := needLab(b)
	laptop := lab.laptop(b)
	for i := range addresses - 2 { // lo and the overlay have one
		if err := laptop.address("lo", fmt.Sprintf("10.78.0.%d/32", i+1)); err != nil {
			b.Fatal(err)
		}
	}
	f := &flood{service: serveOn(b, laptop, nil)}
	f.other, _ = ownPeer(b, lab)
	f.connect("echo")
	c, err := f.service.stream()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	f.stream = c
	return f
}

// measured is what some seconds brought.
type measured struct {
	trips    []time.Duration // sorted
	refusals int64
	used     time.Duration // processor time of the service
}

// at is a quantile of the round trips, in microseconds.
func (m measured) at(quantile float64) float64 {
	return float64(m.trips[int(quantile*float64(len(m.trips)-1))].Nanoseconds()) / 1000
}

func (f *flood) measure(b *testing.B, flooded bool) (m measured) {
	const length, rate, trips = 5 * time.Second, 900, 500 // a second
	state := f.state()
	used := processorTime(b, state.PID)
	var tasks sync.WaitGroup
	if flooded {
		tasks.Go(func() {
			tick := time.NewTicker(time.Second / rate)
			defer tick.Stop()
			for range int(length.Seconds() * rate) {
				<-tick.C
				c, err := f.other.dial(b.Context(), "tcp", at(f.laptop.overlay).String())
				if err != nil {
					continue // the service was quicker to reset it
				}
				c.Close()
			}
		})
	}
	tasks.Go(func() {
		tick := time.NewTicker(time.Second / trips)
		defer tick.Stop()
		for range int(length.Seconds() * trips) {
			<-tick.C
			began := time.Now()
			if !alive(f.stream) {
				b.Error("the stream has died")
				return
			}
			m.trips = append(m.trips, time.Since(began))
		}
	})
	tasks.Wait()
	if b.Failed() {
		b.FailNow()
	}
	slices.Sort(m.trips)
	m.refusals = f.state().Streams.Refused - state.Streams.Refused
	m.used = processorTime(b, state.PID) - used
	return m
}
