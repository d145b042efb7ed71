package pipe

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
)

const (
	dialTimeout    = 10 * time.Second
	minAcceptPause = 5 * time.Millisecond // after an accept error that passes; doubled each time
	maxAcceptPause = time.Second
	refusalLogGap  = time.Minute
)

// Options are the knobs of a [Forwarder]; the zero value is ready for use.
type Options struct {
	// Share is whom to serve at first; zero: this machine only.
	Share backend.Share

	// Dial connects to the remote; nil: as a zero [net.Dialer] does. Its context
	// ends after 10 seconds, and when the stream is not wanted any more.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Dialled hears of each dial that says something of the remote: err is nil
	// if it answered. It is called from many goroutines; nil: nobody hears.
	Dialled func(remote netip.AddrPort, err error)

	// Opening is what [GreetedSpares] say and hear; zero: nothing, so that they
	// are [DialledSpares].
	Opening Opening

	// Counters count the streams; nil: they are counted nowhere.
	Counters *Counters

	// Log takes what an administrator wants to know; nil: it is dropped.
	Log *slog.Logger
}

// Counters count over the lives of several forwarders.
type Counters struct {
	open, total, refused, up, down atomic.Int64
}

// Load returns the counts. They are not of the very same instant.
func (c *Counters) Load() backend.Streams {
	return backend.Streams{
		Open:      c.open.Load(),
		Total:     c.total.Load(),
		Refused:   c.refused.Load(),
		BytesUp:   c.up.Load(),
		BytesDown: c.down.Load(),
	}
}

// Forwarder accepts connections on one listener and forwards each to the
// remote. Make it with [NewForwarder].
type Forwarder struct {
	Options
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	target   atomic.Pointer[target]
	audience atomic.Pointer[audience]
	streams  sync.WaitGroup

	dialsSystem bool // Dial was left to us
	loop        atomic.Pointer[loop]
	spareKind   atomic.Int32 // a Spares
	reserves    reserves     // the spares of streams that the loop does not carry

	accepting   sync.Mutex // held by whoever calls accept
	early       []net.Conn // accepted while Reach looked for its own
	lastRefusal time.Time  // when a refusal was last logged
}

// target is a remote, and the context of the streams to it.
type target struct {
	remote netip.AddrPort // the zero value: none
	ctx    context.Context
	cancel context.CancelFunc
}

// audience is whom the listener serves, and the context of the streams of
// other machines.
type audience struct {
	share  backend.Share
	ctx    context.Context
	cancel context.CancelFunc
}

// NewForwarder returns a Forwarder on l, which it owns from now on. It forwards
// nowhere until [Forwarder.Switch] is called.
func NewForwarder(l net.Listener, options Options) *Forwarder {
	f := &Forwarder{Options: options, listener: l}
	if f.Dial == nil {
		f.dialsSystem = true
		f.Dial = new(net.Dialer).DialContext
	}
	if f.Dialled == nil {
		f.Dialled = func(netip.AddrPort, error) {}
	}
	if f.Counters == nil {
		f.Counters = new(Counters)
	}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.Switch(netip.AddrPort{})
	f.SetShare(f.Share)
	return f
}

// Addr is the address that the listener is bound to.
func (f *Forwarder) Addr() netip.AddrPort { return addrPort(f.listener.Addr()) }

// Switch makes remote the remote of all streams from now on and closes the
// streams to the old one. A connection that was still being dialled goes to
// the new one.
func (f *Forwarder) Switch(remote netip.AddrPort) {
	next := &target{remote: remote}
	next.ctx, next.cancel = context.WithCancel(f.ctx)
	if old := f.target.Swap(next); old != nil {
		old.cancel()
	}
	f.loop.Load().wake()
}

// KeepSpares makes kind the spare connections that are kept from now on; at
// first there are none. Those there are of another kind are closed.
func (f *Forwarder) KeepSpares(kind Spares) {
	if kind == GreetedSpares && len(f.Opening.Sent) == 0 {
		kind = DialledSpares
	}
	if Spares(f.spareKind.Swap(int32(kind))) != kind {
		f.clearReserves()
		f.loop.Load().wake()
	}
}

// SetShare changes whom the listener serves. If it is fewer than before, the
// streams of all other machines are closed.
func (f *Forwarder) SetShare(share backend.Share) {
	next := &audience{share: share}
	next.ctx, next.cancel = context.WithCancel(f.ctx)
	if old := f.audience.Swap(next); old != nil && share < old.share {
		old.cancel()
	} else if old != nil {
		context.AfterFunc(next.ctx, old.cancel)
	}
	f.loop.Load().wake()
}

// Serve accepts and forwards until Close, after which it returns
// [net.ErrClosed], or until the listener fails for good. Errors that pass, too
// many open files among them, are waited out.
func (f *Forwarder) Serve() error {
	f.accepting.Lock()
	defer f.accepting.Unlock()
	for _, conn := range f.early {
		f.admit(conn)
	}
	f.early = nil
	if served, err := f.serveSockets(); served {
		return err
	}
	pause := minAcceptPause
	for {
		conn, err := f.listener.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			f.admit(conn)
		case f.ctx.Err() != nil:
			return net.ErrClosed
		case slices.ContainsFunc(fatalErrors, func(fatal error) bool { return errors.Is(err, fatal) }), errors.Is(err, net.ErrClosed):
			return err
		default:
			f.Log.Warn("accepting a connection failed, trying again", "error", err, "in", pause)
			select {
			case <-time.After(pause):
			case <-f.ctx.Done():
				return net.ErrClosed
			}
			pause = min(2*pause, maxAcceptPause)
		}
	}
}

// Close closes the listener and cuts every stream. The port is free when it
// returns; [Forwarder.Wait] waits for the streams. It may be called twice.
func (f *Forwarder) Close() {
	f.cancel()
	f.listener.Close()
	f.loop.Load().end()
	f.accepting.Lock() // an accept under way keeps the port for as long as it takes to return
	defer f.accepting.Unlock()
	for _, conn := range f.early {
		reset(conn)
	}
	f.early = nil
}

// Wait returns when no stream is left.
func (f *Forwarder) Wait() { f.streams.Wait() }

// admit starts a stream for conn, if its source is one to be served.
func (f *Forwarder) admit(conn net.Conn) {
	served, audience := f.judge(addrPort(conn.RemoteAddr()).Addr(), addrPort(conn.LocalAddr()).Addr())
	if !served {
		reset(conn)
		return
	}
	f.Counters.total.Add(1)
	f.Counters.open.Add(1)
	f.streams.Go(func() {
		defer f.Counters.open.Add(-1)
		if audience == nil {
			f.forward(context.Background(), conn) // the target's context ends it
		} else {
			f.forward(audience.ctx, conn)
		}
	})
}

// judge decides whether to serve a connection, and counts it if not. The
// audience is that which it belongs to; nil: it is this machine's own.
func (f *Forwarder) judge(source, local netip.Addr) (served bool, a *audience) {
	if serves(backend.ShareOff, source, local) {
		return true, nil
	}
	a = f.audience.Load()
	if serves(a.share, source, local) {
		return true, a
	}
	refused := f.Counters.refused.Add(1)
	if now := time.Now(); f.lastRefusal.IsZero() || now.Sub(f.lastRefusal) >= refusalLogGap {
		f.lastRefusal = now
		f.Log.Warn("refused a connection from another machine", "source", source.Unmap(), "share", a.share, "refused in all", refused)
	}
	return false, nil
}

// addrPort is the address of a TCP connection; invalid if it is none.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}
