//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"mycoproxy/backend"
)

// ownPeer makes a peer for one test, which may do to it what it likes.
func ownPeer(t testing.TB, lab *lab) (n *namespace, addr string) {
	t.Helper()
	number := lab.ownPeers.Add(1)
	n, err := newNamespace(lab, fmt.Sprintf("own%d", number))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.remove)
	addr = fmt.Sprintf("40f:%x::1", number)
	if err := n.makePeer(addr, fmt.Sprintf("10.77.%d.%d", 10+number/200, 1+number%200)); err != nil {
		t.Fatal(err)
	}
	return n, addr
}

func startMicrosocks(t *testing.T, n *namespace, addr string) *process {
	t.Helper()
	p, err := n.start("microsocks", nil, "microsocks", "-i", addr, "-p", "1080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	if err := waitFor(n, addr); err != nil {
		t.Fatal(err)
	}
	return p
}

// A peer that answered the scan, and now accepts but never answers, delays neither
// a connect nor any other call.
func TestPeerThatHangsDelaysNothing(t *testing.T) {
	lab := needLab(t)
	n, addr := ownPeer(t, lab)
	var hang atomic.Bool
	stop, err := serveAt(n, at(addr).String(), func(c net.Conn) {
		io.ReadFull(c, make([]byte, 3))
		if !hang.Load() {
			c.Write([]byte{5, 0})
		}
		io.Copy(io.Discard, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := serve(t, lab, asPeers(addr, addressOf("slow49"), addressOf("silent"), addressOf("micro"))...)
	s.until("one scan", 10*time.Second, scanned)
	hang.Store(true)
	began := time.Now()
	connecting := make(chan error, 1)
	go func() {
		_, err := s.Connect(t.Context(), netip.AddrPort{})
		connecting <- err
	}()
	slowest, calls := time.Duration(0), 0
	timed := func(call func() error) {
		began := time.Now()
		if err := call(); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(began))
		calls++
	}
	var connectErr error
	for connected := false; !connected; {
		timed(func() error { _, err := s.State(t.Context()); return err })
		timed(func() error { _, err := s.Peers(t.Context()); return err })
		select {
		case connectErr = <-connecting:
			connected = true
		default:
		}
	}
	if connectErr != nil {
		t.Fatal(connectErr)
	}
	took := time.Since(began)
	t.Logf("connected in %v, slowest of %d calls meanwhile %v", took, calls, slowest)
	if took > time.Second || slowest > 100*time.Millisecond {
		t.Error("that is too slow")
	}
	if got := s.state().Remote.Address; got != at(addressOf("micro")) {
		t.Errorf("connected to %v", got)
	}
}

// load keeps streams coming until stop is called, and counts those that worked.
func load(s *service) (worked *atomic.Int64, stop func()) {
	worked = new(atomic.Int64)
	quit, ended := make(chan struct{}), make(chan struct{})
	for range 4 {
		go func() {
			defer func() { ended <- struct{}{} }()
			pause := time.NewTicker(5 * time.Millisecond) // so that refusals do not make this a busy loop
			defer pause.Stop()
			for {
				if n, err := s.get("/"); err == nil && n > 0 {
					worked.Add(1)
				}
				select {
				case <-quit:
					return
				case <-pause.C:
				}
			}
		}()
	}
	return worked, func() {
		close(quit)
		for range 4 {
			<-ended
		}
	}
}

func TestAutomaticRemoteKilledUnderLoad(t *testing.T) {
	lab := needLab(t)
	n, addr := ownPeer(t, lab)
	server := startMicrosocks(t, n, addr)
	s := serve(t, lab, asPeers(addr, addressOf("split"), addressOf("micro"))...)
	s.until("one scan", 10*time.Second, scanned)
	for tries := 0; s.connect("") != at(addr); tries++ { // the other fast one may win
		if tries == 100 {
			t.Fatal("it never wins the race")
		}
	}
	listener := s.listener()
	worked, stop := load(s)
	eventually(t, "streams", 5*time.Second, func() bool { return worked.Load() > 10 })
	server.stop()
	killed := time.Now()
	took := s.until("another remote", 10*time.Second, func(s backend.State) bool { return s.Remote != nil && s.Remote.Address == at(addressOf("micro")) })
	before := worked.Load()
	eventually(t, "new streams through it", 10*time.Second-time.Since(killed), func() bool { return worked.Load() > before })
	stop()
	t.Logf("another took over after %v, streams went through it after %v", took, time.Since(killed))
	if state := s.state(); state.Remote.Mode != backend.Auto || s.listener() != listener {
		t.Errorf("remote is %+v; the listener was %s, is %s", state.Remote, listener, s.listener())
	}
}

func TestExplicitRemoteKilledUnderLoad(t *testing.T) {
	lab := needLab(t)
	t.Parallel()
	n, addr := ownPeer(t, lab)
	server := startMicrosocks(t, n, addr)
	s := serve(t, lab, asPeers(addressOf("micro"))...)
	s.connectTo(addr)
	listener := s.listener()
	worked, stop := load(s)
	eventually(t, "streams", 5*time.Second, func() bool { return worked.Load() > 10 })
	server.stop()
	gone := s.until("not answering", 10*time.Second, func(s backend.State) bool { return !s.Remote.Answering })
	stop()
	if state := s.state(); state.Phase != backend.Connected || state.Remote.Address != at(addr) || state.Remote.Mode != backend.Explicit {
		t.Errorf("remote is %+v", state.Remote)
	}
	startMicrosocks(t, n, addr)
	back := s.until("answering again", 65*time.Second, func(s backend.State) bool { return s.Remote.Answering })
	if now := s.listener(); now != listener {
		t.Errorf("the listener was %s, is %s", listener, now)
	}
	s.mustGet()
	t.Logf("not answering after %v, answering again %v after its return", gone, back)
}
