package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	loadLimit       = time.Minute // for what a measurement takes beside its time
)

// figure is one number that a measurement has found.
type figure struct {
	Unit  string
	Value float64
}

// measureAll measures in rounds. A measurement that fails leaves its cells empty.
func (b *bed) measureAll() (*bench.Results, error) {
	r := &bench.Results{Cores: runtime.NumCPU(), Seconds: b.seconds}
	for _, f := range b.forwarders {
		r.Forwarders = append(r.Forwarders, f.name)
	}
	for round := range b.rounds {
		log.Printf("round %d of %d", round+1, b.rounds)
		b.round(r, round)
		if b.ctx.Err() != nil {
			return nil, b.ctx.Err()
		}
	}
	log.Printf("%d idle streams", b.idle)
	for _, f := range b.forwarders {
		if f.name != bench.Direct {
			b.measure(r, 0, bench.Idle, b.idle, f)
		}
	}
	log.Printf("beside %d idle streams", heldStreams)
	if err := b.measureHeld(r); err != nil && b.ctx.Err() == nil {
		log.Printf("bulk beside idle streams is left out: %v", err)
	}
	return r, b.ctx.Err()
}

// round measures each forwarder once, in an order that turns by one each time:
// none is always the first.
func (b *bed) round(r *bench.Results, round int) {
	for _, m := range []struct {
		what    string
		streams int
	}{
		{bench.Bulk, 1}, {bench.Bulk, 8},
		{bench.Ping, 1}, {bench.Ping, 32},
		{bench.Conn, 16},
	} {
		for i := range b.forwarders {
			b.measure(r, round, m.what, m.streams, b.forwarders[(i+round)%len(b.forwarders)])
		}
	}
}

// measure adds the figures of one measurement.
func (b *bed) measure(r *bench.Results, round int, what string, streams int, f forwarder) {
	figures, err := b.load(what, streams, f)
	if err != nil && b.ctx.Err() == nil {
		log.Printf("%s, %s with %d streams: %v", f.name, what, streams, err)
	}
	for _, figure := range figures {
		r.Row(what, streams, figure.Unit).Set(round, f.name, figure.Value)
	}
}

// measureHeld measures a bulk stream with and without others held open, in a
// process of its own that may open few more descriptors than those need.
func (b *bed) measureHeld(r *bench.Results) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	f, err := b.startOurs(ctx, "limited", "prlimit", "--nofile="+descriptorLimit+":"+descriptorLimit)
	if err != nil {
		return err
	}
	for round := range b.rounds {
		without, err := b.bulk(f)
		if err != nil {
			return err
		}
		with, err := b.bulkBeside(heldStreams, f)
		if err != nil {
			return err
		}
		r.Row(bench.Held, heldStreams, bench.GBPerSecond).Set(round, bench.Ours, with)
		r.Row(bench.Held, heldStreams, "times that without").Set(round, bench.Ours, with/without)
	}
	return nil
}

// load runs one measurement in a process of its own.
func (b *bed) load(what string, streams int, f forwarder) ([]figure, error) {
	ctx, cancel := b.loadContext()
	defer cancel()
	load := command(ctx, b.self, "load", what, "-n", strconv.Itoa(streams), "-d", b.duration().String(),
		"-pid", strconv.Itoa(f.pid), loopback(f.port))
	load.Stderr = os.Stderr
	out, err := load.Output()
	if err != nil {
		return nil, err
	}
	var figures []figure
	return figures, json.Unmarshal(out, &figures)
}

// bulk measures one bulk stream, in GB/s.
func (b *bed) bulk(f forwarder) (float64, error) {
	figures, err := b.load(bench.Bulk, 1, f)
	for _, figure := range figures {
		if figure.Unit == bench.GBPerSecond {
			return figure.Value, err
		}
	}
	return 0, cmp.Or(err, errors.New("no throughput"))
}

// bulkBeside is the same while others are held open by another process.
func (b *bed) bulkBeside(held int, f forwarder) (float64, error) {
	ctx, cancel := b.loadContext()
	defer cancel()
	holder := command(ctx, b.self, "load", "hold", "-n", strconv.Itoa(held), loopback(f.port))
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
	return b.bulk(f)
}

func (b *bed) loadContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, b.duration()+loadLimit)
}

func (b *bed) duration() time.Duration { return time.Duration(b.seconds * float64(time.Second)) }
