package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
	"mycoproxy/internal/memnet"
)

// The counts in these tests are kept low: the race detector of Go 1.26 crashes,
// now and then, in a process that runs very many timers on fake time.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	port     = netip.MustParseAddrPort("[::]:1080")
	loopback = netip.MustParseAddrPort("127.0.0.1:4711")
	open     = memnet.Answers(0, 5, 0)
	locked   = memnet.Answers(0, 5, 0xFF)
)

func addr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{4, 7, 15: byte(n)}), 1080)
}

// lab is a running engine in a network in memory.
type lab struct {
	t   *testing.T
	net memnet.Network
	*Engine
	cancel context.CancelFunc
	ended  chan struct{}
}

// inLab runs test on fake time with an engine whose peers are addr(1) to addr(peers).
func inLab(t *testing.T, peers int, prepare func(*lab, *Config), test func(*testing.T, *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, ended: make(chan struct{})}
		c := Config{Version: "test", Listen: port, Probe: true, Dial: l.net.Dial, Bind: l.net.Listen}
		for i := range peers {
			c.Peers = append(c.Peers, addr(i+1))
		}
		prepare(l, &c)
		l.Engine = New(c)
		ctx, cancel := context.WithCancel(t.Context())
		l.cancel = cancel
		go func() {
			defer close(l.ended)
			l.Run(ctx)
		}()
		test(t, l)
		began := time.Now()
		l.stop()
		if took := time.Since(began); took >= time.Second {
			t.Errorf("stopping took %v", took)
		}
		if now, _ := l.net.Open(); now != 0 {
			t.Errorf("%d connections are left", now)
		}
	})
}

func (l *lab) stop() {
	l.cancel()
	<-l.ended
	synctest.Wait()
}

func (l *lab) state() backend.State {
	synctest.Wait()
	s, err := l.State(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// until waits for a state that is as wanted, and returns how long that took.
func (l *lab) until(what string, limit time.Duration, wanted func(backend.State) bool) time.Duration {
	l.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(l.t.Context(), limit)
	defer cancel()
	var last backend.State
	l.Watch(ctx, func(s backend.State) {
		if last = s; wanted(s) {
			cancel()
		}
	})
	if !wanted(last) {
		l.t.Fatalf("%s: not within %v; the state is %+v, remote %+v", what, limit, last, last.Remote)
	}
	return time.Since(began)
}

func scanned(s backend.State) bool { return !s.Probing.Last.IsZero() && !s.Probing.Scanning }

func (l *lab) connect(remote netip.AddrPort) netip.AddrPort {
	l.t.Helper()
	got, err := l.Connect(l.t.Context(), remote)
	if err != nil {
		l.t.Fatal(err)
	}
	return got
}

// stream opens one through the listener and says the first byte. It ends when its
// test does.
func (l *lab) stream() net.Conn {
	l.t.Helper()
	c, err := l.net.Connect(port, loopback)
	if err != nil {
		l.t.Fatal(err)
	}
	c.Write([]byte{5}) // SOCKS: nothing is dialled before
	return c
}

func TestScanFindsAndDrops(t *testing.T) {
	routes := []netip.Addr{addr(7).Addr(), addr(8).Addr()}
	var nodeErr error
	inLab(t, 3, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), locked)
		l.net.Serve(addr(3), memnet.Echo)
		l.net.Serve(addr(7), memnet.Answers(20*time.Millisecond, 5, 0))
		c.Node = "http://node"
		c.Routes = func(context.Context) ([]netip.Addr, error) { return routes, nodeErr }
	}, func(t *testing.T, l *lab) {
		l.until("first scan", time.Second, scanned)
		check := func(want ...netip.AddrPort) {
			l.t.Helper()
			var got []netip.AddrPort
			for _, p := range l.state().Proxies {
				got = append(got, p.Address)
			}
			if !slices.Equal(got, want) {
				l.t.Errorf("proxies are %v, want %v", got, want)
			}
		}
		check(addr(1), addr(7), addr(2))
		if s := l.state(); s.Probing.Peers != 5 || !s.Probing.Next.Equal(s.Probing.Last.Add(time.Minute)) || s.Phase != backend.Disconnected {
			t.Errorf("state is %+v", s)
		}
		if peers, err := l.Peers(t.Context()); err != nil || len(peers) != 5 || peers[4].Verdict != backend.NotListening {
			t.Errorf("peers are %v, %v", peers, err)
		}

		// The node fails: that shows, and what it said before goes on being scanned.
		routes, nodeErr = nil, errors.New("Mycelium node not reachable at node: connection refused")
		l.until("error shows", 61*time.Second, func(s backend.State) bool { return s.Node.Error == nodeErr.Error() })
		l.until("scan ended", time.Minute, scanned)
		check(addr(1), addr(7), addr(2))

		// The node is back, one route is gone.
		routes, nodeErr = []netip.Addr{addr(8).Addr()}, nil
		l.until("error gone", 61*time.Second, func(s backend.State) bool { return s.Node.Error == "" })
		l.until("scan ended", time.Minute, scanned)
		check(addr(1), addr(2))
	})
}

// A node that hangs must not hold up the scan of what is known.
func TestNodeThatHangs(t *testing.T) {
	inLab(t, 1, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.Node = "http://node"
		c.Routes = func(ctx context.Context) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}, func(t *testing.T, l *lab) {
		if took := l.until("proxy found", time.Second, func(s backend.State) bool { return len(s.Proxies) == 1 }); took != 0 {
			t.Errorf("found after %v", took)
		}
		if got := l.connect(netip.AddrPort{}); got != addr(1) {
			t.Errorf("connected to %v", got)
		}
	})
}

func TestProbingOnAndOff(t *testing.T) {
	inLab(t, 10, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent
		c.Probe = false
	}, func(t *testing.T, l *lab) {
		if s := l.state(); s.Probing.On || len(l.net.Dials()) != 0 || !s.Probing.Next.IsZero() {
			t.Errorf("probing is off and the state is %+v", s.Probing)
		}
		for range 10 {
			if err := l.StartProbe(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if n := len(l.net.Dials()); n != 10 {
			t.Errorf("%d probes after ten starts, want 10", n)
		}
		if err := l.StopProbe(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if now, _ := l.net.Open(); now != 0 || l.state().Probing.On {
			t.Errorf("%d probes go on after the stop", now)
		}
		for _, p := range must(l.Peers(t.Context())) {
			if p.Verdict != backend.Unknown {
				t.Errorf("a cancelled probe gave %+v", p)
			}
		}
		if err := l.StopProbe(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := len(l.net.Dials()); n != 10 {
			t.Errorf("%d probes although probing is off", n-10)
		}
		if err := l.ProbeNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.until("scan", 10*time.Second, scanned)
		if n := len(l.net.Dials()); n != 20 {
			t.Errorf("%d probes after another scan, want 20", n)
		}
		time.Sleep(time.Second)
		l.ProbeNow(t.Context())
		l.until("scan brought forward", time.Second, func(backend.State) bool { return len(l.net.Dials()) > 20 })
	})
}

// What a command changed can be seen once it has returned.
func TestStateFollowsTheCommand(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		now := func() backend.State { return must(l.State(t.Context())) }
		for i := range 20 {
			l.StopProbe(t.Context())
			if now().Probing.On {
				t.Fatalf("stop %d: probing is on", i)
			}
			l.StartProbe(t.Context())
			if !now().Probing.On {
				t.Fatalf("start %d: probing is off", i)
			}
			l.connect(addr(1))
			if s := now(); s.Phase != backend.Connected {
				t.Fatalf("connect %d: %v", i, s.Phase)
			}
			l.Disconnect(t.Context())
			if s := now(); s.Phase != backend.Disconnected || s.Remote != nil {
				t.Fatalf("disconnect %d: %v", i, s.Phase)
			}
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestScanEveryMinute(t *testing.T) {
	inLab(t, 1, func(l *lab, c *Config) {}, func(t *testing.T, l *lab) {
		time.Sleep(10*time.Minute - time.Second)
		dials := l.net.Dials()
		if len(dials) != 10 {
			t.Fatalf("%d probes in ten minutes", len(dials))
		}
		for i := range dials[1:] {
			if gap := dials[i+1].At.Sub(dials[i].At); gap != time.Minute {
				t.Errorf("%v between two scans", gap)
			}
		}
	})
}

func TestConnectToTheFastest(t *testing.T) {
	inLab(t, 4, func(l *lab, c *Config) {
		l.net.Serve(addr(1), memnet.Answers(80*time.Millisecond, 5, 0))
		l.net.Serve(addr(2), memnet.Answers(20*time.Millisecond, 5, 0))
		l.net.Serve(addr(3), locked)
	}, func(t *testing.T, l *lab) {
		l.until("scan", time.Second, scanned)
		l.net.Serve(addr(4), memnet.Silent) // accepts and never answers
		began := time.Now()
		if got := l.connect(netip.AddrPort{}); got != addr(2) || time.Since(began) >= time.Second {
			t.Errorf("connected to %v after %v", got, time.Since(began))
		}
		s := l.state()
		if s.Phase != backend.Connected || s.Remote.Mode != backend.Auto || !s.Remote.Answering || s.Listen.Address != port || s.Error != nil {
			t.Errorf("state is %+v, remote %+v", s, s.Remote)
		}
	})
}

func TestConnectWaitsForTheFirstProxy(t *testing.T) {
	inLab(t, 2, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent
		l.net.Serve(addr(1), memnet.Answers(3*time.Second, 5, 0))
	}, func(t *testing.T, l *lab) {
		began := time.Now()
		if got := l.connect(netip.AddrPort{}); got != addr(1) || time.Since(began) != 6*time.Second { // 3 until found, 3 the race
			t.Errorf("connected to %v after %v", got, time.Since(began))
		}
	})
}

func TestConnectWithoutAnyProxy(t *testing.T) {
	inLab(t, 300, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent // so that the scan takes longer than the wait
	}, func(t *testing.T, l *lab) {
		began := time.Now()
		_, err := l.Connect(t.Context(), netip.AddrPort{})
		if !errors.Is(err, backend.ErrNoValidProxy) || time.Since(began) != firstProxyWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s := l.state(); s.Phase != backend.Disconnected || s.Error.Code != backend.NoValidProxy {
			t.Errorf("state is %+v", s)
		}
		l.StopProbe(t.Context())
		began = time.Now()
		if _, err := l.Connect(t.Context(), netip.AddrPort{}); !errors.Is(err, backend.ErrNoValidProxy) || time.Since(began) != 0 {
			t.Errorf("with probing off %v after %v", err, time.Since(began))
		}
	})
}

func TestAuthRequiredNeverRaces(t *testing.T) {
	inLab(t, 1, func(l *lab, c *Config) { l.net.Serve(addr(1), locked) }, func(t *testing.T, l *lab) {
		l.until("scan", time.Second, scanned)
		if _, err := l.Connect(t.Context(), netip.AddrPort{}); !errors.Is(err, backend.ErrNoValidProxy) {
			t.Errorf("connected, %v", err)
		}
		l.connect(addr(1)) // but it can be asked for
		time.Sleep(10 * time.Second)
		if s := l.state(); s.Remote.Mode != backend.Explicit || !s.Remote.Answering {
			t.Errorf("remote is %+v", s.Remote)
		}
	})
}

func TestOwnListenerIsRefused(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		c.Peers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1080"), netip.MustParseAddrPort("127.0.0.1:8995")}
		c.Own = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8995")}
	}, func(t *testing.T, l *lab) {
		for _, own := range []string{"[::1]:1080", "127.0.0.1:1080", "127.8.8.8:1080", "127.0.0.1:8995"} {
			if _, err := l.Connect(t.Context(), netip.MustParseAddrPort(own)); !errors.Is(err, &backend.Error{Code: backend.OwnListener}) {
				t.Errorf("%s: %v", own, err)
			}
		}
		if s := l.state(); s.Phase != backend.Disconnected || s.Probing.Peers != 0 || len(l.net.Dials()) != 0 {
			t.Errorf("state is %+v after %v", s, l.net.Dials())
		}
	})
}

func TestPortTaken(t *testing.T) {
	inLab(t, 1, func(l *lab, c *Config) { l.net.Serve(addr(1), open) }, func(t *testing.T, l *lab) {
		other := must(l.net.Listen(port))
		_, err := l.Connect(t.Context(), addr(1))
		if !errors.Is(err, &backend.Error{Code: backend.PortInUse}) {
			t.Fatalf("connect: %v", err)
		}
		if s := l.state(); s.Phase != backend.Disconnected || s.Remote != nil || s.Error.Code != backend.PortInUse {
			t.Errorf("state is %+v", s)
		}
		other.Close()
		l.connect(addr(1))
		if s := l.state(); s.Phase != backend.Connected || s.Error != nil {
			t.Errorf("state is %+v", s)
		}
	})
}

func TestConnectAndDisconnectManyTimes(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		for range 50 {
			l.connect(addr(1))
			l.stream()
			began := time.Now()
			if err := l.Disconnect(t.Context()); err != nil || time.Since(began) != 0 {
				t.Fatalf("disconnect: %v after %v", err, time.Since(began))
			}
			must(l.net.Listen(port)).Close() // the port is free
		}
		if err := l.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		if s := l.state(); s.Phase != backend.Disconnected || s.Remote != nil || s.Listen != nil || s.Streams.Open != 0 {
			t.Errorf("state is %+v", s)
		}
	})
}

// A connect that nobody waits for any more does not happen later, unasked.
func TestConnectGivenUp(t *testing.T) {
	inLab(t, 300, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := l.Connect(ctx, netip.AddrPort{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connect: %v", err)
		}
		l.net.Serve(addr(1), open)
		time.Sleep(2 * time.Minute)
		if s := l.state(); s.Phase != backend.Disconnected || len(s.Proxies) == 0 {
			t.Errorf("later it is %v, with %d proxies", s.Phase, len(s.Proxies))
		}
	})
}

func TestDisconnectWhileDialling(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Delay(addr(1), time.Hour) }, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		c := l.stream()
		synctest.Wait()
		began := time.Now()
		l.Disconnect(t.Context())
		if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(began) != 0 {
			t.Errorf("the stream ended with %v after %v", err, time.Since(began))
		}
	})
}

func TestSwitchKeepsTheListener(t *testing.T) {
	binds := 0
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), memnet.Echo)
		l.net.Serve(addr(2), memnet.Echo)
		c.Bind = func(a netip.AddrPort) (net.Listener, error) {
			binds++
			return l.net.Listen(a)
		}
	}, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		for i := range 50 {
			old := l.stream()
			if must(old.Read(make([]byte, 1))) != 1 {
				t.Fatal("no echo")
			}
			want := addr(2 - i%2)
			l.connect(want)
			if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("the old stream goes on: %v", err)
			}
			if s := l.state(); s.Phase != backend.Connected || s.Remote.Address != want {
				t.Fatalf("state is %+v", s)
			}
		}
		// To the same remote nothing happens.
		kept := l.stream()
		kept.Read(make([]byte, 1))
		since := l.state().Remote.Since
		time.Sleep(5 * time.Second)
		l.connect(l.state().Remote.Address)
		if kept.Write([]byte{5}); must(kept.Read(make([]byte, 1))) != 1 || !l.state().Remote.Since.Equal(since) {
			t.Error("connecting to the same remote disturbed it")
		}
		if binds != 1 {
			t.Errorf("the listener was bound %d times", binds)
		}
	})
}

func TestLaterCommandWins(t *testing.T) {
	inLab(t, 300, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		first := make(chan error)
		go func() {
			_, err := l.Connect(t.Context(), netip.AddrPort{})
			first <- err
		}()
		synctest.Wait()
		if s := l.state(); s.Phase != backend.Connecting {
			t.Errorf("phase is %v", s.Phase)
		}
		l.connect(addr(1))
		if err := <-first; !errors.Is(err, backend.ErrSuperseded) {
			t.Errorf("the first connect ended with %v", err)
		}
		go func() {
			_, err := l.Connect(t.Context(), netip.AddrPort{})
			first <- err
		}()
		synctest.Wait()
		l.Disconnect(t.Context())
		if err := <-first; !errors.Is(err, backend.ErrSuperseded) {
			t.Errorf("the second connect ended with %v", err)
		}
		if s := l.state(); s.Phase != backend.Disconnected {
			t.Errorf("phase is %v", s.Phase)
		}
	})
}

// dialThrough opens a stream that the remote is expected to refuse.
func (l *lab) dialThrough(times int) {
	for range times {
		l.stream().Read(make([]byte, 1))
	}
}

func TestAutomaticRemoteDisappears(t *testing.T) {
	inLab(t, 3, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), memnet.Answers(50*time.Millisecond, 5, 0))
	}, func(t *testing.T, l *lab) {
		l.until("scan", time.Second, scanned)
		l.connect(netip.AddrPort{})
		l.net.Serve(addr(1), nil)
		l.dialThrough(3)
		took := l.until("another remote", 10*time.Second, func(s backend.State) bool { return s.Remote.Address == addr(2) })
		if s := l.state(); s.Remote.Mode != backend.Auto || !s.Remote.Answering || s.Phase != backend.Connected || took > 5*time.Second {
			t.Errorf("after %v: %+v", took, s.Remote)
		}
		if slices.ContainsFunc(l.state().Proxies, func(p backend.Proxy) bool { return p.Address == addr(1) }) {
			t.Error("the gone remote is still listed as valid")
		}

		// The second disappears too: it is kept, and the first takes over once it is back.
		l.net.Serve(addr(2), memnet.Silent)
		took = l.until("not answering", 75*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
		if s := l.state(); s.Remote.Address != addr(2) || s.Phase != backend.Connected {
			t.Errorf("after %v: %+v", took, s.Remote)
		}
		l.net.Serve(addr(1), open)
		l.until("the first again", 61*time.Second, func(s backend.State) bool {
			return s.Remote.Address == addr(1) && s.Remote.Answering
		})
	})
}

// A node that leaves takes its route along, which is noticed before the probe's time is up.
func TestRouteOfTheRemoteIsWithdrawn(t *testing.T) {
	routes := []netip.Addr{addr(1).Addr()}
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.Routes = func(context.Context) ([]netip.Addr, error) { return routes, nil }
	}, func(t *testing.T, l *lab) {
		l.connect(netip.AddrPort{})
		routes = []netip.Addr{}
		l.net.Serve(addr(1), memnet.Silent)
		took := l.until("not answering", 67*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
		if took > 66*time.Second { // the next scan, and the checks
			t.Errorf("shown after %v", took)
		}
	})
}

func TestAutomaticRemoteWantsAPassword(t *testing.T) {
	inLab(t, 2, func(l *lab, c *Config) { l.net.Serve(addr(1), open) }, func(t *testing.T, l *lab) {
		l.until("scan", time.Second, scanned)
		l.connect(netip.AddrPort{})
		l.net.Serve(addr(1), locked)
		l.net.Serve(addr(2), open)
		l.until("another remote", 70*time.Second, func(s backend.State) bool { return s.Remote.Address == addr(2) })
	})
}

func TestExplicitRemoteIsKept(t *testing.T) {
	inLab(t, 1, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(9), open) // no peer
	}, func(t *testing.T, l *lab) {
		l.until("scan", time.Second, scanned)
		l.connect(addr(9))
		synctest.Wait()
		l.net.Serve(addr(9), nil)
		l.dialThrough(3)
		if took := l.until("not answering", 10*time.Second, func(s backend.State) bool { return !s.Remote.Answering }); took != 4*time.Second {
			t.Errorf("called gone after %v", took)
		}
		time.Sleep(10 * time.Minute)
		if s := l.state(); s.Remote.Address != addr(9) || s.Remote.Answering || s.Phase != backend.Connected {
			t.Errorf("ten minutes later: %+v", s.Remote)
		}
		l.net.Serve(addr(9), open)
		l.until("answering again", 65*time.Second, func(s backend.State) bool { return s.Remote.Answering })
	})
}

func TestExplicitRemoteThatNeverAnswered(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		l.connect(addr(9))
		l.until("not answering", 7*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
	})
}

// With probing off no scan finds out that the remote is back; a stream does.
func TestStreamTellsThatTheRemoteIsBack(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		c.Probe = false
	}, func(t *testing.T, l *lab) {
		l.connect(addr(9))
		l.until("not answering", 7*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
		l.dialThrough(2)
		l.net.Serve(addr(9), open)
		c := l.stream()
		c.Write([]byte{1, 0})
		l.until("answering", 3*time.Second, func(s backend.State) bool { return s.Remote.Answering })
	})
}

// Dials of the remote before, which end after the switch, say nothing of this one.
func TestLateDialsOfAnotherRemote(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), open)
		c.Probe = false
	}, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		l.connect(addr(2))
		synctest.Wait()
		for range 2 * suspectAfter {
			l.dialled(addr(1), errors.New("no route"))
		}
		l.net.Serve(addr(2), nil)
		l.dialThrough(suspectAfter)
		l.until("not answering", 10*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
	})
}

// A machine that is out of descriptors learns nothing of the remote.
func TestOwnFailuresAreNoneOfTheRemote(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.Probe = false
	}, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		synctest.Wait()
		for range 2 * suspectAfter {
			l.dialled(addr(1), &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
		}
		if n := l.dials.Load().failed.Load(); n != 0 {
			t.Errorf("%d failures counted", n)
		}
		l.dialled(addr(1), errors.New("no route"))
		if n := l.dials.Load().failed.Load(); n != 1 {
			t.Errorf("%d failures counted, want 1", n)
		}
	})
}

// One lost probe or two lost dials are no reason to switch.
func TestPassingFailureChangesNothing(t *testing.T) {
	inLab(t, 2, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), memnet.Answers(time.Second, 5, 0))
	}, func(t *testing.T, l *lab) {
		l.until("scan", 2*time.Second, scanned)
		l.connect(netip.AddrPort{})
		for range 5 {
			l.net.Serve(addr(1), nil)
			l.dialThrough(3)
			time.Sleep(time.Second)
			l.net.Serve(addr(1), open)
			time.Sleep(time.Minute)
		}
		if s := l.state(); s.Remote.Address != addr(1) || !s.Remote.Answering {
			t.Errorf("remote is %+v", s.Remote)
		}
	})
}

func TestListenerEndsByItself(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Default = memnet.Silent }, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		synctest.Wait()
		l.net.FailAccept(port, &net.OpError{Op: "accept", Err: syscall.EBADF})
		if s := l.state(); s.Phase != backend.Disconnected || s.Error == nil || s.Error.Code != backend.ListenerLost || s.Remote != nil {
			t.Errorf("state is %+v", s)
		}
		l.connect(addr(1))
	})
}

func TestLastCommandIsSaved(t *testing.T) {
	var saved []backend.LastCommand
	inLab(t, 1, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.SaveLastCommand = func(c backend.LastCommand) error {
			saved = append(saved, c)
			return nil
		}
	}, func(t *testing.T, l *lab) {
		l.connect(netip.AddrPort{})
		synctest.Wait()
		l.connect(addr(1))
		synctest.Wait()
		l.Connect(t.Context(), port) // refused, so not saved
		l.Disconnect(t.Context())
		synctest.Wait()
		l.Disconnect(t.Context())
		synctest.Wait()
		l.connect(addr(1))
	})
	want := []backend.LastCommand{{Connected: true}, {Connected: true, Remote: addr(1)}, {}, {}, {Connected: true, Remote: addr(1)}}
	if !slices.Equal(saved, want) {
		t.Errorf("saved %+v, want %+v", saved, want)
	}
}

func TestLastCommandThatCannotBeSaved(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent
		c.SaveLastCommand = func(backend.LastCommand) error { return errors.New("read-only file system") }
	}, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		s := l.state()
		if s.Phase != backend.Connected || s.Error.Code != backend.StateUnsaved || s.Error.Message != "Could not save the last command: read-only file system" {
			t.Errorf("state is %+v, error %v", s, s.Error)
		}
	})
}

func TestLastCommandIsRestored(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent
		c.LastCommand = backend.LastCommand{Connected: true, Remote: addr(5)}
	}, func(t *testing.T, l *lab) {
		if s := l.state(); s.Phase != backend.Connected || s.Remote.Address != addr(5) || s.Remote.Mode != backend.Explicit {
			t.Errorf("state is %+v", s)
		}
	})
	// By a race, although the proxy turns up only minutes after the start.
	inLab(t, 1, func(l *lab, c *Config) {
		c.LastCommand = backend.LastCommand{Connected: true}
	}, func(t *testing.T, l *lab) {
		time.Sleep(3 * time.Minute)
		if s := l.state(); s.Phase != backend.Connecting || s.Error == nil || s.Error.Code != backend.NoValidProxy {
			t.Errorf("state is %+v", s)
		}
		l.net.Serve(addr(1), open)
		l.until("connected", 61*time.Second, func(s backend.State) bool { return s.Phase == backend.Connected && s.Error == nil })
	})
	// With probing off nothing can turn up, and nothing is under way.
	inLab(t, 1, func(l *lab, c *Config) {
		c.LastCommand, c.Probe = backend.LastCommand{Connected: true}, false
	}, func(t *testing.T, l *lab) {
		if s := l.state(); s.Phase != backend.Disconnected || s.Error == nil || s.Error.Code != backend.NoValidProxy {
			t.Errorf("state is %+v", s)
		}
		l.net.Serve(addr(1), open)
		l.StartProbe(t.Context())
		l.until("connected", time.Minute, func(s backend.State) bool { return s.Phase == backend.Connected })
	})
	// Unless the user says otherwise meanwhile.
	inLab(t, 1, func(l *lab, c *Config) {
		c.LastCommand = backend.LastCommand{Connected: true}
	}, func(t *testing.T, l *lab) {
		time.Sleep(10 * time.Second)
		l.Disconnect(t.Context())
		l.net.Serve(addr(1), open)
		time.Sleep(5 * time.Minute)
		if s := l.state(); s.Phase != backend.Disconnected {
			t.Errorf("state is %+v", s)
		}
	})
}

func TestShareAtRunTime(t *testing.T) {
	var saved []backend.Share
	var fail error
	inLab(t, 1, func(l *lab, c *Config) {
		l.net.Serve(addr(1), memnet.Answers(0, 5, 0))
		c.SaveShare = func(s backend.Share) error {
			saved = append(saved, s)
			return fail
		}
	}, func(t *testing.T, l *lab) {
		if err := l.SetShare(t.Context(), backend.ShareLAN); err != nil {
			t.Error(err)
		}
		l.connect(addr(1))
		if s := l.state(); s.Share != backend.ShareLAN || s.Listen.Share != backend.ShareLAN {
			t.Errorf("set before the listener: %+v", s)
		}
		fail = errors.New("no room")
		err := l.SetShare(t.Context(), backend.ShareOff)
		if !errors.Is(err, &backend.Error{Code: backend.StateUnsaved}) || !strings.Contains(err.Error(), "no room") {
			t.Errorf("error is %v", err)
		}
		if s := l.state(); s.Share != backend.ShareOff || s.Listen.Share != backend.ShareOff {
			t.Errorf("set while it listens: %+v", s)
		}
		if !slices.Equal(saved, []backend.Share{backend.ShareLAN, backend.ShareOff}) {
			t.Errorf("saved %v", saved)
		}
	})
}

func TestWatchersSeeTheLatest(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Default = memnet.Echo }, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		var seen []backend.State
		ctx, cancel := context.WithCancel(t.Context())
		watching := make(chan error)
		go func() {
			watching <- l.Watch(ctx, func(s backend.State) {
				seen = append(seen, s)
				time.Sleep(time.Minute) // slower than all that follows
			})
		}()
		synctest.Wait()
		for i := range 20 {
			l.connect(addr(2 + i))
		}
		c := l.stream()
		c.Write([]byte("2345"))
		io.ReadFull(c, make([]byte, 5))
		time.Sleep(10 * time.Minute)
		cancel()
		if err := <-watching; !errors.Is(err, context.Canceled) {
			t.Errorf("watch ended with %v", err)
		}
		last := seen[len(seen)-1]
		if last.Remote.Address != addr(21) || last.Streams.BytesUp != 5 || last.Streams.BytesDown != 5 || last.Streams.Open != 1 {
			t.Errorf("the last of %d states is %+v", len(seen), last)
		}
		if len(seen) > 12 {
			t.Errorf("%d states seen, a slow watcher should skip", len(seen))
		}
	})
}

func TestStopDuringEverything(t *testing.T) {
	inLab(t, 1000, func(l *lab, c *Config) {
		l.net.Default = memnet.Silent
		c.Routes = func(ctx context.Context) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		for range 100 {
			l.stream()
		}
		time.Sleep(time.Second)
		watching := make(chan error)
		go func() { watching <- l.Watch(t.Context(), func(backend.State) {}) }()
		synctest.Wait()
		l.stop() // within a second, as after each test
		if err := <-watching; !errors.Is(err, errStopped) {
			t.Errorf("watch ended with %v", err)
		}
		if _, err := l.Connect(t.Context(), addr(1)); !errors.Is(err, errStopped) {
			t.Errorf("connect after the end: %v", err)
		}
		if s := l.state(); s.Phase != backend.Disconnected || s.Streams.Open != 0 {
			t.Errorf("state after the end is %+v", s)
		}
	})
}

// What its maker does with a configuration afterwards is nothing to the engine.
func TestConfigIsCopied(t *testing.T) {
	c := Config{Peers: []netip.AddrPort{addr(1)}, Own: []netip.AddrPort{addr(2)}}
	e := New(c)
	c.Peers[0], c.Own[0] = addr(3), addr(1)
	if got := e.scannable(); !slices.Equal(got, []netip.AddrPort{addr(1)}) {
		t.Errorf("the peers to scan are %v", got)
	}
}
