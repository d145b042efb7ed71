package scan

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is a network in memory: each address behaves as its function does.
type network struct {
	mu       sync.Mutex
	behave   map[netip.AddrPort]func(net.Conn)
	fallback func(net.Conn)                   // for addresses that behave does not name; nil: refuse
	connect  map[netip.AddrPort]time.Duration // time until the connection stands
	dialled  []netip.AddrPort
	started  []time.Time
	open     int
	mostOpen int
}

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	addr := netip.MustParseAddrPort(address)
	n.mu.Lock()
	n.dialled = append(n.dialled, addr)
	n.started = append(n.started, time.Now())
	n.open++
	n.mostOpen = max(n.mostOpen, n.open)
	behave := n.behave[addr]
	if behave == nil {
		behave = n.fallback
	}
	n.mu.Unlock()
	select {
	case <-time.After(n.connect[addr]):
	case <-ctx.Done():
		n.close()
		return nil, ctx.Err()
	}
	if behave == nil {
		n.close()
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		behave(theirs)
	}()
	return &countedConn{Conn: ours, closed: n.close}, nil
}

func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open--
}

type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// answers reads the greeting, waits unless the other side closes, and answers.
func answers(after time.Duration, answer ...byte) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			return
		}
		c.SetReadDeadline(time.Now().Add(after))
		silent(c)
		c.SetReadDeadline(time.Time{})
		c.Write(answer)
	}
}

func silent(c net.Conn) { io.Copy(io.Discard, c) }

func addr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{4, 7, 14: byte(n >> 8), 15: byte(n)}), 1080)
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(net.Conn)
		want   backend.Verdict
		took   time.Duration
	}{
		"valid":           {answers(0, 5, 0), backend.Valid, 0},
		"password":        {answers(0, 5, 0xFF), backend.AuthRequired, 0},
		"says more":       {answers(0, 5, 0, 1, 2, 3), backend.Valid, 0},
		"method 2":        {answers(0, 5, 2), backend.NotAProxy, 0},
		"echo":            {answers(0, 5, 1, 0), backend.NotAProxy, 0},
		"SOCKS 4":         {answers(0, 0, 0x5b), backend.NotAProxy, 0},
		"HTTP":            {answers(0, []byte("HTTP/1.1 400 Bad Request\r\n")...), backend.NotAProxy, 0},
		"closes":          {func(net.Conn) {}, backend.NotAProxy, 0},
		"one byte, close": {answers(0, 5), backend.NotAProxy, 0},
		"one byte, silence": {func(c net.Conn) {
			answers(0, 5)(c)
			silent(c)
		}, backend.NotAProxy, ProbeTimeout},
		"apart": {func(c net.Conn) {
			answers(0, 5)(c)
			time.Sleep(700 * time.Millisecond)
			c.Write([]byte{0})
		}, backend.Valid, 700 * time.Millisecond},
		"4.9 s":   {answers(4900*time.Millisecond, 5, 0), backend.Valid, 4900 * time.Millisecond},
		"5.1 s":   {answers(5100*time.Millisecond, 5, 0), backend.NotListening, ProbeTimeout},
		"silent":  {silent, backend.NotListening, ProbeTimeout},
		"refuses": {nil, backend.NotListening, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{behave: map[netip.AddrPort]func(net.Conn){addr(1): c.behave}}
				p := Prober{Dial: n.dial}
				start := time.Now()
				r := p.Probe(t.Context(), addr(1))
				if r.Verdict != c.want || time.Since(start) != c.took || r.Address != addr(1) || !r.At.Equal(time.Now()) {
					t.Errorf("%+v after %v; want %v after %v", r, time.Since(start), c.want, c.took)
				}
				if r.Verdict.IsProxy() && r.RTT != c.took {
					t.Errorf("round trip of %v, want %v", r.RTT, c.took)
				}
				synctest.Wait()
				if n.open != 0 {
					t.Errorf("%d connections left open", n.open)
				}
			})
		})
	}
}

func TestProbeTimesConnectAndAnswerApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			behave:  map[netip.AddrPort]func(net.Conn){addr(1): answers(30*time.Millisecond, 5, 0)},
			connect: map[netip.AddrPort]time.Duration{addr(1): 20 * time.Millisecond},
		}
		p := Prober{Dial: n.dial}
		if r := p.Probe(t.Context(), addr(1)); r.Connect != 20*time.Millisecond || r.RTT != 30*time.Millisecond {
			t.Errorf("connect %v, round trip %v; want 20 ms and 30 ms", r.Connect, r.RTT)
		}
	})
}

func TestProbeSaysNothingWithoutMeans(t *testing.T) {
	p := Prober{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}}
	if r := p.Probe(t.Context(), addr(1)); r.Verdict != backend.Unknown {
		t.Errorf("out of descriptors gives %v", r.Verdict)
	}
}

func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			behave: map[netip.AddrPort]func(net.Conn){
				addr(1): silent,
				addr(2): answers(80*time.Millisecond, 5, 0),
				addr(3): answers(20*time.Millisecond, 5, 0),
				addr(4): answers(time.Millisecond, 5, 0xFF),
				addr(5): func(net.Conn) {},
			},
			connect: map[netip.AddrPort]time.Duration{addr(3): 10 * time.Millisecond},
		}
		p := Prober{Dial: n.dial}
		start := time.Now()
		got, err := p.Race(t.Context(), []netip.AddrPort{addr(1), addr(2), addr(3), addr(4), addr(5), addr(6)})
		if err != nil || got != addr(3) || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%v, %v after %v; want %v after 30 ms", got, err, time.Since(start), addr(3))
		}
		synctest.Wait()
		if n.open != 0 || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%d losers still dialling after the race", n.open)
		}
	})
}

func TestRaceWithoutWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{behave: map[netip.AddrPort]func(net.Conn){addr(1): silent, addr(2): answers(0, 5, 0xFF)}}
		p := Prober{Dial: n.dial}
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
	for name, c := range map[string]struct {
		behave func(try int) func(net.Conn)
		want   backend.Verdict
		took   time.Duration
	}{
		"alive":           {func(int) func(net.Conn) { return answers(0, 5, 0) }, backend.Valid, 0},
		"back at third":   {func(try int) func(net.Conn) { return map[int]func(net.Conn){3: answers(0, 5, 0)}[try] }, backend.Valid, 4 * time.Second},
		"refuses":         {func(int) func(net.Conn) { return nil }, backend.NotListening, 4 * time.Second},
		"silent":          {func(int) func(net.Conn) { return silent }, backend.NotListening, 6 * time.Second},
		"wants password":  {func(int) func(net.Conn) { return answers(0, 5, 0xFF) }, backend.AuthRequired, 4 * time.Second},
		"slow but steady": {func(int) func(net.Conn) { return answers(4900*time.Millisecond, 5, 0) }, backend.Valid, 4900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				p := Prober{Dial: func(ctx context.Context, network_, address string) (net.Conn, error) {
					tries++
					n := &network{behave: map[netip.AddrPort]func(net.Conn){addr(1): c.behave(tries)}}
					return n.dial(ctx, network_, address)
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

func round(t *testing.T, n *network, gap time.Duration, addrs ...netip.AddrPort) (results []Result) {
	t.Helper()
	in := make(chan []netip.AddrPort, 1)
	in <- addrs
	close(in)
	p := Prober{Dial: n.dial}
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
			n := &network{fallback: silent}
			start := time.Now()
			results := round(t, n, Brisk, addrs(c.peers)...)
			if len(results) != c.peers || n.mostOpen > c.most || time.Since(start) >= Interval {
				t.Errorf("%d silent peers: %d results in %v, at most %d at once; want at most %d, within %v",
					c.peers, len(results), time.Since(start), n.mostOpen, c.most, Interval)
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
		{100, Brisk, 490 * time.Millisecond, 500 * time.Millisecond},
		{100, Calm, 24 * time.Second, 25 * time.Second},
		{5000, Calm, 49 * time.Second, 50 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{fallback: answers(0, 5, 0)}
			start := time.Now()
			want := addrs(c.peers)
			round(t, n, c.gap, want...)
			for i, got := range n.dialled {
				if got != want[i] {
					t.Fatalf("probe %d went to %v, want %v", i, got, want[i])
				}
			}
			if last := n.started[c.peers-1].Sub(start); last < c.lastFrom || last > c.lastTo {
				t.Errorf("%d peers, gap %v: the last started after %v", c.peers, c.gap, last)
			}
		})
	}
}

func TestRoundTakesMoreWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{fallback: answers(0, 5, 0)}
		in := make(chan []netip.AddrPort, 1)
		in <- addrs(3)
		go func() {
			time.Sleep(10 * time.Second)
			in <- []netip.AddrPort{addr(100), addr(101)}
			close(in)
		}()
		p := Prober{Dial: n.dial}
		count := 0
		p.Round(t.Context(), in, Brisk, func(Result) { count++ })
		if count != 5 || n.started[4].Sub(n.started[3]) != Brisk {
			t.Errorf("%d results; late ones started at %v", count, n.started)
		}
	})
}

func TestRoundStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{fallback: silent}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		in := make(chan []netip.AddrPort, 1) // never closed
		in <- addrs(1000)
		p := Prober{Dial: n.dial}
		start := time.Now()
		p.Round(ctx, in, Brisk, func(r Result) { t.Errorf("reported %+v", r) })
		if time.Since(start) != time.Second {
			t.Errorf("stopped after %v", time.Since(start))
		}
		synctest.Wait()
		if n.open != 0 {
			t.Errorf("%d probes still under way", n.open)
		}
	})
}
