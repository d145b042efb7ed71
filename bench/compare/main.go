// Compare measures the program as a forwarder beside others, on the same work
// and in turn. Everything runs on loopback.
//
//	compare [-binary FILE] [-rounds N] [-seconds S] [-idle N] [-json FILE] [-markdown]
//
// The columns are: direct (nothing in between), tokio (bench/tokio), haproxy
// (TCP mode with splice) and ours; what is not installed is left out. Each cell
// is the median of the rounds, the ratio that of the ratios of each round. Idle
// streams are measured once, after the rounds.
//
// It runs on Linux, in the project's folder. For its own use it has a server for
// behind the forwarders, and a client for in front of them, which are processes
// of their own so that they do not disturb each other:
//
//	compare serve ADDR
//	compare load bulk|ping|conn|idle|hold [-n N] [-d DURATION] [-pid PID] ADDR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

// options are the flags.
type options struct {
	binary   string
	rounds   int
	seconds  float64
	idle     int
	json     string
	markdown bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	raiseDescriptorLimit()
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		log.Fatal(serve(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == "load" {
		runLoad(os.Args[2], os.Args[3:])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, flags()); err != nil {
		log.Fatal(err)
	}
}

func flags() options {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/mycoproxy", "the program, a `FILE`")
	flag.IntVar(&o.rounds, "rounds", 5, "how often to measure everything")
	flag.Float64Var(&o.seconds, "seconds", 2, "how long each measurement takes")
	flag.IntVar(&o.idle, "idle", 3000, "how many idle streams to open")
	flag.StringVar(&o.json, "json", "", "keep the results in `FILE`")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	flag.Parse()
	return o
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.seconds <= 0 || o.idle < 1 || flag.NArg() > 0 {
		return errors.New("wrong usage: see -help")
	}
	b, err := newBed(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.startAll(); err != nil {
		return err
	}
	results, err := b.measureAll()
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := results.Write(o.json); err != nil {
			return err
		}
	}
	if o.markdown {
		fmt.Print(results.Markdown())
	} else {
		fmt.Print(results.Text())
	}
	return nil
}

// raiseDescriptorLimit is for this process and those that it starts: a thousand,
// which is usual, are not enough for what is held open.
func raiseDescriptorLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
