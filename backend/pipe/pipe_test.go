package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/warm"
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
			c := accept(l)
			if c == nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return listen.AddrPort(l.Addr())
}

// start runs a forwarder to remote on a free port until the test ends.
func start(t testing.TB, remote netip.AddrPort, options Config) *Forwarder {
	t.Helper()
	l, err := listen.Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := New(l, options)
	f.Switch(remote)
	served := make(chan error)
	go func() { served <- f.Serve() }()
	t.Cleanup(func() {
		f.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v", err)
		}
		f.Wait()
		if open := f.config.Counters.Load().Open; open != 0 {
			t.Errorf("%d sessions are still counted as open", open)
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

// accept accepts the next connection; nil: the listener is closed. Under Wine the
// system's call fails for a connection that was reset before.
func accept(l net.Listener) *net.TCPConn {
	for {
		c, err := l.Accept()
		if err == nil {
			return c.(*net.TCPConn)
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
	}
}

func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// isReset knows what Windows calls it, too.
func isReset(err error) bool {
	const wsaeconnreset = syscall.Errno(10054)
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaeconnreset)
}

// hello is how a client begins that need not be understood.
const hello = "\x05"

func TestSwitch(t *testing.T) {
	says := func(word string) netip.AddrPort {
		return serveTCP(t, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 1))
			io.WriteString(c, word)
			io.Copy(io.Discard, c)
		})
	}
	a, b := says("a"), says("b")
	f := start(t, a, Config{})
	hear := func() (*net.TCPConn, string) {
		c := dial(t, f)
		io.WriteString(c, hello)
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
		if _, err := old.Read(make([]byte, 1)); !isReset(err) {
			t.Fatalf("the old session saw %v, want a reset", err)
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
	f := start(t, unreachable, Config{Remote: warm.Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
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
	}}})
	c := dial(t, f)
	c.Write(socks.Greeting)
	<-dialling
	f.Switch(serveTCP(t, echo))
	c.CloseWrite()
	if got, err := io.ReadAll(c); !bytes.Equal(got, socks.Greeting) || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCloseFreesThePortAndCutsEverything(t *testing.T) {
	hang := make(chan struct{})
	f := start(t, serveTCP(t, echo), Config{Remote: warm.Config{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case <-hang:
			<-ctx.Done()
			return nil, ctx.Err()
		default:
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}}})
	var conns []*net.TCPConn
	for range 50 {
		c := dial(t, f)
		io.WriteString(c, hello)
		io.ReadFull(c, make([]byte, 1))
		conns = append(conns, c)
	}
	close(hang)
	silent, dialling := dial(t, f), dial(t, f)
	io.WriteString(dialling, hello)
	conns = append(conns, silent, dialling)
	until(t, "all are accepted", func() bool { return f.config.Counters.Load().Open == 52 && f.config.Counters.Load().Total == 51 })
	addr := f.Addr()
	f.Close()
	l, err := listen.Bind(addr)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
	f.Wait()
	for i, c := range conns {
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("session %d saw %v, want a reset", i, err)
		}
	}
}

// A disconnect may come before the listener serves.
func TestCloseBeforeServe(t *testing.T) {
	l, err := listen.Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := New(l, Config{})
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
	io.WriteString(c, hello)
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's connection stays open: %v", err)
	}
}

func TestRemoteThatCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := listen.AddrPort(l.Addr())
	l.Close()
	told := make(chan error, 1)
	f := start(t, gone, Config{Remote: warm.Config{Dialled: func(remote netip.AddrPort, err error) {
		if remote == gone {
			told <- err
		}
	}}})
	isClosed(t, f)
	if err := <-told; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("told %v", err)
	}

	// Nothing is chosen: closed, and nothing is dialled.
	f.Switch(netip.AddrPort{})
	isClosed(t, f)
}

// A remote that never answers costs ten seconds, then the client's connection.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		began := time.Now()
		var took time.Duration
		f := New(listenIn(t, &n), Config{Remote: warm.Config{
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
		}})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		c := connect(t, &n, loopback)
		io.WriteString(c, hello)
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client saw %v", err)
		}
		if took != 10*time.Second {
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

func listenIn(t *testing.T, n *memnet.Network) net.Listener {
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
		f := New(listenIn(t, &n), Config{})
		served := make(chan error, 1)
		go func() { served <- f.Serve() }()
		began := time.Now()
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, errors.New("never heard of")} {
			n.FailAccept(here, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", err)})
		}
		c := connect(t, &n, loopback)
		io.WriteString(c, hello)
		c.Read(make([]byte, 1)) // no remote is chosen, so it is closed
		if total := f.config.Counters.Load().Total; total != 1 {
			t.Errorf("%d sessions after the errors, want 1", total)
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

// Nothing is dialled for a refused source, and the log does not grow with them.
func TestRefusedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var n memnet.Network
		f := New(listenIn(t, &n), Config{
			Share: backend.ShareLAN,
			Remote: warm.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
				t.Error("dialled")
				return nil, io.EOF
			}},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		for range 90 {
			if _, err := connect(t, &n, elsewhere).Read(make([]byte, 1)); !isReset(err) {
				t.Errorf("the client saw %v", err)
			}
			time.Sleep(time.Second)
		}
		f.Close()
		f.Wait()
		if s := f.config.Counters.Load(); s.Refused != 90 || s.Total != 0 {
			t.Errorf("counted %+v", s)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("%d lines in the log for 90 seconds:\n%s", lines, log.String())
		}
	})
}

// Where fewer machines are served than before, the sessions of all other machines
// are cut, and this machine's own go on.
func TestSharingLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.Network{Default: memnet.Echo}
		f := New(listenIn(t, &n), Config{Remote: warm.Config{Dial: n.Dial}})
		f.Switch(netip.MustParseAddrPort("[407::1]:1080"))
		go f.Serve()
		works := func(c net.Conn) bool {
			io.WriteString(c, hello)
			_, err := c.Read(make([]byte, 1))
			return err == nil
		}
		f.SetShare(backend.ShareLAN)
		f.SetShare(backend.ShareAll)
		own, other := connect(t, &n, loopback), connect(t, &n, elsewhere)
		if !works(own) || !works(other) {
			t.Error("not both are served")
		}
		f.SetShare(backend.ShareAll)
		if !works(other) {
			t.Error("the other machine was cut for nothing")
		}
		f.SetShare(backend.ShareLAN)
		synctest.Wait()
		if works(other) || works(connect(t, &n, elsewhere)) {
			t.Error("another machine stays, or is let in")
		}
		if !works(own) {
			t.Error("this machine's own session was cut")
		}
		own.Close()
		f.Close()
		f.Wait()
	})
}
