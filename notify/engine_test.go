package notify

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/engine"
	"mycoproxy/internal/memnet"
)

var (
	listen = netip.MustParseAddrPort("[::]:1080")
	open   = memnet.Answers(0, 5, 0)
	slow   = memnet.Answers(50*time.Millisecond, 5, 0)
	locked = memnet.Answers(0, 5, 0xFF)
)

// watched is an engine in a network in memory, whose peers are one and two. A
// notifier watches it.
type watched struct {
	*engine.Engine
	ctx      context.Context
	net      memnet.Network
	notifier *recorder
}

// newWatched makes one whose engine does not run yet.
func newWatched(t *testing.T, r *recorder, prepare func(*watched, *engine.Config)) *watched {
	w := &watched{ctx: t.Context(), notifier: r}
	w.net.Serve(one, open)
	w.net.Serve(two, slow)
	c := engine.Config{Listen: listen, Probe: true, Peers: []netip.AddrPort{one, two}, Dial: w.net.Dial, Bind: w.net.Listen}
	if prepare != nil {
		prepare(w, &c)
	}
	w.Engine = engine.New(c)
	return w
}

// connect does what the tray does at a click.
func (w *watched) connect(remote netip.AddrPort) {
	_, err := w.Connect(w.ctx, remote)
	w.notifier.Tell(Failed(err))
}

// openSessions opens three sessions, one after the other, as applications do: an
// engine becomes suspicious of a remote that none of them reaches.
func (w *watched) openSessions() {
	for range 3 {
		if c, err := w.net.Connect(listen, netip.MustParseAddrPort("127.0.0.1:4711")); err == nil {
			c.SetDeadline(time.Now().Add(time.Millisecond))
			c.Write([]byte{5, 1, 0})
			c.Read(make([]byte, 2))
			c.Close()
		}
	}
}

// What is told of the states that an engine really publishes.
func TestEngine(t *testing.T) {
	for _, test := range []struct {
		what    string
		prepare func(*watched, *engine.Config)
		do      func(*watched)
		want    []string // titles
	}{
		{"scans, and nothing else", nil, func(w *watched) { time.Sleep(time.Hour) }, nil},

		{"connected when the tray starts", func(w *watched, c *engine.Config) {
			c.LastCommand = backend.LastCommand{Connected: true, Remote: one}
		}, func(w *watched) { time.Sleep(time.Hour) }, nil},

		{"connect, switch, disconnect", nil, func(w *watched) {
			w.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			w.connect(two)
			time.Sleep(time.Minute)
			w.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			w.Disconnect(w.ctx)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "Connected to 54f:b680:…:9a04", "Connected to 407:8458:…:1"}},

		{"the port is taken, twice", nil, func(w *watched) {
			other, _ := w.net.Listen(listen)
			w.connect(one)
			time.Sleep(time.Minute)
			w.connect(one)
			time.Sleep(time.Minute)
			other.Close()
			w.connect(one)
		}, []string{"Not connected: the port is taken", "Not connected: the port is taken", "Connected to 407:8458:…:1"}},

		{"nothing to connect to", func(_ *watched, c *engine.Config) { c.Peers = nil }, func(w *watched) {
			w.connect(netip.AddrPort{})
			time.Sleep(time.Hour)
		}, []string{"No proxy to connect to"}},

		{"a click overtaken by another", func(w *watched, c *engine.Config) { w.net.Default = memnet.Silent }, func(w *watched) {
			w.net.Serve(one, memnet.Silent)
			w.net.Serve(two, nil)
			w.ProbeNow(w.ctx)
			go w.connect(netip.AddrPort{})
			synctest.Wait()
			w.connect(netip.MustParseAddrPort("[400::5]:1080"))
			time.Sleep(time.Second)
		}, []string{"Connected to 400::5"}},

		{"an automatic one is replaced", nil, func(w *watched) {
			w.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			w.net.Serve(one, nil)
			w.openSessions()
			time.Sleep(10 * time.Second)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer"}},

		{"an automatic one wants a password", nil, func(w *watched) {
			w.connect(netip.AddrPort{})
			w.net.Serve(one, locked)
			time.Sleep(3 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 now needs a password"}},

		{"both are gone, then one is back", nil, func(w *watched) {
			w.connect(netip.AddrPort{})
			w.net.Serve(one, nil)
			w.net.Serve(two, nil)
			time.Sleep(5 * time.Minute)
			w.net.Serve(two, open)
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "Connected to 54f:b680:…:9a04"}},

		{"a chosen one is gone, then back", nil, func(w *watched) {
			w.connect(one)
			time.Sleep(time.Minute)
			w.net.Serve(one, nil)
			w.openSessions()
			time.Sleep(5 * time.Minute)
			w.net.Serve(one, open)
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "407:8458:…:1 answers again"}},

		{"a passing failure", nil, func(w *watched) {
			w.connect(one)
			w.net.Serve(one, nil)
			w.openSessions()
			time.Sleep(time.Second)
			w.net.Serve(one, open)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1"}},

		{"a chosen one that never answered", nil, func(w *watched) {
			w.connect(netip.MustParseAddrPort("[400::5]:1080"))
			time.Sleep(time.Hour)
		}, []string{"Connected to 400::5", "400::5 does not answer"}},

		{"a locked one, known", func(w *watched, c *engine.Config) { w.net.Serve(one, locked) }, func(w *watched) {
			w.connect(one)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1"}},

		{"a locked one, found out", func(w *watched, c *engine.Config) { w.net.Serve(one, nil) }, func(w *watched) {
			w.net.Serve(one, memnet.Answers(10*time.Second/3, 5, 0xFF))
			w.connect(one)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 needs a password"}},

		{"the listener ends", nil, func(w *watched) {
			w.connect(one)
			time.Sleep(time.Minute)
			w.net.FailAccept(listen, &net.OpError{Op: "accept", Err: syscall.EBADF})
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "Not connected any more"}},

		{"down for 7 s, up for 7 s, for 2 minutes", nil, func(w *watched) {
			w.connect(one)
			time.Sleep(time.Minute)
			for range 8 {
				w.net.Serve(one, nil)
				w.openSessions()
				time.Sleep(7 * time.Second)
				w.net.Serve(one, open)
				w.openSessions()
				time.Sleep(7 * time.Second)
			}
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "407:8458:…:1 answers again"}},
	} {
		for watcher, pause := range map[string]time.Duration{"fast": 0, "slow": time.Second} {
			t.Run(test.what+", "+watcher, func(t *testing.T) {
				record(t, func(t *testing.T, r *recorder) {
					w := newWatched(t, r, test.prepare)
					ctx, cancel := context.WithCancel(t.Context())
					var running sync.WaitGroup
					running.Go(func() { w.Run(ctx) })
					time.Sleep(time.Second) // the first scan
					running.Go(func() {
						w.Watch(ctx, func(s backend.State) {
							r.Update(s)
							time.Sleep(pause) // so that it misses states
						})
					})
					synctest.Wait()
					test.do(w)
					time.Sleep(pause)
					got := r.told()
					cancel()
					running.Wait()
					if !slices.EqualFunc(got, test.want, func(n told, title string) bool { return n.Title == title }) {
						t.Errorf("told %+v, want %q", got, test.want)
					}
				})
			})
		}
	}
}
