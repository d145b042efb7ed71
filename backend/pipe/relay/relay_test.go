package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts are what the sessions of the tests have delivered.
var counts struct{ up, down atomic.Int64 }

// forward returns a function that connects a client, by both, to a remote that
// does as handle does.
func forward(t testing.TB, handle func(*net.TCPConn)) (connect func() *net.TCPConn) {
	t.Helper()
	accept := func(serve func(*net.TCPConn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var tasks sync.WaitGroup
		tasks.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				tasks.Go(func() { serve(c.(*net.TCPConn)) })
			}
		})
		t.Cleanup(func() {
			l.Close()
			tasks.Wait()
		})
		return l.Addr().String()
	}
	remote := accept(func(c *net.TCPConn) {
		defer c.Close()
		handle(c)
	})
	forwarder := accept(func(client *net.TCPConn) {
		upstream, err := net.Dial("tcp", remote)
		if err != nil {
			t.Error(err)
			return
		}
		both(NewConn(client), NewConn(upstream))
	})
	return func() *net.TCPConn {
		c, err := net.Dial("tcp", forwarder)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(time.Minute))
		return c.(*net.TCPConn)
	}
}

// both copies both directions of a session.
func both(client, upstream *Conn) {
	var s Session
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Copy(client, upstream, &counts.down, nil, nil)
	}()
	s.Copy(upstream, client, &counts.up, nil, nil)
	<-done
}

func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// Whatever sizes come in whatever pieces, both directions at once, every byte
// arrives in its place, then the end does.
func TestEveryByteArrives(t *testing.T) {
	connect := forward(t, echo)
	counts.up.Store(0)
	counts.down.Store(0)
	var clients sync.WaitGroup
	var sent atomic.Int64
	for i := range 20 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			data := make([]byte, random.IntN(3<<20))
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			sent.Add(int64(len(data)))
			c := connect()
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
				t.Errorf("client %d: %d bytes came back of %d, %v", i, len(got), len(data), err)
			}
		})
	}
	clients.Wait()
	if up, down := counts.up.Load(), counts.down.Load(); up != sent.Load() || down != sent.Load() {
		t.Errorf("counted %d bytes up and %d down, want %d", up, down, sent.Load())
	}
}

func TestHalfClose(t *testing.T) {
	c := forward(t, func(c *net.TCPConn) {
		got, err := io.ReadAll(c)
		fmt.Fprintf(c, "%d bytes, %v", len(got), err)
	})()
	c.Write(make([]byte, 1000))
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "1000 bytes, <nil>" || err != nil {
		t.Errorf("after the half-close came %q, %v", got, err)
	}

	// The other way round: the remote ends first, the client goes on.
	heard := make(chan string, 1)
	c = forward(t, func(c *net.TCPConn) {
		c.CloseWrite()
		got, err := io.ReadAll(c)
		heard <- fmt.Sprintf("%d bytes, %v", len(got), err)
	})()
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	c.Write(make([]byte, 500))
	c.CloseWrite()
	if got := <-heard; got != "500 bytes, <nil>" {
		t.Errorf("after the remote's end it heard %s", got)
	}
}

// isReset knows what Windows calls it, too.
func isReset(err error) bool {
	const wsaeconnreset = syscall.Errno(10054)
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaeconnreset)
}

// A session that broke off must not look like one that ended.
func TestResetIsPassedOn(t *testing.T) {
	c := forward(t, func(c *net.TCPConn) {
		c.Write(make([]byte, 1000))
		io.ReadFull(c, make([]byte, 1)) // the client has it all
		c.SetLinger(0)
	})()
	io.ReadFull(c, make([]byte, 1000))
	c.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isReset(err) {
		t.Errorf("the client saw %d bytes, %v; want a reset", n, err)
	}

	saw := make(chan error, 1)
	c = forward(t, func(c *net.TCPConn) {
		_, err := io.ReadAll(c)
		saw <- err
	})()
	c.Write([]byte("half a"))
	c.SetLinger(0)
	c.Close()
	if err := <-saw; !isReset(err) {
		t.Errorf("the remote saw %v, want a reset", err)
	}
}

// Whoever closes one side ends the session, at once and with a reset.
func TestCut(t *testing.T) {
	var set Conns
	pair := func() (*Conn, net.Conn) {
		near, far := net.Pipe()
		return NewConn(near), far
	}
	client, far := pair()
	upstream, remote := pair()
	set.Add(upstream)
	done := make(chan struct{})
	go func() {
		defer close(done)
		both(client, upstream)
	}()
	set.Cut(func(*Conn) bool { return true })
	<-done
	for _, c := range []net.Conn{far, remote} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a side goes on")
		}
	}
	set.Cut(func(*Conn) bool {
		t.Error("what is closed is still in the set")
		return false
	})
}
