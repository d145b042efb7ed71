package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
	"mycoproxy/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveTCP runs handle for each connection until the test ends.
func serveTCP(t testing.TB, handle func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return addrPort(l.Addr())
}

// start runs a forwarder to remote on a free port until the test ends.
func start(t testing.TB, remote netip.AddrPort, options Options) *Forwarder {
	t.Helper()
	l, err := Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := NewForwarder(l, options)
	f.Switch(remote)
	served := make(chan error)
	go func() { served <- f.Serve() }()
	t.Cleanup(func() {
		f.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
		f.Wait()
		if open := f.Counters.Load().Open; open != 0 {
			t.Errorf("%d streams are still counted as open", open)
		}
	})
	return f
}

func dial(t testing.TB, f *Forwarder) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.Addr().Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// Whatever sizes come in whatever pieces, both directions at once, every byte
// arrives in its place, then the end does.
func TestEveryByteArrives(t *testing.T) {
	f := start(t, serveTCP(t, echo), Options{})
	var wg sync.WaitGroup
	var sent atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			data := randomBytes(random, random.IntN(3<<20))
			sent.Add(int64(len(data)))
			c := dial(t, f)
			go func() {
				for rest := data; len(rest) > 0; {
					n := min(len(rest), 1+random.IntN(200_000))
					if random.IntN(2) == 0 {
						n = min(n, 1+random.IntN(100))
					}
					if _, err := c.Write(rest[:n]); err != nil {
						t.Error(err)
						break
					}
					rest = rest[n:]
				}
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("stream %d: %d bytes came back of %d, %v", i, len(got), len(data), err)
			}
		})
	}
	wg.Wait()
	f.Close()
	f.Wait()
	if s := f.Counters.Load(); s.Total != 20 || s.Open != 0 || s.BytesUp != sent.Load() || s.BytesDown != sent.Load() {
		t.Errorf("counted %+v, want %d bytes each way in 20 streams", s, sent.Load())
	}
}

func TestHalfClose(t *testing.T) {
	f := start(t, serveTCP(t, func(c *net.TCPConn) {
		got, err := io.ReadAll(c)
		fmt.Fprintf(c, "%d bytes, %v", len(got), err)
	}), Options{})
	c := dial(t, f)
	c.Write(make([]byte, 1000))
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "1000 bytes, <nil>" || err != nil {
		t.Errorf("after the half-close came %q, %v", got, err)
	}

	// The other way round: the remote ends first, the client goes on.
	heard := make(chan string, 1)
	f.Switch(serveTCP(t, func(c *net.TCPConn) {
		c.CloseWrite()
		got, err := io.ReadAll(c)
		heard <- fmt.Sprintf("%d bytes, %v", len(got), err)
	}))
	c = dial(t, f)
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	c.Write(make([]byte, 500))
	c.CloseWrite()
	if got := <-heard; got != "500 bytes, <nil>" {
		t.Errorf("after the remote's end it heard %s", got)
	}
}

// A stream that broke off must not look like one that ended, and what came
// before the break must arrive.
func TestResetIsPassedOn(t *testing.T) {
	const size = 1 << 20
	f := start(t, serveTCP(t, func(c *net.TCPConn) {
		c.Write(make([]byte, size))
		waitSent(c)
		c.SetLinger(0)
	}), Options{})
	c := dial(t, f)
	got, err := io.ReadAll(c)
	if len(got) != size || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, then %v; want %d, then a reset", len(got), err, size)
	}

	reset := make(chan error, 1)
	f.Switch(serveTCP(t, func(c *net.TCPConn) {
		_, err := io.ReadAll(c)
		reset <- err
	}))
	c = dial(t, f)
	c.Write([]byte("half a"))
	c.SetLinger(0)
	c.Close()
	if err := <-reset; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the remote saw %v, want a reset", err)
	}
}

func TestSwitch(t *testing.T) {
	says := func(word string) netip.AddrPort {
		return serveTCP(t, func(c *net.TCPConn) {
			c.Write([]byte(word))
			io.Copy(io.Discard, c)
		})
	}
	a, b := says("a"), says("b")
	f := start(t, a, Options{})
	hear := func() (*net.TCPConn, string) {
		c := dial(t, f)
		var word [1]byte
		if _, err := io.ReadFull(c, word[:]); err != nil {
			t.Fatal(err)
		}
		return c, string(word[:])
	}
	old, word := hear()
	if word != "a" {
		t.Fatalf("heard %q", word)
	}
	for i := range 100 {
		f.Switch([]netip.AddrPort{b, a}[i%2])
		if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("the old stream saw %v, want a reset", err)
		}
		if old, word = hear(); word != []string{"b", "a"}[i%2] {
			t.Fatalf("heard %q after switch %d", word, i)
		}
	}
}

// A connection whose dial is under way when the remote is switched goes to the new one.
func TestSwitchWhileDialling(t *testing.T) {
	dialling := make(chan struct{})
	unreachable := netip.MustParseAddrPort("127.0.0.1:1")
	f := start(t, unreachable, Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == unreachable.String() {
			close(dialling)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}, Dialled: func(remote netip.AddrPort, err error) {
		if remote == unreachable {
			t.Errorf("a dial that was called off is told as %v", err)
		}
	}})
	c := dial(t, f)
	<-dialling
	f.Switch(serveTCP(t, echo))
	c.Write([]byte("x"))
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCloseFreesThePortAndCutsEverything(t *testing.T) {
	hang := make(chan struct{})
	f := start(t, serveTCP(t, echo), Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case <-hang:
			<-ctx.Done()
			return nil, ctx.Err()
		default:
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}})
	var conns []*net.TCPConn
	for range 50 {
		c := dial(t, f)
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		conns = append(conns, c)
	}
	close(hang)
	conns = append(conns, dial(t, f)) // this one is still dialling
	addr := f.Addr()
	f.Close()
	l, err := Bind(addr)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
	f.Wait()
	for i, c := range conns {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("stream %d saw %v, want a reset", i, err)
		}
	}
}

// A disconnect may come before the listener serves.
func TestCloseBeforeServe(t *testing.T) {
	l, err := Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := NewForwarder(l, Options{})
	f.Close()
	if err := f.Serve(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
	f.Wait()
}

// isClosed fails the test unless a new connection ends at once.
func isClosed(t *testing.T, f *Forwarder) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.Addr().Port()))
	if err != nil {
		return // so soon that the dial saw it
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's connection stays open: %v", err)
	}
}

func TestRemoteThatCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := addrPort(l.Addr())
	l.Close()
	told := make(chan error, 1)
	f := start(t, gone, Options{Dialled: func(remote netip.AddrPort, err error) {
		if remote == gone {
			told <- err
		}
	}})
	isClosed(t, f)
	if err := <-told; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("told %v", err)
	}

	// Nothing is chosen: closed, and nothing is dialled.
	f.Switch(netip.AddrPort{})
	isClosed(t, f)
	// Out of descriptors: that is no news of the remote.
	f = start(t, gone, Options{
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		},
		Dialled: func(_ netip.AddrPort, err error) { t.Errorf("told %v", err) },
	})
	isClosed(t, f)
}

// A remote that never answers costs ten seconds, then the client's connection.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		began := time.Now()
		var took time.Duration
		f := NewForwarder(listen(t, &n), Options{
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			Dialled: func(_ netip.AddrPort, err error) {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("told %v", err)
				}
				took = time.Since(began)
			},
		})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		if _, err := connect(t, &n, loopback).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the client saw %v", err)
		}
		if took != dialTimeout {
			t.Errorf("given up after %v", took)
		}
		f.Close()
	})
}

// here is where the listeners in memory are, elsewhere is another machine.
var (
	here      = netip.MustParseAddrPort("192.168.9.1:1080")
	loopback  = netip.MustParseAddrPort("127.0.0.1:4711")
	elsewhere = netip.MustParseAddrPort("[407:1:2:3::4]:4711")
)

func listen(t *testing.T, n *memnet.Network) net.Listener {
	t.Helper()
	l, err := n.Listen(here)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func connect(t *testing.T, n *memnet.Network, source netip.AddrPort) net.Conn {
	t.Helper()
	c, err := n.Connect(here, source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		f := NewForwarder(listen(t, &n), Options{})
		served := make(chan error, 1)
		go func() { served <- f.Serve() }()
		began := time.Now()
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, errors.New("never heard of")} {
			n.FailAccept(here, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", err)})
		}
		connect(t, &n, loopback).Read(make([]byte, 1)) // no remote is chosen, so it is closed
		if total := f.Counters.Load().Total; total != 1 {
			t.Errorf("%d streams after the errors, want 1", total)
		}
		if waited := time.Since(began); waited != (5+10+20+40+80)*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		n.FailAccept(here, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EBADF)})
		if err := <-served; !errors.Is(err, syscall.EBADF) {
			t.Errorf("Serve returned %v", err)
		}
		f.Close()
	})
}

func TestGuard(t *testing.T) {
	for source, want := range map[string]string{ // the words of Share that serve it
		"127.0.0.1":         "off lan all",
		"127.9.9.9":         "off lan all",
		"::1":               "off lan all",
		"::ffff:127.0.0.1":  "off lan all",
		"192.168.9.1":       "off lan all", // ourselves, over our own address
		"::ffff:10.1.2.3":   "lan all",
		"10.1.2.3":          "lan all",
		"172.16.0.1":        "lan all",
		"192.168.1.1":       "lan all",
		"169.254.3.4":       "lan all",
		"fe80::1%eth0":      "lan all",
		"fd00::1":           "lan all",
		"407:8458::1":       "all",
		"5ff:ffff::1":       "all",
		"2001:db8::1":       "all",
		"198.51.100.1":      "all",
		"172.32.0.1":        "all",
		"::ffff:8.8.8.8":    "all",
		"100.64.0.1":        "all",
		"::":                "all",
		"64:ff9b::7f00:1":   "all",
		"::127.0.0.1":       "all",
		"2002:7f00:0001::1": "all",
	} {
		for _, share := range []backend.Share{backend.ShareOff, backend.ShareLAN, backend.ShareAll} {
			served := strings.Contains(" "+want+" ", " "+share.String()+" ")
			if got := serves(share, netip.MustParseAddr(source), here.Addr()); got != served {
				t.Errorf("share %v, source %s: %v, want %v", share, source, got, served)
			}
		}
	}
}

func TestOwnInterfaceAddressIsServed(t *testing.T) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		// A link-local one may be another machine's too, on another link, unless
		// it is the very address that was connected to.
		addr := netip.MustParsePrefix(i.String()).Addr()
		if got := serves(backend.ShareOff, addr, here.Addr()); got == addr.IsLinkLocalUnicast() {
			t.Errorf("%v is an address of this machine: served %v", addr, got)
		}
		if !serves(backend.ShareOff, addr, addr) {
			t.Errorf("%v connected to itself and is refused", addr)
		}
	}
}

// Nothing is dialled for a refused source, and the log does not grow with them.
func TestRefusedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var n memnet.Network
		f := NewForwarder(listen(t, &n), Options{
			Share: backend.ShareLAN,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				t.Error("dialled")
				return nil, io.EOF
			},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		for range 90 {
			if _, err := connect(t, &n, elsewhere).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the client saw %v", err)
			}
			time.Sleep(time.Second)
		}
		f.Close()
		f.Wait()
		if s := f.Counters.Load(); s.Refused != 90 || s.Total != 0 {
			t.Errorf("counted %+v", s)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("%d lines in the log for 90 seconds:\n%s", lines, log.String())
		}
	})
}

// Fewer guests than before: those that are in are shown out, and this machine's
// own streams go on.
func TestSharingLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.Network{Default: memnet.Echo}
		f := NewForwarder(listen(t, &n), Options{Dial: n.Dial})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		works := func(c net.Conn) bool {
			c.Write([]byte{7})
			_, err := c.Read(make([]byte, 1))
			return err == nil
		}
		f.SetShare(backend.ShareLAN)
		f.SetShare(backend.ShareAll)
		own, guest := connect(t, &n, loopback), connect(t, &n, elsewhere)
		if !works(own) || !works(guest) {
			t.Error("not both are served")
		}
		f.SetShare(backend.ShareAll)
		if !works(guest) {
			t.Error("the guest was shown out for nothing")
		}
		f.SetShare(backend.ShareLAN)
		synctest.Wait()
		if works(guest) || works(connect(t, &n, elsewhere)) {
			t.Error("a guest stays, or is let in")
		}
		if !works(own) {
			t.Error("this machine's own stream was cut")
		}
		own.Close()
		f.Close()
		f.Wait()
	})
}

func TestListens(t *testing.T) {
	for _, c := range []struct {
		listen, addr string
		want         bool
	}{
		{"[::]:1080", "[::1]:1080", true},
		{"[::]:1080", "127.0.0.1:1080", true},
		{"[::]:1080", "127.3.2.1:1080", true},
		{"0.0.0.0:1080", "127.0.0.1:1080", true},
		{"[::]:1080", "[::ffff:127.0.0.1]:1080", true},
		{"[::]:1080", "127.0.0.1:1081", false},
		{"[::]:1080", "[407::1]:1080", false},
		{"127.0.0.1:1080", "127.0.0.1:1080", true},
		{"127.0.0.1:1080", "[::1]:1080", false},
	} {
		if got := Listens(netip.MustParseAddrPort(c.listen), netip.MustParseAddrPort(c.addr), backend.LocalAddresses()); got != c.want {
			t.Errorf("listener %s, address %s: %v", c.listen, c.addr, got)
		}
	}
}

func TestExplainNamesTheHolder(t *testing.T) {
	l, err := Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := addrPort(l.Addr())
	_, err = Bind(addr)
	want := fmt.Sprintf("Could not bind TCP listener on %s: address already in use by %s, pid %d", addr, filepath.Base(os.Args[0]), os.Getpid())
	if got := Explain(addr, err); got.Code != backend.PortInUse || got.Message != want {
		t.Errorf("%v %q, want %q", got.Code, got.Message, want)
	}
	_, err = Bind(netip.MustParseAddrPort("192.0.2.1:1080"))
	if got := Explain(netip.MustParseAddrPort("192.0.2.1:1080"), err); got.Code != backend.CannotBind ||
		got.Message != "Could not bind TCP listener on 192.0.2.1:1080: cannot assign requested address" {
		t.Errorf("%v %q", got.Code, got.Message)
	}
}

func TestReach(t *testing.T) {
	for listen, want := range map[string][]string{
		"[::]:0":      {"127.0.0.1", "::1"},
		"0.0.0.0:0":   {"127.0.0.1"},
		"127.0.0.1:0": {"127.0.0.1"},
		"[::1]:0":     {"::1"},
	} {
		l, err := Bind(netip.MustParseAddrPort(listen))
		if err != nil {
			t.Fatal(err)
		}
		f := NewForwarder(l, Options{})
		var got []string
		for _, r := range f.Reach() {
			got = append(got, r.Addr().String())
			if r.Port() != f.Addr().Port() {
				t.Errorf("reached at %v, bound to %v", r, f.Addr())
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s reached over %v, want %v", listen, got, want)
		}
		f.Close()
	}
}

// Somebody else answers at the address: it is not ours that was reached. A
// client of ours that came meanwhile is not lost.
func TestReachIsNotFooled(t *testing.T) {
	l, err := Bind(netip.MustParseAddrPort("[::1]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := NewForwarder(l, Options{})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if f.reachedAt(l.(*net.TCPListener), serveTCP(t, echo)) {
		t.Error("another program's listener counts as ours")
	}
	if got := f.Reach(); len(got) != 1 {
		t.Errorf("reached %v", got)
	}
	f.Switch(serveTCP(t, echo))
	served := make(chan error)
	go func() { served <- f.Serve() }()
	c.Write([]byte("x"))
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("the early client got %q, %v", got, err)
	}
	f.Close()
	<-served
	f.Wait()
}
