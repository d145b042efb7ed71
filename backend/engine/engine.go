package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/scan"
)

// Config is what an engine is made of. [New] copies it.
type Config struct {
	// Version is shown to clients.
	Version string

	// Listen is the address to bind when connected.
	Listen netip.AddrPort
	// Own are other addresses on which this service listens: never a remote.
	Own []netip.AddrPort
	// Share is whom the listener serves at first; zero: this machine only.
	Share backend.Share
	// SaveShare saves each later change of it; nil: it is forgotten.
	SaveShare func(backend.Share) error
	// Tray is whether the engine runs in the tray's own process.
	Tray bool

	// Node is the node's address as users see it; empty: there is none.
	Node string
	// Routes asks the node for the addresses of its peers. It may return both
	// addresses and an error; nil addresses mean that nothing could be learned.
	Routes func(context.Context) ([]netip.Addr, error)
	// Peers are scanned besides the routes.
	Peers []netip.AddrPort

	// Warm is whether to keep spare connections to the remote while streams come.
	Warm bool
	// Probe is whether probing is on from the start.
	Probe bool
	// LastCommand is that of the service before this one, to be restored;
	// zero: none.
	LastCommand backend.LastCommand
	// SaveLastCommand saves each later one; nil: it is forgotten.
	SaveLastCommand func(backend.LastCommand) error

	// Dial makes all outgoing connections; nil: that of a zero [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Bind makes the listener; nil: [listen.Bind].
	Bind func(netip.AddrPort) (net.Listener, error)

	// Log takes what an administrator wants to know; nil: it is dropped.
	Log *slog.Logger
}

// Engine is a [backend.Backend] that does the work itself. Make it with [New];
// its methods wait until [Engine.Run] runs.
type Engine struct {
	config   Config // never changed
	log      *slog.Logger
	prober   scan.Prober
	calls    chan func()
	quit     chan struct{}            // closed when the loop takes no more calls
	saves    chan backend.LastCommand // the newest one that is still to be saved
	tasks    sync.WaitGroup
	latest   cell
	counters pipe.Counters
	dials    atomic.Pointer[dials] // of the newest remote
	sharing  sync.Mutex            // held while a change of share is made and saved

	// The fields below belong to the loop.

	ctx        context.Context
	share      backend.Share
	table      scan.Table
	routes     []netip.AddrPort
	nodeError  string
	probing    *probing    // nil: probing is off
	connecting *connecting // nil: no connect is under way
	restoring  bool        // the last service was connected by a race, and this one has not been since
	forwarding *forwarding // nil: there is no listener and no remote
	lastError  *backend.Error
	saveError  *backend.Error
}

// New returns an engine that does nothing before Run.
func New(c Config) *Engine {
	if c.Bind == nil {
		c.Bind = listen.Bind
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Own, c.Peers = slices.Clone(c.Own), slices.Clone(c.Peers)
	e := &Engine{
		config: c,
		log:    c.Log,
		prober: scan.Prober{Dial: c.Dial},
		share:  c.Share,
		calls:  make(chan func()),
		quit:   make(chan struct{}),
		saves:  make(chan backend.LastCommand, 1),
	}
	e.table.Set(e.scannable())
	e.latest.store(e.snapshot())
	return e
}

// Run works until ctx is done, then closes the listener, every stream and every
// probe, and returns when nothing is left. It may be called once.
func (e *Engine) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.ctx = ctx
	e.tasks.Go(e.saveCommands)
	if e.config.Probe {
		e.startProbing()
	}
	e.restore()
	e.publish()
	for ctx.Err() == nil {
		select {
		case call := <-e.calls:
			call()
		case <-ctx.Done():
		}
	}
	close(e.quit)
	close(e.saves)
	e.probing, e.connecting, e.restoring = nil, nil, false
	e.stopForwarding()
	e.tasks.Wait()
	e.publish()
}

var errStopped = &backend.Error{Code: backend.NotRunning, Message: "The service is stopping"}

// do runs f on the loop and returns when it has run and what it changed can be seen.
func (e *Engine) do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case e.calls <- func() { defer close(ran); f(); e.reconcile(); e.publish() }:
	case <-ctx.Done():
		return ctx.Err()
	case <-e.quit:
		return errStopped
	}
	<-ran
	return nil
}

// reconcile has the forwarder keep the spare connections that fit what is known
// of the remote now.
func (e *Engine) reconcile() {
	if f := e.forwarding; f != nil {
		f.KeepIdle(e.idleKind(f))
	}
}

// publish shows the watchers the present state, if it differs from the one
// before.
func (e *Engine) publish() {
	s := e.snapshot()
	if old, _ := e.latest.load(); !reflect.DeepEqual(old, s) {
		e.latest.store(s)
	}
}

// snapshot returns the present state, made of the loop's fields, without the
// streams' counts.
func (e *Engine) snapshot() backend.State {
	s := backend.State{
		Version: e.config.Version,
		PID:     os.Getpid(),
		Tray:    e.config.Tray,
		Phase:   e.phase(),
		Share:   e.share,
		Probing: backend.Probing{Peers: e.table.Len()},
		Proxies: e.table.Proxies(),
		Error:   e.lastError,
	}
	if s.Error == nil {
		s.Error = e.saveError
	}
	if f := e.forwarding; f != nil {
		remote := f.remote
		s.Remote = &remote
		if f.isReady() {
			s.Listen = &backend.Listener{Address: f.Addr(), Reached: f.reached, Share: e.share}
		}
	}
	if p := e.probing; p != nil {
		s.Probing.On, s.Probing.Scanning, s.Probing.Last, s.Probing.Next = true, p.scanning, p.last, p.next
	}
	if e.config.Node != "" {
		s.Node = &backend.Node{Address: e.config.Node, Error: e.nodeError}
	}
	return s
}

func (e *Engine) phase() backend.Phase {
	switch {
	case e.forwarding != nil && e.forwarding.isReady():
		return backend.Connected
	case e.forwarding != nil, e.connecting != nil, e.restoring && e.probing != nil:
		return backend.Connecting
	default:
		return backend.Disconnected
	}
}

// State implements [backend.Backend].
func (e *Engine) State(context.Context) (backend.State, error) {
	s, _ := e.latest.load()
	s.Streams = e.counters.Load()
	return s, nil
}

// countGap is how often a watcher is told of a change in the streams' counts
// alone.
const countGap = time.Second

// Watch implements [backend.Backend].
func (e *Engine) Watch(ctx context.Context, fn func(backend.State)) error {
	tick := time.NewTicker(countGap)
	defer tick.Stop()
	var last backend.State
	for ctx.Err() == nil {
		s, changed := e.latest.load()
		s.Streams = e.counters.Load()
		if !reflect.DeepEqual(s, last) {
			fn(s)
			last = s
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		case <-e.quit:
			return errStopped
		}
	}
	return ctx.Err()
}

// Peers implements [backend.Backend].
func (e *Engine) Peers(ctx context.Context) (peers []backend.Proxy, err error) {
	err = e.do(ctx, func() { peers = e.table.All() })
	return peers, err
}

// SetShare implements [backend.Backend].
func (e *Engine) SetShare(ctx context.Context, share backend.Share) error {
	e.sharing.Lock() // what is saved must be the last change
	defer e.sharing.Unlock()
	if err := e.do(ctx, func() {
		e.share = share
		if e.forwarding != nil {
			e.forwarding.SetShare(share)
		}
		e.log.Info("sharing", "share", share)
	}); err != nil || e.config.SaveShare == nil {
		return err
	}
	if err := e.config.SaveShare(share); err != nil {
		e.log.Warn("the change of share was not saved", "error", err)
		return &backend.Error{Code: backend.StateUnsaved, Message: fmt.Sprintf("Sharing is now %q, but that could not be saved: %v", share, err)}
	}
	return nil
}

// now is the time as states show it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
