package scan

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
	"mycoproxy/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{4, 7, 14: byte(n >> 8), 15: byte(n)}), 1080)
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		serve memnet.Server
		want  backend.Verdict
		took  time.Duration
	}{
		"valid":           {memnet.Answers(0, 5, 0), backend.Valid, 0},
		"password":        {memnet.Answers(0, 5, 0xFF), backend.AuthRequired, 0},
		"says more":       {memnet.Answers(0, 5, 0, 1, 2, 3), backend.Valid, 0},
		"method 2":        {memnet.Answers(0, 5, 2), backend.NotAProxy, 0},
		"echo":            {memnet.Answers(0, 5, 1, 0), backend.NotAProxy, 0},
		"SOCKS 4":         {memnet.Answers(0, 0, 0x5b), backend.NotAProxy, 0},
		"HTTP":            {memnet.Answers(0, []byte("HTTP/1.1 400 Bad Request\r\n")...), backend.NotAProxy, 0},
		"closes":          {func(net.Conn) {}, backend.NotAProxy, 0},
		"one byte, close": {memnet.Answers(0, 5), backend.NotAProxy, 0},
		"one byte, silence": {func(c net.Conn) {
			memnet.Answers(0, 5)(c)
			memnet.Silent(c)
		}, backend.NotAProxy, ProbeTimeout},
		"apart": {func(c net.Conn) {
			memnet.Answers(0, 5)(c)
			time.Sleep(700 * time.Millisecond)
			c.Write([]byte{0})
		}, backend.Valid, 700 * time.Millisecond},
		"4.9 s":   {memnet.Answers(4900*time.Millisecond, 5, 0), backend.Valid, 4900 * time.Millisecond},
		"5.1 s":   {memnet.Answers(5100*time.Millisecond, 5, 0), backend.NotListening, ProbeTimeout},
		"silent":  {memnet.Silent, backend.NotListening, ProbeTimeout},
		"refuses": {nil, backend.NotListening, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memnet.Network
				n.Serve(addr(1), c.serve)
				p := Prober{Dial: n.Dial}
				start := time.Now()
				r := p.Probe(t.Context(), addr(1))
				if r.Verdict != c.want || time.Since(start) != c.took || r.Address != addr(1) || !r.At.Equal(time.Now()) {
					t.Errorf("%+v after %v; want %v after %v", r, time.Since(start), c.want, c.took)
				}
				if r.Verdict.IsProxy() && r.RTT != c.took {
					t.Errorf("round trip of %v, want %v", r.RTT, c.took)
				}
				synctest.Wait()
				if open, _ := n.Open(); open != 0 {
					t.Errorf("%d connections left open", open)
				}
			})
		})
	}
}

func TestProbeTimesConnectAndAnswerApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		n.Serve(addr(1), memnet.Answers(30*time.Millisecond, 5, 0))
		n.Delay(addr(1), 20*time.Millisecond)
		p := Prober{Dial: n.Dial}
		if r := p.Probe(t.Context(), addr(1)); r.Connect != 20*time.Millisecond || r.RTT != 30*time.Millisecond {
			t.Errorf("connect %v, round trip %v; want 20 ms and 30 ms", r.Connect, r.RTT)
		}
	})
}

func TestProbeOutOfDescriptors(t *testing.T) {
	p := Prober{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}}
	if r := p.Probe(t.Context(), addr(1)); r.Verdict != backend.Unknown {
		t.Errorf("out of descriptors gives %v", r.Verdict)
	}
}

func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		n.Serve(addr(1), memnet.Silent)
		n.Serve(addr(2), memnet.Answers(80*time.Millisecond, 5, 0))
		n.Serve(addr(3), memnet.Answers(20*time.Millisecond, 5, 0))
		n.Delay(addr(3), 10*time.Millisecond)
		n.Serve(addr(4), memnet.Answers(time.Millisecond, 5, 0xFF))
		n.Serve(addr(5), func(net.Conn) {})
		p := Prober{Dial: n.Dial}
		start := time.Now()
		got, err := p.Race(t.Context(), []netip.AddrPort{addr(1), addr(2), addr(3), addr(4), addr(5), addr(6)})
		if err != nil || got != addr(3) || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%v, %v after %v; want %v after 30 ms", got, err, time.Since(start), addr(3))
		}
		synctest.Wait()
		if open, _ := n.Open(); open != 0 || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%d losers still dialling after the race", open)
		}
	})
}

func TestRaceWithoutWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		n.Serve(addr(1), memnet.Silent)
		n.Serve(addr(2), memnet.Answers(0, 5, 0xFF))
		p := Prober{Dial: n.Dial}
		start := time.Now()
		if _, err := p.Race(t.Context(), nil); !errors.Is(err, backend.ErrNoValidProxy) || time.Since(start) != 0 {
			t.Errorf("race of none: %v after %v", err, time.Since(start))
		}
		if _, err := p.Race(t.Context(), []netip.AddrPort{addr(1), addr(2)}); !errors.Is(err, backend.ErrNoValidProxy) || time.Since(start) != ProbeTimeout {
			t.Errorf("%v after %v; want no valid proxy after %v", err, time.Since(start), ProbeTimeout)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := p.Race(ctx, []netip.AddrPort{addr(1)}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v; want the context's error after 1 s", err, time.Since(start))
		}
	})
}

func TestConfirm(t *testing.T) {
	valid := func(v backend.Verdict) bool { return v == backend.Valid }
	open, locked := memnet.Answers(0, 5, 0), memnet.Answers(0, 5, 0xFF)
	late := memnet.Answers(4900*time.Millisecond, 5, 0)
	for name, c := range map[string]struct {
		serve [3]memnet.Server // one a try
		want  backend.Verdict
		took  time.Duration
	}{
		"alive":           {[3]memnet.Server{open, open, open}, backend.Valid, 0},
		"back at third":   {[3]memnet.Server{nil, nil, open}, backend.Valid, 4 * time.Second},
		"refuses":         {[3]memnet.Server{}, backend.NotListening, 4 * time.Second},
		"silent":          {[3]memnet.Server{memnet.Silent, memnet.Silent, memnet.Silent}, backend.NotListening, 6 * time.Second},
		"wants password":  {[3]memnet.Server{locked, locked, locked}, backend.AuthRequired, 4 * time.Second},
		"slow but steady": {[3]memnet.Server{late, late, late}, backend.Valid, 4900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memnet.Network
				tries := 0
				p := Prober{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					n.Serve(addr(1), c.serve[tries])
					tries++
					return n.Dial(ctx, network, address)
				}}
				start := time.Now()
				r := p.Confirm(t.Context(), addr(1), valid)
				if r.Verdict != c.want || time.Since(start) != c.took {
					t.Errorf("%v after %v; want %v after %v", r.Verdict, time.Since(start), c.want, c.took)
				}
			})
		})
	}
}

func round(t *testing.T, n *memnet.Network, gap time.Duration, addrs ...netip.AddrPort) (results []Result) {
	t.Helper()
	in := make(chan []netip.AddrPort, 1)
	in <- addrs
	close(in)
	p := Prober{Dial: n.Dial}
	p.Round(t.Context(), in, gap, func(r Result) { results = append(results, r) })
	return results
}

func addrs(n int) (list []netip.AddrPort) {
	for i := range n {
		list = append(list, addr(i))
	}
	return list
}

// A round of silent peers is the slowest there is. It must end before the next
// begins, and stay within its share of sockets.
func TestRoundOfSilentPeers(t *testing.T) {
	for _, c := range []struct{ peers, most int }{{1, 1}, {100, 64}, {640, 64}, {1000, 100}, {10_000, 1000}} {
		synctest.Test(t, func(t *testing.T) {
			n := &memnet.Network{Default: memnet.Silent}
			start := time.Now()
			results := round(t, n, ForegroundGap, addrs(c.peers)...)
			_, most := n.Open()
			if len(results) != c.peers || most > c.most || time.Since(start) >= Interval {
				t.Errorf("%d silent peers: %d results in %v, at most %d at once; want at most %d, within %v",
					c.peers, len(results), time.Since(start), most, c.most, Interval)
			}
		})
	}
}

func TestRoundIsSpreadAndInOrder(t *testing.T) {
	for _, c := range []struct {
		peers    int
		gap      time.Duration
		lastFrom time.Duration // the last probe starts no sooner
		lastTo   time.Duration // and no later
	}{
		{100, ForegroundGap, 490 * time.Millisecond, 500 * time.Millisecond},
		{100, BackgroundGap, 24 * time.Second, 25 * time.Second},
		{5000, BackgroundGap, 49 * time.Second, 50 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &memnet.Network{Default: memnet.Answers(0, 5, 0)}
			start := time.Now()
			want := addrs(c.peers)
			round(t, n, c.gap, want...)
			dials := n.Dials()
			for i, got := range dials {
				if got.Address != want[i] {
					t.Fatalf("probe %d went to %v, want %v", i, got.Address, want[i])
				}
			}
			if last := dials[c.peers-1].At.Sub(start); last < c.lastFrom || last > c.lastTo {
				t.Errorf("%d peers, gap %v: the last started after %v", c.peers, c.gap, last)
			}
		})
	}
}

func TestRoundTakesMoreWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &memnet.Network{Default: memnet.Answers(0, 5, 0)}
		in := make(chan []netip.AddrPort, 1)
		in <- addrs(3)
		go func() {
			time.Sleep(10 * time.Second)
			in <- []netip.AddrPort{addr(100), addr(101)}
			close(in)
		}()
		p := Prober{Dial: n.Dial}
		count := 0
		p.Round(t.Context(), in, ForegroundGap, func(Result) { count++ })
		if dials := n.Dials(); count != 5 || dials[4].At.Sub(dials[3].At) != ForegroundGap {
			t.Errorf("%d results of %v", count, dials)
		}
	})
}

func TestRoundStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &memnet.Network{Default: memnet.Silent}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		in := make(chan []netip.AddrPort, 1) // never closed
		in <- addrs(1000)
		p := Prober{Dial: n.Dial}
		start := time.Now()
		p.Round(ctx, in, ForegroundGap, func(r Result) { t.Errorf("reported %+v", r) })
		if time.Since(start) != time.Second {
			t.Errorf("stopped after %v", time.Since(start))
		}
		synctest.Wait()
		if open, _ := n.Open(); open != 0 {
			t.Errorf("%d probes still under way", open)
		}
	})
}

// BenchmarkProbe greets a proxy on loopback.
func BenchmarkProbe(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			memnet.Answers(0, 5, 0)(c)
			c.Close()
		}
	}()
	defer l.Close()
	var p Prober
	for b.Loop() {
		if r := p.Probe(b.Context(), l.Addr().(*net.TCPAddr).AddrPort()); r.Verdict != backend.Valid {
			b.Fatalf("%+v", r)
		}
	}
}
