//go:build linux

// Compare measures the program as a forwarder beside others, on the same work
// and in turn. Everything runs on loopback, on Linux, in the project's folder.
//
//	compare [-binary FILE] [-rounds N] [-seconds S] [-idle N] [-rows LIST] [-json FILE] [-markdown]
//
// The columns are:
//
//   - direct: nothing in between
//   - tokio, realm_io: bench/rust
//   - haproxy: in TCP mode, with splice
//   - nginx: its stream module
//   - io.Copy, plain: bench/bare
//   - ours
//
// What is not installed is left out. Each cell is the median of the rounds, a
// ratio the median of the ratios of each round. Idle streams are measured once,
// after the rounds.
//
// For its own use it has a server for behind the forwarders, a client for in
// front of them, and the forwarders of bench/bare. They are processes of their own
// so that they do not disturb each other:
//
//	compare serve ADDR
//	compare forward io.Copy|plain LISTEN TARGET
//	compare load bulk|ping|paced|drip|conn|idle|hold [-n N] [-d DURATION] [-pid PID] ADDR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"mycoproxy/bench"
	"mycoproxy/bench/bare"
)

// options are the flags.
type options struct {
	binary   string
	rounds   int
	seconds  float64
	idle     int
	rows     string
	json     string
	markdown bool
}

// wants reports whether a measurement is to be made.
func (o *options) wants(measurement string) bool {
	return o.rows == "" || slices.Contains(strings.Split(o.rows, ","), measurement)
}

// comparison is what the measurements need: a server, and forwarders in front
// of it.
type comparison struct {
	options
	ctx        context.Context // ends with close, and the children with it
	cancel     context.CancelFunc
	self       string // this program
	folder     string // for the children's files, a temporary one
	children   sync.WaitGroup
	server     string // its address
	forwarders []forwarder
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	raiseDescriptorLimit()
	switch words := os.Args[1:]; {
	case len(words) == 2 && words[0] == "serve":
		log.Fatal(serve(words[1]))
	case len(words) == 4 && words[0] == "forward":
		log.Fatal(forward(words[1], words[2], words[3]))
	case len(words) > 1 && words[0] == "load":
		runLoad(words[1], words[2:])
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
	flag.StringVar(&o.rows, "rows", "", "measure only these, a `LIST` like bulk,ping,held")
	flag.StringVar(&o.json, "json", "", "keep the results in `FILE`")
	flag.BoolVar(&o.markdown, "markdown", false, "print the table as Markdown")
	flag.Parse()
	return o
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.seconds <= 0 || o.idle < 1 || flag.NArg() > 0 {
		return errors.New("wrong usage: see -help")
	}
	c, err := newComparison(ctx, o)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.startAll(); err != nil {
		return err
	}
	results, err := c.measureAll()
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

func newComparison(ctx context.Context, o options) (*comparison, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.binary); err != nil {
		return nil, fmt.Errorf("no program to measure (make build makes it): %w", err)
	}
	folder, err := os.MkdirTemp("", "mycoproxy-bench-")
	if err != nil {
		return nil, err
	}
	c := &comparison{options: o, self: self, folder: folder}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c, nil
}

// close ends the children and removes their files.
func (c *comparison) close() {
	c.cancel()
	c.children.Wait()
	os.RemoveAll(c.folder)
}

// forward is one of the bare forwarders. It returns when it cannot go on.
func forward(kind, listen, target string) error {
	copies := map[string]bare.Copy{bench.IOCopy: bare.IOCopy, bench.Plain: bare.Plain}
	if copies[kind] == nil {
		return fmt.Errorf("there is no forwarder %q", kind)
	}
	l, err := bare.Listen(listen)
	if err != nil {
		return err
	}
	return bare.Serve(l, target, copies[kind])
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
