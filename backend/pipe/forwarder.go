// Package pipe listens on the local port and forwards every session, byte for
// byte, to one remote:
//
//	l, err := listen.Bind(netip.MustParseAddrPort("[::]:1080"))
//	...
//	f := pipe.New(l, pipe.Config{})
//	f.Switch(remote)
//	err = f.Serve() // until f.Close
//
// The listener outlives the remote: [Forwarder.Switch] changes the target and
// cuts the sessions to the old one, and the port never refuses in between.
//
// A session is one accepted connection and its upstream, the connection to the
// remote. In its beginning the client must be one to be served (package listen)
// and say the first byte of SOCKS, and it gets an upstream (package warm).
// Nothing is dialled for a client that has not spoken or speaks something else,
// so that no web page reaches the remote. The rest is [relay.Session].
//
// Of SOCKS the package reads the greeting and the length of the request, and
// says none of it: a client authenticates itself with the remote. It keeps no
// byte and no destination.
package pipe

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/relay"
	"mycoproxy/backend/pipe/warm"
)

const (
	minAcceptPause = 5 * time.Millisecond // after an accept error that passes; doubled each time
	maxAcceptPause = time.Second
)

// Config is what a [Forwarder] is made of; the zero value is ready for use.
type Config struct {
	Share    backend.Share // whom to serve at first; zero: this machine only
	Remote   warm.Config   // how remotes are connected to
	Counters *Counters     // count the sessions; nil: they are counted nowhere
	Log      *slog.Logger  // takes what an administrator wants to know; nil: it is dropped
}

// Counters count over the lives of several forwarders.
type Counters struct {
	open, total, refused, up, down atomic.Int64
}

// Load returns the counts. They are not of the very same instant.
func (c *Counters) Load() backend.Streams {
	return backend.Streams{
		Open: c.open.Load(), Total: c.total.Load(), Refused: c.refused.Load(),
		BytesUp: c.up.Load(), BytesDown: c.down.Load(),
	}
}

// Forwarder accepts connections on one listener and forwards each to the
// remote. Make it with [New].
type Forwarder struct {
	config   Config
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	sessions sync.WaitGroup
	clients  relay.Conns
	share    atomic.Int32                // a backend.Share
	dialer   atomic.Pointer[warm.Dialer] // of the remote; nil: there is none

	accepting sync.Mutex // held by whoever calls accept

	mu       sync.Mutex // of changes, and of what follows
	kind     warm.Kind
	refusals map[string]time.Time // when each reason was last logged
}

// New returns a Forwarder on l, which it owns from now on. It forwards nowhere
// until [Forwarder.Switch] is called.
func New(l net.Listener, c Config) *Forwarder {
	c.Counters = cmp.Or(c.Counters, new(Counters))
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	f := &Forwarder{config: c, listener: l, refusals: map[string]time.Time{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.share.Store(int32(c.Share))
	return f
}

// Addr is the address that the listener is bound to.
func (f *Forwarder) Addr() netip.AddrPort { return listen.AddrPort(f.listener.Addr()) }

// Switch makes remote the remote of all sessions from now on, and cuts those to
// the old one. A session that is still at its beginning goes to the new one (see
// [warm.Window.MayMove]). The zero remote is none.
func (f *Forwarder) Switch(remote netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var next *warm.Dialer
	if remote.IsValid() && f.ctx.Err() == nil {
		next = warm.New(remote, f.config.Remote)
		next.Keep(f.kind)
		f.sessions.Go(next.Wait)
	}
	if old := f.dialer.Swap(next); old != nil {
		old.Close()
	}
}

// KeepIdle makes kind the idle upstreams that are kept from now on; at first
// there are none.
func (f *Forwarder) KeepIdle(kind warm.Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind = kind
	if d := f.dialer.Load(); d != nil {
		d.Keep(kind)
	}
}

// SetShare changes whom the listener serves. Sessions of clients that are not
// served any more are cut.
func (f *Forwarder) SetShare(share backend.Share) {
	f.share.Store(int32(share))
	f.clients.Cut(func(c *relay.Conn) bool { return !f.serves(c) })
}

// serves reports whether the client is one to be served.
func (f *Forwarder) serves(client *relay.Conn) bool {
	return f.ctx.Err() == nil && listen.Serves(backend.Share(f.share.Load()), client)
}

// SelfTest returns the loopback addresses at which the listener is reached (see
// [listen.SelfTest]). It is to be called before Serve.
func (f *Forwarder) SelfTest() []netip.AddrPort {
	f.accepting.Lock()
	defer f.accepting.Unlock()
	return listen.SelfTest(f.ctx, f.listener, f.admit)
}

// Serve accepts and forwards until Close, after which it returns
// [net.ErrClosed], or until the listener fails for good. Errors that pass, too
// many open files among them, are waited out.
func (f *Forwarder) Serve() error {
	f.accepting.Lock()
	defer f.accepting.Unlock()
	for pause := minAcceptPause; ; {
		conn, err := f.listener.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			f.admit(conn)
			continue
		case f.ctx.Err() != nil:
			return net.ErrClosed
		case listen.IsFatal(err):
			return err
		}
		f.config.Log.Warn("accepting a connection failed, trying again", "error", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-f.ctx.Done():
			return net.ErrClosed
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

// Close closes the listener and cuts every session. The port is free when it
// returns; [Forwarder.Wait] waits for the sessions. It may be called twice.
func (f *Forwarder) Close() {
	f.cancel()
	f.listener.Close()
	f.Switch(netip.AddrPort{})
	f.clients.Cut(func(*relay.Conn) bool { return true })
	f.accepting.Lock() // an accept under way keeps the port for as long as it takes to return
	defer f.accepting.Unlock()
}

// Wait returns when no session is left of a forwarder that is closed.
func (f *Forwarder) Wait() { f.sessions.Wait() }
