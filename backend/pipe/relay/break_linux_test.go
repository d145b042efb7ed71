package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How sessions break: only Linux tells enough to get all of this right.

// delivered waits until what was written to c has arrived.
func delivered(c net.Conn) {
	NewConn(c).waitSent()
}

// The system tells of a reset only once, and here the direction that goes on
// sending hears of it; the other one must not take its silence for an end.
func TestResetIsNoEndAlthoughTheClientSends(t *testing.T) {
	connect := forward(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})
	var clients sync.WaitGroup
	var counted atomic.Int64
	for range 200 {
		clients.Go(func() {
			c := connect()
			for range 20 { // if one fails, it was this client's own system that told
				if _, err := c.Write([]byte("more")); err != nil {
					return
				}
			}
			counted.Add(1)
			if _, err := io.ReadAll(c); err == nil {
				t.Error("a broken session looks like one that ended")
			}
		})
	}
	clients.Wait()
	if counted.Load() == 0 {
		t.Error("every client's own system told of the reset: nothing was tested")
	}
}

// slowReader reads little at a time, and lets others run in between.
type slowReader struct{ io.Reader }

func (r *slowReader) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return r.Reader.Read(b[:min(len(b), 8192)])
}

const backlog = 512 << 10 // bytes; what the buffers on the way can hold

// sendsAndBreaks sends the backlog, waits until the forwarder has it, and resets.
func sendsAndBreaks(broken chan<- struct{}) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		c.Write(make([]byte, backlog))
		delivered(c)
		NewConn(c).Reset()
		close(broken)
	}
}

// What the remote sent before it broke is delivered, even if the client sends
// something to the dead remote meanwhile.
func TestBacklogSurvivesTheBreak(t *testing.T) {
	broken := make(chan struct{})
	c := forward(t, sendsAndBreaks(broken))()
	<-broken
	c.Write([]byte("x"))
	if got, err := io.ReadAll(&slowReader{c}); len(got) != backlog || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes of %d, then %v; want all, then a reset", len(got), backlog, err)
	}
}

// A client that ends its own writing still gets what came before the break.
func TestBacklogSurvivesTheClientsEnd(t *testing.T) {
	for _, pause := range []time.Duration{0, 150 * time.Millisecond} { // before and after the break has been found
		broken := make(chan struct{})
		c := forward(t, sendsAndBreaks(broken))()
		<-broken
		time.Sleep(pause)
		c.CloseWrite()
		if got, _ := io.ReadAll(&slowReader{c}); len(got) != backlog {
			t.Errorf("%d bytes of %d", len(got), backlog)
		}
	}
}

// A remote that has ended well has its last bytes delivered although it is
// then sent more, and answers that with a reset.
func TestEndedDirectionIsDelivered(t *testing.T) {
	closed := make(chan struct{})
	c := forward(t, func(c *net.TCPConn) {
		c.Write(make([]byte, backlog))
		c.CloseWrite()
		delivered(c)
		c.Close()
		close(closed)
	})()
	<-closed
	for range 2 {
		c.Write([]byte("x"))
		time.Sleep(20 * time.Millisecond) // so that the reset comes in between
	}
	if got, _ := io.ReadAll(&slowReader{c}); len(got) != backlog {
		t.Errorf("%d bytes of %d", len(got), backlog)
	}
}

// Both directions are full and wait for each other when one side breaks. The
// other side hears of it.
func TestBreakWhileBothDirectionsAreFull(t *testing.T) {
	fill := func(c *net.TCPConn) {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		for block := make([]byte, 64<<10); ; {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}
	echoes := func(c *net.TCPConn) error {
		c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		return err
	}
	t.Run("client", func(t *testing.T) {
		saw := make(chan error, 1)
		c := forward(t, func(c *net.TCPConn) { saw <- echoes(c) })()
		fill(c)
		NewConn(c).Reset()
		if err := <-saw; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the remote saw %v", err)
		}
	})
	t.Run("remote", func(t *testing.T) {
		c := forward(t, func(c *net.TCPConn) {
			fill(c)
			NewConn(c).Reset()
		})()
		if err := echoes(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the client saw %v", err)
		}
	})
}

// Urgent data stops splice where nothing has ended, in the direction that is
// spliced and in the other one. The urgent byte itself is dropped.
func TestUrgentDataIsNoEnd(t *testing.T) {
	send := func(c *net.TCPConn, before, after int) {
		c.Write(make([]byte, before))
		NewConn(c).control(func(fd int) { unix.Send(fd, []byte("!"), unix.MSG_OOB) })
		c.Write(make([]byte, after))
		c.CloseWrite()
	}
	for _, before := range []int{0, 16 << 10, 200 << 10, 4 << 20} {
		after := max(before, 70<<10)
		t.Run(fmt.Sprint("down ", before), func(t *testing.T) {
			c := forward(t, func(c *net.TCPConn) {
				io.ReadFull(c, make([]byte, 1))
				send(c, before, after)
			})()
			c.SetReadBuffer(32 << 10)
			c.Write([]byte("x"))
			if got, err := io.ReadAll(c); len(got) != before+after || err != nil {
				t.Errorf("%d bytes of %d, %v", len(got), before+after, err)
			}
		})
		t.Run(fmt.Sprint("up ", before), func(t *testing.T) {
			heard := make(chan string, 1)
			c := forward(t, func(c *net.TCPConn) {
				c.SetReadBuffer(32 << 10)
				got, err := io.ReadAll(c)
				heard <- fmt.Sprintf("%d bytes, %v", len(got), err)
			})()
			send(c, before, after)
			if got, want := <-heard, fmt.Sprintf("%d bytes, <nil>", before+after); got != want {
				t.Errorf("the remote heard %s, want %s", got, want)
			}
		})
	}
}
