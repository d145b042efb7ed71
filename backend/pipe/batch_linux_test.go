package pipe

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stepped is a loop that goes on by one round when the test says so, which
// therefore knows what the round finds. It is both ends of all streams.
type stepped struct {
	*loop
	t       *testing.T
	remotes *net.TCPListener
}

func startStepped(t *testing.T) *stepped {
	t.Helper()
	remotes, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	f := NewForwarder(l, Options{Opening: socks})
	f.Switch(addrPort(remotes.Addr()))
	s := &stepped{t: t, remotes: remotes}
	if s.loop, err = newLoop(f, l.(*net.TCPListener)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		remotes.Close()
		f.Close()
		s.run() // to its end
	})
	s.obey()
	return s
}

type testStream struct {
	client, remote *net.TCPConn
	flow           *flow
}

// begin returns a stream that the loop has accepted.
func (s *stepped) begin() *testStream {
	s.t.Helper()
	n := &testStream{client: dial(s.t, s.forwarder)}
	known := make(map[*flow]bool)
	s.eachFlow(func(f *flow) { known[f] = true })
	for n.flow == nil {
		s.round()
		s.eachFlow(func(f *flow) {
			if !known[f] {
				n.flow = f
			}
		})
	}
	return n
}

// open returns a stream that is connected to the remote.
func (s *stepped) open() *testStream {
	s.t.Helper()
	n := s.begin()
	for n.flow.link == nil || n.flow.link.stage != open {
		s.round()
	}
	n.remote = s.accept()
	return n
}

// accept is the remote's.
func (s *stepped) accept() *net.TCPConn {
	s.t.Helper()
	s.remotes.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := s.remotes.AcceptTCP()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// arrived waits until there is something to be read from the socket.
func (s *stepped) arrived(from *socket) {
	s.t.Helper()
	fds := []unix.PollFd{{Fd: int32(from.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 10_000); n != 1 {
		s.t.Fatalf("nothing came: %v", err)
	}
}

// says makes the client say b, to be found by the next round.
func (s *stepped) says(stream *testStream, b []byte) {
	s.t.Helper()
	if _, err := stream.client.Write(b); err != nil {
		s.t.Fatal(err)
	}
	s.arrived(stream.flow.client)
}

// expect returns an error if b is not what comes next.
func expect(c *net.TCPConn, b []byte) error {
	got := make([]byte, len(b))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, b) {
		return fmt.Errorf("%d bytes of %d, %v; as sent: %v", n, len(b), err, bytes.Equal(got, b))
	}
	return nil
}

// hears makes sure that b is what comes next.
func hears(t *testing.T, c *net.TCPConn, b []byte) {
	t.Helper()
	if err := expect(c, b); err != nil {
		t.Fatal(err)
	}
}

// What a round finds at several streams is sent at once, or one by one where the
// system does not help, and each gets its own.
func TestRoundIsSent(t *testing.T) {
	for name, atOnce := range map[string]bool{"at once": true, "one by one": false} {
		t.Run(name, func(t *testing.T) {
			s := startStepped(t)
			if !atOnce {
				s.batch.release()
			} else if s.batch.context == 0 {
				t.Skip("this system has no io_submit(2)")
			}
			var streams []*testStream
			for range 8 {
				streams = append(streams, s.open())
			}
			random := rand.New(rand.NewPCG(1, 3))
			total := 0
			for _, sizes := range [][]int{
				{1, 16_383, 64, 16_383, 16_384, 16_383, 16_383, 2}, // a full read, and more than fits into the batch
				{16_383, 2, 16_383, 3, 5, 7, 11, 13},
			} {
				var said [][]byte
				for i, n := range sizes {
					said = append(said, randomBytes(random, n))
					s.says(streams[i], said[i])
					total += n
				}
				s.round()
				for i, r := range s.batch.results[:4] {
					if atOnce && r.result != int64(sizes[i]) {
						t.Errorf("send %d of the batch was of %d bytes, want %d", i, r.result, sizes[i])
					}
				}
				for i, stream := range streams {
					hears(t, stream.remote, said[i])
				}
			}
			if got := s.forwarder.Counters.Load().BytesUp; got != int64(total) {
				t.Errorf("counted %d bytes, want %d", got, total)
			}
		})
	}
}

// A remote that does not read holds up its own stream only, and misses nothing,
// whether a part of what is sent or none of it finds room.
func TestBatchWithARemoteThatDoesNotRead(t *testing.T) {
	s := startStepped(t)
	partly, full := s.open(), s.open()
	others := []*testStream{s.open(), s.open()}
	othersSay := func(b []byte) {
		for _, other := range others {
			s.says(other, b)
		}
		s.round()
		for _, other := range others {
			hears(t, other.remote, b)
		}
	}
	random := rand.New(rand.NewPCG(2, 3))
	var said []byte
	for len(partly.flow.up.rest) == 0 {
		if len(said) > 64<<20 {
			t.Fatal("the remote reads without end")
		}
		part := randomBytes(random, 4000)
		said = append(said, part...)
		s.says(partly, part)
		othersSay(part[:100])
	}
	filling := 0
	for junk := make([]byte, 1<<20); ; {
		n, err := unix.Write(full.flow.link.fd, junk)
		if err != nil {
			break
		}
		filling += n
	}
	s.says(full, []byte("waits"))
	othersSay([]byte("go on"))
	for _, d := range []*direction{&partly.flow.up, &full.flow.up} {
		if len(d.rest) == 0 || d.borrowed || d.isBatched {
			t.Errorf("%d bytes wait; in the buffer of the loop: %v; in its batch: %v", len(d.rest), d.borrowed, d.isBatched)
		}
	}

	heard := make(chan error, 2)
	for c, want := range map[*net.TCPConn][]byte{
		partly.remote: said,
		full.remote:   append(make([]byte, filling), "waits"...),
	} {
		go func() { heard <- expect(c, want) }()
	}
	for len(partly.flow.up.rest) > 0 || len(full.flow.up.rest) > 0 {
		s.round()
	}
	for range 2 {
		if err := <-heard; err != nil {
			t.Error(err)
		}
	}
}

// A stream whose remote goes in the middle of a round is cut; the others of the
// round see nothing of it.
func TestBatchWithARemoteThatGoes(t *testing.T) {
	s := startStepped(t)
	broken, mute, other, third := s.open(), s.open(), s.open(), s.open()
	s.says(broken, []byte("too late"))
	unix.Shutdown(mute.flow.link.fd, unix.SHUT_WR) // so that a send brings SIGPIPE
	s.says(mute, []byte("to nobody"))
	s.says(other, []byte("in time"))
	s.says(third, []byte("too"))
	broken.remote.SetLinger(0)
	broken.remote.Close()
	s.arrived(&broken.flow.link.socket)
	s.round()
	hears(t, other.remote, []byte("in time"))
	hears(t, third.remote, []byte("too"))
	if _, err := broken.client.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the client of the broken one read %v, want a reset", err)
	}
	if got, want := s.forwarder.Counters.Load().BytesUp, int64(len("in time"+"too")); got != want {
		t.Errorf("counted %d bytes, want %d", got, want)
	}
}

// The system tells of a reset only once, and here a send of the batch hears of
// it; the other direction must not take what follows for an end.
func TestBatchWithAClientThatResets(t *testing.T) {
	s := startStepped(t)
	broken, other, third := s.open(), s.open(), s.open()
	s.says(broken, []byte("first"))
	broken.remote.Write([]byte("answer"))
	s.arrived(&broken.flow.link.socket)
	s.says(other, []byte("other"))
	s.says(third, []byte("third"))
	broken.client.SetLinger(0)
	broken.client.Close()
	for !broken.flow.isClosed {
		s.round()
	}
	if got, err := io.ReadAll(broken.remote); !isReset(err) {
		t.Errorf("the remote heard %q and then %v, want a reset", got, err)
	}
	hears(t, other.remote, []byte("other"))
}

// A spare that fails in the round in which something was to be sent over it is
// replaced, and the next one gets all of it.
func TestBatchWithASpareThatGoes(t *testing.T) {
	s := startStepped(t)
	s.forwarder.KeepSpares(DialledSpares)
	s.obey()
	other := s.open()
	s.says(other, []byte(otherGreeting)) // counts it, so that there is a spare
	s.round()
	spare := s.accept()
	for s.spares.stock[0].conn.stage != open {
		s.round()
	}
	stream := s.begin()
	if !stream.flow.isOnSpare {
		t.Fatal("the stream was not given the spare")
	}
	s.says(stream, []byte("again"))
	s.says(other, []byte("hello"))
	spare.SetLinger(0)
	spare.Close()
	s.arrived(&stream.flow.link.socket)
	for stream.flow.isOnSpare || stream.flow.link.stage != open {
		s.round()
	}
	hears(t, other.remote, []byte(otherGreeting+"hello"))
	got := ""
	for got == "" { // what ends at once was a spare
		b, _ := bufio.NewReader(s.accept()).Peek(len("again"))
		got = string(b)
	}
	if got != "again" {
		t.Errorf("the replacement heard %q", got)
	}
	if got, want := s.forwarder.Counters.Load().BytesUp, int64(len(otherGreeting+"hello"+"again")); got != want {
		t.Errorf("counted %d bytes, want %d", got, want)
	}
}
