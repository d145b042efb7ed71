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
	"mycoproxy/backend/settings"
	"mycoproxy/internal/memnet"
)

var (
	listen = netip.MustParseAddrPort("[::]:1080")
	open   = memnet.Answers(0, 5, 0)
	slow   = memnet.Answers(50*time.Millisecond, 5, 0)
	locked = memnet.Answers(0, 5, 0xFF)
)

// bed is an engine in a network in memory, whose peers are one and two, with a
// notifier that watches it.
type bed struct {
	*engine.Engine
	ctx  context.Context
	net  memnet.Network
	desk *desk
}

// newBed makes one whose engine is yet to be run.
func newBed(t *testing.T, d *desk, prepare func(*bed, *engine.Config)) *bed {
	b := &bed{ctx: t.Context(), desk: d}
	b.net.Serve(one, open)
	b.net.Serve(two, slow)
	c := engine.Config{Listen: listen, Probe: true, Peers: []netip.AddrPort{one, two}, Dial: b.net.Dial, Bind: b.net.Listen}
	if prepare != nil {
		prepare(b, &c)
	}
	b.Engine = engine.New(c)
	return b
}

// connect is a click, with what the tray does about its outcome.
func (b *bed) connect(remote netip.AddrPort) {
	_, err := b.Connect(b.ctx, remote)
	b.desk.Tell(Failed(err))
}

// use opens three streams, one after the other, as applications do.
func (b *bed) use() {
	for range 3 {
		if c, err := b.net.Connect(listen, netip.MustParseAddrPort("127.0.0.1:4711")); err == nil {
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
		prepare func(*bed, *engine.Config)
		do      func(*bed)
		want    []string // titles
	}{
		{"scans, and nothing else", nil, func(b *bed) { time.Sleep(time.Hour) }, nil},

		{"connected when the tray starts", func(b *bed, c *engine.Config) {
			c.Memory = settings.Memory{Connected: true, Remote: one}
		}, func(b *bed) { time.Sleep(time.Hour) }, nil},

		{"connect, switch, disconnect", nil, func(b *bed) {
			b.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			b.connect(two)
			time.Sleep(time.Minute)
			b.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			b.Disconnect(b.ctx)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "Connected to 54f:b680:…:9a04", "Connected to 407:8458:…:1"}},

		{"the port is taken, twice", nil, func(b *bed) {
			other, _ := b.net.Listen(listen)
			b.connect(one)
			time.Sleep(time.Minute)
			b.connect(one)
			time.Sleep(time.Minute)
			other.Close()
			b.connect(one)
		}, []string{"Not connected: the port is taken", "Not connected: the port is taken", "Connected to 407:8458:…:1"}},

		{"nothing to connect to", func(b *bed, c *engine.Config) { c.Peers = nil }, func(b *bed) {
			b.connect(netip.AddrPort{})
			time.Sleep(time.Hour)
		}, []string{"No proxy to connect to"}},

		{"a click overtaken by another", func(b *bed, c *engine.Config) { b.net.Default = memnet.Silent }, func(b *bed) {
			b.net.Serve(one, memnet.Silent)
			b.net.Serve(two, nil)
			b.ProbeNow(b.ctx)
			go b.connect(netip.AddrPort{})
			synctest.Wait()
			b.connect(netip.MustParseAddrPort("[400::5]:1080"))
			time.Sleep(time.Second)
		}, []string{"Connected to 400::5"}},

		{"an automatic one is replaced", nil, func(b *bed) {
			b.connect(netip.AddrPort{})
			time.Sleep(time.Minute)
			b.net.Serve(one, nil)
			b.use()
			time.Sleep(10 * time.Second)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer"}},

		{"an automatic one wants a password", nil, func(b *bed) {
			b.connect(netip.AddrPort{})
			b.net.Serve(one, locked)
			time.Sleep(3 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 now needs a password"}},

		{"both are gone, then one is back", nil, func(b *bed) {
			b.connect(netip.AddrPort{})
			b.net.Serve(one, nil)
			b.net.Serve(two, nil)
			time.Sleep(5 * time.Minute)
			b.net.Serve(two, open)
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "Connected to 54f:b680:…:9a04"}},

		{"a chosen one is gone, then back", nil, func(b *bed) {
			b.connect(one)
			time.Sleep(time.Minute)
			b.net.Serve(one, nil)
			b.use()
			time.Sleep(5 * time.Minute)
			b.net.Serve(one, open)
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "407:8458:…:1 answers again"}},

		{"a passing failure", nil, func(b *bed) {
			b.connect(one)
			b.net.Serve(one, nil)
			b.use()
			time.Sleep(time.Second)
			b.net.Serve(one, open)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1"}},

		{"a chosen one that never answered", nil, func(b *bed) {
			b.connect(netip.MustParseAddrPort("[400::5]:1080"))
			time.Sleep(time.Hour)
		}, []string{"Connected to 400::5", "400::5 does not answer"}},

		{"a locked one, known", func(b *bed, c *engine.Config) { b.net.Serve(one, locked) }, func(b *bed) {
			b.connect(one)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1"}},

		{"a locked one, found out", func(b *bed, c *engine.Config) { b.net.Serve(one, nil) }, func(b *bed) {
			b.net.Serve(one, memnet.Answers(10*time.Second/3, 5, 0xFF))
			b.connect(one)
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 needs a password"}},

		{"the listener ends", nil, func(b *bed) {
			b.connect(one)
			time.Sleep(time.Minute)
			b.net.FailAccept(listen, &net.OpError{Op: "accept", Err: syscall.EBADF})
			time.Sleep(time.Hour)
		}, []string{"Connected to 407:8458:…:1", "Not connected any more"}},

		{"down for 7 s, up for 7 s, for 2 minutes", nil, func(b *bed) {
			b.connect(one)
			time.Sleep(time.Minute)
			for range 8 {
				b.net.Serve(one, nil)
				b.use()
				time.Sleep(7 * time.Second)
				b.net.Serve(one, open)
				b.use()
				time.Sleep(7 * time.Second)
			}
			time.Sleep(5 * time.Minute)
		}, []string{"Connected to 407:8458:…:1", "407:8458:…:1 does not answer", "407:8458:…:1 answers again"}},
	} {
		for watcher, pause := range map[string]time.Duration{"fast": 0, "slow": time.Second} {
			t.Run(test.what+", "+watcher, func(t *testing.T) {
				atDesk(t, func(t *testing.T, d *desk) {
					b := newBed(t, d, test.prepare)
					ctx, cancel := context.WithCancel(t.Context())
					var running sync.WaitGroup
					running.Go(func() { b.Run(ctx) })
					time.Sleep(time.Second) // the first scan
					running.Go(func() {
						b.Watch(ctx, func(s backend.State) {
							d.Update(s)
							time.Sleep(pause) // so that it misses states
						})
					})
					synctest.Wait()
					test.do(b)
					time.Sleep(pause)
					got := d.told()
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
