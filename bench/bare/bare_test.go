//go:build linux

package bare

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// forwarded starts a forwarder of one kind in front of a server that serves one
// connection, and connects to it.
func forwarded(t *testing.T, one Copy, serve func(c *net.TCPConn)) *net.TCPConn {
	t.Helper()
	server, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	forwarder, err := Listen("[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); forwarder.Close() })
	go Serve(forwarder, server.Addr().String(), one)
	go func() {
		c, err := server.Accept()
		if err == nil {
			serve(c.(*net.TCPConn))
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", forwarder.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

var kinds = map[string]Copy{"io.Copy": IOCopy, "plain": Plain}

// The server sends back everything, but only when the client has ended.
func TestBothWaysWithHalfClose(t *testing.T) {
	for name, one := range kinds {
		for _, size := range []int{0, 1, bufferSize, 6 << 20} {
			c := forwarded(t, one, func(c *net.TCPConn) {
				b, err := io.ReadAll(c)
				if err == nil {
					c.Write(b)
				}
			})
			want := make([]byte, size)
			rand.NewChaCha8([32]byte{}).Read(want)
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes of %d came back, or others: %v", name, len(got), size, err)
			}
		}
	}
}

func TestResetIsPassedOn(t *testing.T) {
	for name, one := range kinds {
		c := forwarded(t, one, func(c *net.TCPConn) {
			io.ReadFull(c, make([]byte, 1))
			c.SetLinger(0)
		})
		if _, err := c.Write([]byte{5}); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err == nil {
			t.Errorf("%s: after a reset, %d bytes and a clean end", name, len(got))
		}
	}
}

// Splice moves nothing at urgent data, which is no end. What io.Copy makes of it
// is not ours to mend.
func TestPlainGoesOnAfterUrgentData(t *testing.T) {
	const half = 4 << 20
	c := forwarded(t, Plain, func(c *net.TCPConn) {
		io.Copy(io.Discard, io.LimitReader(c, half))
		n, err := io.Copy(io.Discard, c)
		if err == nil && n >= half {
			c.Write([]byte("all"))
		}
	})
	block := make([]byte, half)
	for i := range 2 {
		if _, err := c.Write(block); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			sendUrgent(t, c)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "all" {
		t.Errorf("the server answered %q, %v", got, err)
	}
}

func sendUrgent(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sent error
	waited := raw.Write(func(fd uintptr) (done bool) {
		sent = unix.Sendto(int(fd), []byte{'!'}, unix.MSG_OOB, nil)
		return sent != unix.EAGAIN
	})
	if err := errors.Join(waited, sent); err != nil {
		t.Fatal(err)
	}
}
