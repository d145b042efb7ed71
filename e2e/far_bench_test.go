//go:build linux

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const roundTrip = 80 * time.Millisecond // to the peers whose names end so

// BenchmarkDistanceConnect measures until the answer to CONNECT, which is there
// after three round trips unless the service has something in store.
func BenchmarkDistanceConnect(b *testing.B) {
	straight, warm, cold := farWays(b, "far80")
	measure := func(w *way, greeting string) float64 {
		w.renew()
		w.open(greeting).Close() // the first tells the service that there will be more
		var took []time.Duration
		for range 20 {
			began := time.Now()
			c := w.open(greeting)
			took = append(took, time.Since(began))
			c.Close()
		}
		return float64(median(took)) / float64(roundTrip)
	}
	for b.Loop() {
		without := measure(straight, plainGreeting)
		plain, other := measure(warm, plainGreeting), measure(warm, anotherGreeting)
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
	straight, warm, cold := farWays(b, "far80")
	for b.Loop() {
		compare(b, "twelve pages at 80 ms", 5, "s/twelve", (*way).twelve, straight, warm, cold)
	}
}

func BenchmarkDistancePage(b *testing.B) {
	needPrograms(b, "chromium")
	straight, warm, cold := farWays(b, "far80")
	warm.renew()
	cold.renew()
	for b.Loop() {
		compare(b, "40 pictures in Chromium at 80 ms", 9, "s/page", (*way).browse, straight, warm, cold)
	}
}

func BenchmarkDistanceLossy(b *testing.B) {
	_, warm, cold := farWays(b, "lossy80")
	for b.Loop() {
		compare(b, "twelve pages at 80 ms with 2 % loss", 15, "s/twelve", (*way).twelve, warm, cold)
		compare(b, "2 MB at 80 ms with 2 % loss", 3, "s/2MB", (*way).download, warm, cold)
	}
}

func BenchmarkDistanceNarrow(b *testing.B) {
	_, warm, cold := farWays(b, "narrow80")
	for b.Loop() {
		compare(b, "twelve pages at 80 ms and 10 Mbit/s", 3, "s/twelve", (*way).twelve, warm, cold)
		compare(b, "2 MB at 80 ms and 10 Mbit/s", 5, "s/2MB", (*way).download, warm, cold)
	}
}

// twelve measures twelve small pages, one after another, from a cold start.
func (w *way) twelve() time.Duration {
	w.renew()
	began := time.Now()
	for range 12 {
		w.fetch(1 << 10)
	}
	return time.Since(began)
}

// download measures a large page, once spares are there.
func (w *way) download() time.Duration {
	w.renew()
	w.fetch(1 << 10)
	time.Sleep(time.Second)
	began := time.Now()
	w.fetch(2_000_000)
	return time.Since(began)
}

// compare measures the ways in turn, so that what else the machine does falls
// upon all of them, and logs a line.
func compare(b *testing.B, what string, count int, metric string, measure func(*way) time.Duration, ways ...*way) {
	b.Helper()
	took := map[*way][]time.Duration{}
	for range count {
		for _, w := range ways {
			took[w] = append(took[w], measure(w))
		}
	}
	var line []string
	for _, w := range ways {
		middle := median(took[w]).Seconds()
		line = append(line, fmt.Sprintf("%s %.2f s (mean %.2f)", w.name, middle, mean(took[w]).Seconds()))
		b.ReportMetric(middle, strings.ReplaceAll(w.name, " ", "-")+"-"+metric)
	}
	b.Logf("%s, median of %d: %s", what, count, strings.Join(line, "; "))
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
