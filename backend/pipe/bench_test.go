package pipe

import (
	"io"
	"net"
	"testing"

	"mycoproxy/backend/pipe/relay"
)

// BenchmarkBulk is one session as fast as it goes, from the remote to the client.
func BenchmarkBulk(b *testing.B) {
	block := make([]byte, 256<<10)
	f := start(b, serveTCP(b, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, len(hello)))
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}), Config{})
	c := dial(b, f)
	io.WriteString(c, hello)
	buffer := make([]byte, 256<<10)
	b.SetBytes(int64(len(buffer)))
	for b.Loop() {
		if _, err := io.ReadFull(c, buffer); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
}

// BenchmarkRoundTrip is 64 bytes there and back.
func BenchmarkRoundTrip(b *testing.B) {
	f := start(b, serveTCP(b, echo), Config{})
	c := dial(b, f)
	message := make([]byte, 64)
	copy(message, hello)
	for b.Loop() {
		c.Write(message)
		if _, err := io.ReadFull(c, message); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
}

// BenchmarkConnection opens a session, uses it once and closes it.
func BenchmarkConnection(b *testing.B) {
	f := start(b, serveTCP(b, echo), Config{})
	for b.Loop() {
		c, err := net.Dial("tcp", f.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		io.WriteString(c, hello)
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		relay.NewConn(c).Reset()
	}
}
