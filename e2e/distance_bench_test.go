//go:build linux

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// roundTrip is how far away the peers are whose names end in 80.
const roundTrip = 80 * time.Millisecond

// BenchmarkDistanceConnect measures until the answer to CONNECT, which is there
// after three round trips, or one where the service has a spare that is greeted.
func BenchmarkDistanceConnect(b *testing.B) {
	straight, warm, cold := routesTo(b, "far80")
	measure := func(r *route, greeting string) float64 {
		r.renew()
		r.open(greeting).Close() // the service makes spares once there is a stream
		var took []time.Duration
		for range 20 {
			began := time.Now()
			c := r.open(greeting)
			took = append(took, time.Since(began))
			c.Close()
		}
		return float64(median(took)) / float64(roundTrip)
	}
	for b.Loop() {
		without := measure(straight, plainGreeting)
		plain, other := measure(warm, plainGreeting), measure(warm, gssapiGreeting)
		spareless := measure(cold, plainGreeting)
		b.Logf("connect at 80 ms: straight %.2f round trips; ours warm %.2f (greeting 05 01 00), %.2f (another greeting); ours without spares %.2f",
			without, plain, other, spareless)
		b.ReportMetric(without, "straight-trips")
		b.ReportMetric(plain, "warm-trips")
		b.ReportMetric(other, "warm-other-trips")
		b.ReportMetric(spareless, "cold-trips")
	}
	b.ReportMetric(0, "ns/op") // of no interest
}

func BenchmarkDistanceTwelve(b *testing.B) {
	straight, warm, cold := routesTo(b, "far80")
	for b.Loop() {
		comparison{what: "twelve pages at 80 ms", unit: "s/twelve", count: 3, measure: (*route).twelve}.run(b, straight, warm, cold)
	}
}

func BenchmarkDistancePage(b *testing.B) {
	needPrograms(b, "chromium")
	straight, warm, cold := routesTo(b, "far80")
	warm.renew()
	cold.renew()
	for b.Loop() {
		comparison{what: "40 pictures in Chromium at 80 ms", unit: "s/page", count: 9, measure: (*route).browse}.run(b, straight, warm, cold)
	}
}

func BenchmarkDistanceLossy(b *testing.B) {
	_, warm, cold := routesTo(b, "lossy80")
	for b.Loop() {
		comparison{what: "twelve pages at 80 ms with 2 % loss", unit: "s/twelve", count: 20, atOnce: true, measure: (*route).twelve}.run(b, warm, cold)
		comparison{what: "2 MB at 80 ms with 2 % loss", unit: "s/2MB", count: 100, atOnce: true, measure: (*route).download}.run(b, warm, cold)
	}
}

func BenchmarkDistanceNarrow(b *testing.B) {
	_, warm, cold := routesTo(b, "narrow80")
	for b.Loop() {
		comparison{what: "twelve pages at 80 ms and 10 Mbit/s", unit: "s/twelve", count: 3, measure: (*route).twelve}.run(b, warm, cold)
		comparison{what: "2 MB at 80 ms and 10 Mbit/s", unit: "s/2MB", count: 5, measure: (*route).download}.run(b, warm, cold)
	}
}

// twelve measures twelve small pages, one after another, from a cold start.
func (r *route) twelve() time.Duration {
	r.renew()
	began := time.Now()
	for range 12 {
		r.fetch(1 << 10)
	}
	return time.Since(began)
}

// download measures a large page, once spares are there.
func (r *route) download() time.Duration {
	r.renew()
	r.fetch(1 << 10)
	if r.spares {
		eventually(r.t, "spares are connected", 10*time.Second, func() bool { return r.service.toRemote() >= 2 })
		r.fetch(1 << 10) // while it lasts the other spares are greeted
	}
	began := time.Now()
	r.fetch(2_000_000)
	return time.Since(began)
}

// comparison measures routes in turn, so that other work of the machine slows all of
// them alike.
type comparison struct {
	what, unit string
	count      int
	atOnce     bool // not in turn but together, where one does not slow another, so that the count can be larger
	measure    func(*route) time.Duration
}

// run logs a line, and makes the medians metrics.
func (c comparison) run(b *testing.B, routes ...*route) {
	b.Helper()
	took := make([][]time.Duration, len(routes))
	for range c.count {
		var round sync.WaitGroup
		for i, r := range routes {
			round.Go(func() { took[i] = append(took[i], c.measure(r)) })
			if !c.atOnce {
				round.Wait()
			}
		}
		if round.Wait(); b.Failed() {
			b.FailNow() // a measurement that fails ends its own goroutine only
		}
	}
	var line []string
	for i, r := range routes {
		middle := median(took[i]).Seconds()
		line = append(line, fmt.Sprintf("%s %.2f s (mean %.2f)", r.name, middle, mean(took[i]).Seconds()))
		b.ReportMetric(middle, strings.ReplaceAll(r.name, " ", "-")+"-"+c.unit)
	}
	b.Logf("%s, median of %d: %s", c.what, c.count, strings.Join(line, "; "))
	b.ReportMetric(0, "ns/op") // of no interest
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func mean(all []time.Duration) (m time.Duration) {
	for _, d := range all {
		m += d
	}
	return m / time.Duration(len(all))
}
