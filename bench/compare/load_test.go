//go:build linux

package main

import (
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/bench"
	"mycoproxy/bench/bare"
)

// Every measurement finds each of its figures, through a forwarder that asks for
// the first byte that a SOCKS client sends.
func TestMeasurements(t *testing.T) {
	server, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go serveOn(server)
	forwarder, err := bare.Listen("[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer forwarder.Close()
	go bare.Serve(forwarder, server.Addr().String(), bare.Plain)

	for what, want := range map[string][]string{
		bench.Bulk:  {bench.GBPerSecond, bench.CPUPerGB},
		bench.Paced: {"Mbit/s", bench.CPUPercent},
		bench.Drip:  {"Mbit/s", bench.CPUPercent},
		bench.Ping:  {bench.Median, "p99 µs", "CPU µs each"},
		bench.Conn:  {bench.PerSecond, "failed", "CPU µs each"},
		bench.Idle:  {"held", "KiB each", "descriptors each"},
	} {
		l := load{addr: forwarder.Addr().String(), streams: 2, duration: 50 * time.Millisecond, pids: family(os.Getpid())}
		figures, err := l.measure(what)
		if err != nil {
			t.Fatal(err)
		}
		var units []string
		for _, f := range figures {
			units = append(units, f.Unit)
			if f.Unit != "failed" && f.Unit != "KiB each" && !(f.Value > 0) || f.Unit == "failed" && f.Value != 0 {
				t.Errorf("%s: %v %s", what, f.Value, f.Unit)
			}
		}
		if !slices.Equal(units, want) {
			t.Errorf("%s: figures %q, want %q", what, units, want)
		}
	}
	if _, err := new(load).measure("nothing"); err == nil {
		t.Error("what is no measurement was measured")
	}
}

// Whatever the pieces, a stream is of 112 Mbit/s.
func TestPace(t *testing.T) {
	for _, first := range []hello{helloPaced, helloDrip} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			var served sync.WaitGroup
			served.Go(func() { answer(server) })
			say(client, first)
			start := time.Now()
			b := make([]byte, blockSize)
			for got := 0; got < 14_000_000; {
				n, err := client.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
			if took := time.Since(start); (took - time.Second).Abs() > time.Millisecond {
				t.Errorf("14 MB of %q took %v, want a second", first, took)
			}
			client.Close()
			served.Wait()
		})
	}
}

func TestFamily(t *testing.T) {
	if got := family(0); len(got) != 0 {
		t.Errorf("no process has %v", got)
	}
	child := command(t.Context(), "cat")
	end, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer end.Close()
	pids := family(os.Getpid())
	if pids[0] != os.Getpid() || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("%d has the family %v without its child %d", os.Getpid(), pids, child.Process.Pid)
	}
	if got := total(pids, func(pid int) float64 { return float64(pid) }); got != float64(os.Getpid()+child.Process.Pid) {
		t.Errorf("the total of %v is %v", pids, got)
	}
	if own := residentKiB(os.Getpid()); !(own > 0) {
		t.Errorf("this process has %v KiB", own)
	}
}
