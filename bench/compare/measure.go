//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"time"

	"mycoproxy/bench"
)

const (
	heldStreams     = 9000 // two descriptors each leave little of the limit
	descriptorLimit = "20000"
	connectors      = 16              // connections that are opened at a time
	headStart       = time.Second / 2 // of bulk streams, before connections are opened beside them
	loadLimit       = time.Minute     // for what a measurement takes beside its time
)

// figure is one number that a measurement has found.
type figure struct {
	Unit  string
	Value float64
}

// measureAll measures in rounds. A measurement that fails leaves its cells empty.
func (c *comparison) measureAll() (*bench.Results, error) {
	r := &bench.Results{Cores: runtime.NumCPU(), Seconds: c.seconds}
	for _, f := range c.forwarders {
		r.Forwarders = append(r.Forwarders, f.name)
	}
	for round := range c.rounds {
		log.Printf("round %d of %d", round+1, c.rounds)
		c.round(r, round)
		if c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
	}
	if c.wants(bench.Idle) {
		log.Printf("%d idle streams", c.idle)
		for _, f := range c.forwarders {
			if f.name != bench.Direct {
				c.measure(r, 0, bench.Idle, c.idle, f)
			}
		}
	}
	if c.wants(bench.Held) {
		log.Printf("beside %d idle streams", heldStreams)
		if err := c.measureHeld(r); err != nil && c.ctx.Err() == nil {
			log.Printf("bulk beside idle streams is left out: %v", err)
		}
	}
	return r, c.ctx.Err()
}

// round measures each forwarder once, in an order that turns by one each time:
// none is always the first.
func (c *comparison) round(r *bench.Results, round int) {
	for _, m := range []struct {
		what    string
		streams int
	}{
		{bench.Bulk, 1}, {bench.Bulk, 8},
		{bench.Ping, 1}, {bench.Ping, 32},
		{bench.Paced, 1}, {bench.Paced, 4}, {bench.Drip, 1},
		{bench.Conn, connectors}, {bench.Beside, 8},
	} {
		if !c.wants(m.what) {
			continue
		}
		for i := range c.forwarders {
			c.measure(r, round, m.what, m.streams, c.forwarders[(i+round)%len(c.forwarders)])
		}
	}
}

// measure adds the figures of one measurement.
func (c *comparison) measure(r *bench.Results, round int, what string, streams int, f forwarder) {
	var figures []figure
	var err error
	if what == bench.Beside {
		figures, err = c.beside(streams, f)
	} else {
		figures, err = c.load(what, streams, f, c.duration())
	}
	if err != nil && c.ctx.Err() == nil {
		log.Printf("%s, %s with %d streams: %v", f.name, what, streams, err)
	}
	for _, figure := range figures {
		r.Row(what, streams, figure.Unit).Set(round, f.name, figure.Value)
	}
}

// beside measures new connections while bulk streams run, and what these bring.
func (c *comparison) beside(streams int, f forwarder) ([]figure, error) {
	type result struct {
		gb  float64
		err error
	}
	bulk := make(chan result, 1)
	go func() {
		gb, err := c.bulk(streams, f, headStart+c.duration()+headStart)
		bulk <- result{gb, err}
	}()
	select {
	case <-time.After(headStart):
	case <-c.ctx.Done():
	}
	connections, err := c.value(bench.Conn, connectors, f, c.duration(), bench.PerSecond)
	meanwhile := <-bulk
	if err := cmp.Or(err, meanwhile.err); err != nil {
		return nil, err
	}
	return []figure{{bench.PerSecond, connections}, {"bulk GB/s", meanwhile.gb}}, nil
}

// measureHeld measures a bulk stream with and without others held open, in a
// process of its own that may open few more descriptors than those need.
func (c *comparison) measureHeld(r *bench.Results) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	f, err := c.startOurs(ctx, "limited", "prlimit", "--nofile="+descriptorLimit+":"+descriptorLimit)
	if err != nil {
		return err
	}
	for round := range c.rounds {
		without, err := c.bulk(1, f, c.duration())
		if err != nil {
			return err
		}
		with, err := c.bulkBeside(heldStreams, f)
		if err != nil {
			return err
		}
		r.Row(bench.Held, heldStreams, bench.GBPerSecond).Set(round, bench.Ours, with)
		r.Row(bench.Held, heldStreams, "times that without").Set(round, bench.Ours, with/without)
	}
	return nil
}

// load runs one measurement in a process of its own.
func (c *comparison) load(what string, streams int, f forwarder, duration time.Duration) ([]figure, error) {
	ctx, cancel := context.WithTimeout(c.ctx, duration+loadLimit)
	defer cancel()
	load := command(ctx, c.self, "load", what, "-n", strconv.Itoa(streams), "-d", duration.String(),
		"-pid", strconv.Itoa(f.pid), loopback(f.port))
	load.Stderr = os.Stderr
	out, err := load.Output()
	if err != nil {
		return nil, err
	}
	var figures []figure
	return figures, json.Unmarshal(out, &figures)
}

// bulk measures the throughput of bulk streams, in GB/s.
func (c *comparison) bulk(streams int, f forwarder, duration time.Duration) (float64, error) {
	return c.value(bench.Bulk, streams, f, duration, bench.GBPerSecond)
}

// value is the figure of one unit that a measurement has found.
func (c *comparison) value(what string, streams int, f forwarder, duration time.Duration, unit string) (float64, error) {
	figures, err := c.load(what, streams, f, duration)
	for _, figure := range figures {
		if figure.Unit == unit {
			return figure.Value, err
		}
	}
	return 0, cmp.Or(err, fmt.Errorf("no figure of %s", unit))
}

// bulkBeside is the same while others are held open by another process.
func (c *comparison) bulkBeside(held int, f forwarder) (float64, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.duration()+loadLimit)
	defer cancel()
	holder := command(ctx, c.self, "load", "hold", "-n", strconv.Itoa(held), loopback(f.port))
	holder.Stderr = os.Stderr
	release, err := holder.StdinPipe()
	if err != nil {
		return 0, err
	}
	ready, err := holder.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := holder.Start(); err != nil {
		return 0, err
	}
	defer holder.Wait()
	defer release.Close()
	if _, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		return 0, fmt.Errorf("holding %d streams: %w", held, err)
	}
	return c.bulk(1, f, c.duration())
}

func (c *comparison) duration() time.Duration { return time.Duration(c.seconds * float64(time.Second)) }
