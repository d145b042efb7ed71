package main

import (
	"strings"
	"testing"

	"mycoproxy/bench"
)

// The results have two of the rows of panels, one of them with a single figure.
func TestDraw(t *testing.T) {
	r := &bench.Results{Forwarders: []string{bench.Direct, bench.Plain, bench.Ours}}
	for _, streams := range []int{1, 8} {
		r.Row(bench.Bulk, streams, bench.GBPerSecond).Set(0, bench.Direct, 4)
		r.Row(bench.Bulk, streams, bench.GBPerSecond).Set(0, bench.Ours, 2.5)
	}
	r.Row(bench.Paced, 1, bench.CPUPercent).Set(0, bench.Plain, 3)
	rows := len(r.Rows)
	svg, err := draw(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != rows {
		t.Errorf("%d rows became %d", rows, len(r.Rows))
	}
	for text, want := range map[string]int{
		">Bulk, 1 stream: GB/s": 1, ">Bulk, 8 streams: GB/s": 1, ">112 Mbit/s in pieces of 14 KB": 1,
		">direct<": 2, ">ours<": 2, ">plain<": 1, ">4.00<": 2, ">2.50<": 2, ">3.00<": 1,
		">Round trip": 0, ">112 Mbit/s in pieces of 1.4 KB": 0,
	} {
		if got := strings.Count(string(svg), text); got != want {
			t.Errorf("%q is in the picture %d times, want %d", text, got, want)
		}
	}
}

func TestNothingToDraw(t *testing.T) {
	r := &bench.Results{Forwarders: []string{bench.Ours}}
	r.Row(bench.Held, 9000, bench.GBPerSecond).Set(0, bench.Ours, 1)
	if svg, err := draw(r); err == nil {
		t.Errorf("drew %s", svg)
	}
}
