package pipe

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/warm"
	"mycoproxy/internal/memnet"
)

var socks = warm.Handshake{Greeting: []byte{5, 1, 0}, Answer: []byte{5, 0}}

const otherGreeting = "\x05\x02\x00\x01"

// warmed starts a forwarder that keeps greeted upstreams.
func warmed(t *testing.T, remote netip.AddrPort) *Forwarder {
	t.Helper()
	f := start(t, remote, Config{Remote: warm.Config{Handshake: socks}})
	f.KeepIdle(warm.Greeted)
	return f
}

// oneIdle is a forwarder that has one greeted upstream to p, and one session.
func oneIdle(t *testing.T) (f *Forwarder, p *proxy) {
	t.Helper()
	p = new(proxy)
	f = warmed(t, serveTCP(t, p.serve))
	talk(t, f, string(socks.Greeting))
	until(t, "an idle upstream", func() bool { return p.greeted.Load() == 2 })
	return f, p
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// proxy is a server that answers a greeting of any length from 3 to 4 bytes, and
// then echoes. It counts.
type proxy struct {
	accepted, greeted, open atomic.Int64
}

func (p *proxy) serve(c *net.TCPConn) {
	p.accepted.Add(1)
	p.open.Add(1)
	defer p.open.Add(-1)
	if p.greet(c) {
		echo(c)
	}
}

// greet reads a greeting and answers it.
func (p *proxy) greet(c net.Conn) bool {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return false
	}
	if _, err := io.ReadFull(c, make([]byte, head[1])); err != nil {
		return false
	}
	p.greeted.Add(1)
	c.Write(socks.Answer)
	return true
}

// until waits until ok, asking often.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within ten seconds", what)
		}
	}
}

// sessionsOver waits until all sessions are over: bytes are counted after they
// were written, which is after they may have been answered.
func sessionsOver(t *testing.T, f *Forwarder) {
	t.Helper()
	until(t, "all sessions are over", func() bool { return f.config.Counters.Load().Open == 0 })
}

// request asks for a connection to 192.0.2.1:80.
const request = "\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"

// talk greets through the forwarder and sends a request, which comes back.
func talk(t *testing.T, f *Forwarder, greeting string) *net.TCPConn {
	t.Helper()
	c := dial(t, f)
	answer := make([]byte, 2)
	io.WriteString(c, greeting)
	if _, err := io.ReadFull(c, answer); err != nil || !bytes.Equal(answer, socks.Answer) {
		t.Fatalf("the greeting was answered %v, %v", answer, err)
	}
	io.WriteString(c, request)
	heard := make([]byte, len(request))
	if _, err := io.ReadFull(c, heard); err != nil || string(heard) != request {
		t.Fatalf("heard %q, %v", heard, err)
	}
	return c
}

// A session is given a connection that was made before it came, and another is
// made in its place.
func TestSessionsAreGivenIdleUpstreams(t *testing.T) {
	for name, c := range map[string]struct {
		greeting string
		greeted  int64 // by the forwarder, after one session
	}{"the opening": {string(socks.Greeting), 1}, "another": {otherGreeting, 0}} {
		t.Run(name, func(t *testing.T) {
			var p proxy
			f := warmed(t, serveTCP(t, p.serve))
			talk(t, f, c.greeting)
			until(t, "one idle upstream", func() bool { return p.accepted.Load() == 2 && p.greeted.Load() == 1+c.greeted })
			talk(t, f, c.greeting)
			until(t, "two idle upstreams", func() bool { return p.accepted.Load() == 4 && p.greeted.Load() == 2+2*c.greeted })
			for range 20 {
				talk(t, f, c.greeting)
			}
			until(t, "eight idle upstreams", func() bool { return p.accepted.Load() == 22+8 })
			f.KeepIdle(warm.None)
			until(t, "no idle upstream", func() bool { return p.open.Load() == 22 })
		})
	}
}

func TestIdleUpstreamsGoWithTheRemote(t *testing.T) {
	f, p := oneIdle(t)
	var q proxy
	f.Switch(serveTCP(t, q.serve))
	until(t, "nothing is open to the old remote", func() bool { return p.open.Load() == 0 })
	talk(t, f, string(socks.Greeting))
	until(t, "an idle upstream of the new one", func() bool { return q.open.Load() == 2 })
	f.Close()
	until(t, "nothing is open to the new one", func() bool { return q.open.Load() == 0 })
}

// Whatever goes through idle upstreams, it is what would have gone through other
// connections.
func TestEveryByteArrivesOverIdleUpstreams(t *testing.T) {
	var p proxy
	f := warmed(t, serveTCP(t, p.serve))
	talk(t, f, string(socks.Greeting)).Close()
	var clients sync.WaitGroup
	var up, down atomic.Int64
	up.Add(int64(len(socks.Greeting) + len(request)))
	down.Add(int64(len(socks.Answer) + len(request)))
	for i := range 40 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2))
			data := randomBytes(random, 1+random.IntN(200_000))
			c := dial(t, f)
			greeting := []string{string(socks.Greeting), otherGreeting}[random.IntN(2)]
			up.Add(int64(len(greeting) + len(data)))
			down.Add(int64(len(socks.Answer) + len(data)))
			go func() {
				all := append([]byte(greeting), data...) // the greeting is not waited for
				for len(all) > 0 {
					n := min(len(all), 1+random.IntN(20_000))
					c.Write(all[:n])
					all = all[n:]
				}
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if want := append(bytes.Clone(socks.Answer), data...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("session %d: %d bytes of %d, %v", i, len(got), len(want), err)
			}
		})
	}
	clients.Wait()
	sessionsOver(t, f)
	if got := f.config.Counters.Load(); got.BytesUp != up.Load() || got.BytesDown != down.Load() {
		t.Errorf("counted %d bytes up and %d down, want %d and %d", got.BytesUp, got.BytesDown, up.Load(), down.Load())
	}
}

// A remote that closes what is idle costs its idle upstreams, and no session anything.
func TestRemoteThatClosesIdleConnections(t *testing.T) {
	var p proxy
	f := warmed(t, serveTCP(t, func(c *net.TCPConn) {
		c.SetDeadline(time.Now().Add(50 * time.Millisecond))
		p.serve(c)
	}))
	for i := range 5 {
		talk(t, f, []string{string(socks.Greeting), otherGreeting}[i%2])
		until(t, "the remote closes all", func() bool { return p.open.Load() == 0 })
	}
}

// An idle upstream that fails when it is used is replaced, and the client sees nothing.
func TestIdleUpstreamThatFailsIsReplaced(t *testing.T) {
	for name, fail := range map[string]func(*net.TCPConn){
		"reset": func(c *net.TCPConn) { c.SetLinger(0) },
		"end":   func(*net.TCPConn) {},
	} {
		for _, greeting := range []string{string(socks.Greeting), otherGreeting} {
			t.Run(name, func(t *testing.T) {
				var p proxy
				var failing atomic.Bool // for the next one to say something
				f := warmed(t, serveTCP(t, func(c *net.TCPConn) {
					p.accepted.Add(1)
					if greeting == string(socks.Greeting) && !p.greet(c) {
						return
					}
					r := bufio.NewReader(c)
					if _, err := r.Peek(1); err != nil {
						return
					}
					if failing.CompareAndSwap(true, false) {
						fail(c)
						return
					}
					if greeting == otherGreeting {
						io.ReadFull(r, make([]byte, len(greeting)))
						c.Write(socks.Answer)
					}
					io.Copy(c, r)
				}))
				first := talk(t, f, greeting)
				until(t, "an idle upstream", func() bool {
					return p.accepted.Load() == 2 && (greeting == otherGreeting || p.greeted.Load() == 2)
				})
				first.Close()
				failing.Store(true)
				talk(t, f, greeting).Close()
				if failing.Load() {
					t.Error("no idle upstream failed")
				}
				sessionsOver(t, f)
				if got, want := f.config.Counters.Load().BytesUp, int64(2*len(greeting+request)); got != want {
					t.Errorf("counted %d bytes up, want %d", got, want)
				}
			})
		}
	}
}

// An idle upstream saves the dial, is closed after its time, and one whose opening is not
// answered keeps others from being made.
func TestTimesOfIdleUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const distance = 40 * time.Millisecond
		remote := netip.MustParseAddrPort("[407::1]:1080")
		var n memnet.Network
		var silent atomic.Bool
		n.Delay(remote, distance)
		n.Serve(remote, func(c net.Conn) {
			if io.ReadFull(c, make([]byte, len(socks.Greeting))); silent.Load() {
				memnet.Silent(c)
			}
			c.Write(socks.Answer)
			memnet.Echo(c)
		})
		f := New(listenIn(t, &n), Config{Remote: warm.Config{Handshake: socks, Dial: n.Dial}})
		f.Switch(remote)
		f.KeepIdle(warm.Greeted)
		go f.Serve()
		open := func() int {
			synctest.Wait()
			now, _ := n.Open()
			return now
		}
		answered := func() time.Duration {
			c := connect(t, &n, loopback)
			defer c.Close()
			began := time.Now()
			c.Write(socks.Greeting)
			io.ReadFull(c, make([]byte, len(socks.Answer)))
			took := time.Since(began)
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Error(err)
			}
			return took
		}
		for i, want := range []time.Duration{distance, 0, 0} {
			if took := answered(); took != want {
				t.Errorf("session %d was answered after %v, want %v", i, took, want)
			}
			time.Sleep(distance)
		}
		if now := open(); now != 3 {
			t.Errorf("%d connections after three sessions, want as many idle upstreams", now)
		}
		for i, dials := 1, n.Dials(); i < len(dials); i++ {
			if gap := dials[i].At.Sub(dials[i-1].At); gap < 5*time.Millisecond { // else the remote might get them in another order
				t.Errorf("a dial %v after another", gap)
			}
		}
		time.Sleep(20 * time.Second)
		if now := open(); now != 0 {
			t.Errorf("%d connections after their time", now)
		}

		answered()
		silent.Store(true)
		time.Sleep(distance) // which the new idle upstream is not greeted in
		if now := open(); now != 1 {
			t.Errorf("%d connections, want the idle upstream", now)
		}
		time.Sleep(2 * time.Second)
		silent.Store(false)
		answered()
		if now := open(); now != 0 {
			t.Errorf("%d connections after one was not answered", now)
		}
		time.Sleep(10 * time.Second)
		answered()
		time.Sleep(distance)
		if now := open(); now == 0 {
			t.Error("no idle upstream after the rest")
		}
		f.Close()
		f.Wait()
	})
}

// A client that asks for nothing costs no more than its idle upstream.
func TestClientThatAsksNothing(t *testing.T) {
	f, p := oneIdle(t)
	c := dial(t, f)
	c.Write(socks.Greeting)
	io.ReadFull(c, make([]byte, 2))
	c.CloseWrite()
	if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
		t.Errorf("the client saw %q, %v; want the end", got, err)
	}
	until(t, "two more idle upstreams", func() bool { return p.greeted.Load() == 4 })
	if n := p.accepted.Load(); n != 4 {
		t.Errorf("%d connections for two sessions and two idle upstreams", n)
	}
}

// A client that ends right after its request is answered all the same, over a
// idle upstream, too. Where that fails the client sees a reset: its end is said once.
func TestClientThatEndsAtOnce(t *testing.T) {
	var p proxy
	var failing atomic.Bool // for the next one to say something
	f := warmed(t, serveTCP(t, func(c *net.TCPConn) {
		if !p.greet(c) {
			return
		}
		request, err := io.ReadAll(c)
		if len(request) == 0 || err != nil || failing.CompareAndSwap(true, false) {
			c.SetLinger(0)
			return
		}
		c.Write(request)
	}))
	for i, fails := range []bool{false, false, true, false} {
		failing.Store(fails)
		c := dial(t, f)
		io.WriteString(c, string(socks.Greeting)+request)
		c.CloseWrite()
		got, err := io.ReadAll(c)
		if want := string(socks.Answer) + request; fails && !isReset(err) || !fails && (err != nil || string(got) != want) {
			t.Errorf("session %d heard %q, %v", i, got, err)
		}
		if failing.Load() {
			t.Error("no idle upstream failed")
		}
		until(t, "an idle upstream", func() bool { return p.greeted.Load() > int64(i+1) })
	}
}

// A session that waits for its first answer over an idle upstream ends with the remote, or
// with the sharing, like any other.
func TestWaitingSessionIsCut(t *testing.T) {
	for name, end := range map[string]func(*Forwarder){
		"switch": func(f *Forwarder) { f.Switch(netip.AddrPort{}) },
		"close":  (*Forwarder).Close,
	} {
		t.Run(name, func(t *testing.T) {
			var p proxy
			var silent, waiting atomic.Bool
			f := warmed(t, serveTCP(t, func(c *net.TCPConn) {
				p.greet(c)
				if silent.Load() {
					c.Read(make([]byte, 1))
					waiting.Store(true)
					c.Read(make([]byte, 1))
					return
				}
				echo(c)
			}))
			silent.Store(true)
			first := dial(t, f)
			first.Write(socks.Greeting)
			until(t, "an idle upstream", func() bool { return p.greeted.Load() == 2 })
			c := dial(t, f)
			c.Write(append(bytes.Clone(socks.Greeting), 'x'))
			io.ReadFull(c, make([]byte, 2))
			until(t, "the remote has the request", waiting.Load)
			end(f)
			if n, err := c.Read(make([]byte, 1)); n != 0 || !isReset(err) {
				t.Errorf("the client saw %d bytes, %v; want a reset", n, err)
			}
		})
	}
}

// What was told to the client must hold for the connection that replaces a
// idle upstream, or else the session breaks.
func TestReplacementThatAnswersOtherwise(t *testing.T) {
	var p proxy
	var locked atomic.Bool
	f := warmed(t, serveTCP(t, func(c *net.TCPConn) {
		if locked.Load() {
			io.ReadFull(c, make([]byte, 3))
			c.Write([]byte{5, 255})
			return
		}
		p.greet(c)
		b := make([]byte, 5)
		n, _ := c.Read(b)
		if !locked.Load() {
			c.Write(b[:n])
			echo(c)
		}
	}))
	talk(t, f, string(socks.Greeting))
	until(t, "an idle upstream", func() bool { return p.greeted.Load() == 2 })
	locked.Store(true)
	c := dial(t, f)
	c.Write(socks.Greeting)
	io.ReadFull(c, make([]byte, 2))
	io.WriteString(c, request)
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isReset(err) {
		t.Errorf("the client saw %d bytes, %v; want a reset", n, err)
	}
}

// A remote that serves one connection at a time is never kept from a session by
// an idle upstream.
func TestRemoteThatServesOneAtATime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p proxy
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c := accept(l)
			if c == nil {
				return
			}
			p.serve(c)
			c.Close()
		}
	}()
	f := warmed(t, listen.AddrPort(l.Addr()))
	defer func() {
		l.Close()
		f.Close()
		<-served
	}()
	random := rand.New(rand.NewPCG(1, 3))
	for range 40 {
		c := talk(t, f, []string{string(socks.Greeting), otherGreeting}[random.IntN(2)])
		c.Close()
	}
}

// Upstreams that are allowed only after a session has begun are made all the same.
func TestIdleAfterTheFirstSession(t *testing.T) {
	p := new(proxy)
	f := start(t, serveTCP(t, p.serve), Config{Remote: warm.Config{Handshake: socks}})
	talk(t, f, string(socks.Greeting))
	f.KeepIdle(warm.Greeted)
	until(t, "an idle upstream", func() bool { return p.greeted.Load() == 2 })
}
