//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/bench"
)

// load is the client in front of a forwarder.
type load struct {
	addr     string
	streams  int
	duration time.Duration
	pids     []int // of the forwarder
}

// runLoad makes one measurement, or holds streams open, and prints the figures.
func runLoad(what string, args []string) {
	var l load
	var pid int
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.IntVar(&l.streams, "n", 1, "how many streams at a time")
	flags.DurationVar(&l.duration, "d", 2*time.Second, "how long to measure")
	flags.IntVar(&pid, "pid", 0, "the forwarder's process")
	flags.Parse(args)
	l.addr, l.pids = flags.Arg(0), family(pid)
	if what == "hold" {
		l.hold()
		return
	}
	figures, err := l.measure(what)
	if err != nil {
		log.Fatal(err)
	}
	report(figures)
}

// measure makes one measurement. It ends the process if a stream breaks.
func (l *load) measure(what string) ([]figure, error) {
	switch what {
	case bench.Bulk:
		return l.bulk(), nil
	case bench.Paced:
		return l.paced(helloPaced), nil
	case bench.Drip:
		return l.paced(helloDrip), nil
	case bench.Ping:
		return l.ping(), nil
	case bench.Conn:
		return l.conn(), nil
	case bench.Idle:
		return l.idle(), nil
	}
	return nil, fmt.Errorf("there is no measurement %q", what)
}

// report leaves out what could not be measured.
func report(figures []figure) {
	figures = slices.DeleteFunc(figures, func(f figure) bool { return math.IsNaN(f.Value) || math.IsInf(f.Value, 0) })
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		log.Fatal(err)
	}
}

// each runs f once for every stream, with the time at which to end, and returns
// the forwarder's CPU seconds meanwhile.
func (l *load) each(f func(stop time.Time)) (cpuSeconds float64) {
	before, stop := total(l.pids, cpu), time.Now().Add(l.duration)
	var streams sync.WaitGroup
	for range l.streams {
		streams.Go(func() { f(stop) })
	}
	streams.Wait()
	return total(l.pids, cpu) - before
}

// download reads what the server sends, and returns how many 10^9 bytes that
// were, and the forwarder's CPU seconds.
func (l *load) download(first hello) (gb, cpuSeconds float64) {
	var bytes atomic.Int64
	cpuSeconds = l.each(func(stop time.Time) {
		c := l.dial()
		defer c.Close()
		say(c, first)
		b := make([]byte, blockSize)
		for time.Now().Before(stop) {
			n, err := c.Read(b)
			if err != nil {
				log.Fatal(err)
			}
			bytes.Add(int64(n))
		}
	})
	return float64(bytes.Load()) / 1e9, cpuSeconds
}

// bulk reads as fast as it can.
func (l *load) bulk() []figure {
	gb, used := l.download(helloStream)
	return []figure{{bench.GBPerSecond, gb / l.duration.Seconds()}, {bench.CPUPerGB, used / gb}}
}

// paced reads what comes in small pieces, at the server's pace.
func (l *load) paced(first hello) []figure {
	gb, used := l.download(first)
	seconds := l.duration.Seconds()
	return []figure{{"Mbit/s", 8000 * gb / seconds}, {bench.CPUPercent, 100 * used / seconds}}
}

// ping sends 64 bytes and waits until they are back, again and again.
func (l *load) ping() []figure {
	var mu sync.Mutex
	var all []time.Duration
	used := l.each(func(stop time.Time) {
		c := l.dial()
		defer c.Close()
		say(c, helloEcho)
		var mine []time.Duration
		b := make([]byte, 64)
		for time.Now().Before(stop) {
			start := time.Now()
			c.Write(b)
			if _, err := io.ReadFull(c, b); err != nil {
				log.Fatal(err)
			}
			mine = append(mine, time.Since(start))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine...)
	})
	slices.Sort(all)
	quantile := func(percent int) float64 { return float64(all[len(all)*percent/100].Nanoseconds()) / 1e3 }
	return []figure{{bench.Median, quantile(50)}, {"p99 µs", quantile(99)}, {"CPU µs each", used * 1e6 / float64(len(all))}}
}

// conn opens, uses once and closes connections. They are reset so that no port
// stays taken.
func (l *load) conn() []figure {
	var done, failed atomic.Int64
	used := l.each(func(stop time.Time) {
		for time.Now().Before(stop) {
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				failed.Add(1)
				time.Sleep(10 * time.Millisecond)
				continue
			}
			c.(*net.TCPConn).SetLinger(0)
			if useOnce(c) != nil {
				failed.Add(1)
			} else {
				done.Add(1)
			}
			c.Close()
		}
	})
	n := float64(done.Load())
	return []figure{{bench.PerSecond, n / l.duration.Seconds()}, {"failed", float64(failed.Load())}, {"CPU µs each", used * 1e6 / n}}
}

// idle opens connections and looks at the forwarder while they are silent.
func (l *load) idle() []figure {
	before := total(l.pids, residentKiB)
	held := l.open()
	time.Sleep(time.Second)
	n := float64(len(held))
	figures := []figure{
		{"held", n},
		{"KiB each", (total(l.pids, residentKiB) - before) / n},
		{"descriptors each", total(l.pids, descriptors) / n},
	}
	runtime.KeepAlive(held)
	return figures
}

// hold keeps connections open until standard input ends. It prints a line when
// all are there.
func (l *load) hold() {
	held := l.open()
	if len(held) < l.streams {
		os.Exit(1)
	}
	report([]figure{{"held", float64(len(held))}})
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
}

// open opens connections, each used once, until there are enough or one fails.
func (l *load) open() (held []net.Conn) {
	for range l.streams {
		c := l.dial()
		if err := useOnce(c); err != nil {
			log.Printf("stopped at %d connections: %v", len(held), err)
			break
		}
		held = append(held, c)
	}
	return held
}

// useOnce has one byte sent back.
func useOnce(c net.Conn) error {
	say(c, helloEcho+"x")
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// say sends what a client says first. That it fails, the read that follows tells.
func say(c net.Conn, first hello) { io.WriteString(c, string(first)) }

func (l *load) dial() net.Conn {
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		log.Fatal(err)
	}
	return c
}
