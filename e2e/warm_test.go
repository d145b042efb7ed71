//go:build linux

package e2e

import (
	"io"
	"net"
	"testing"
	"time"

	"mycoproxy/backend"
)

// toRemote counts the connections from this machine to port 1080 of others that
// neither end has closed.
func (s *service) toRemote() (n int) {
	s.t.Helper()
	for _, c := range sockets(s.t, s.state().PID) {
		if c.remotePort == backend.DefaultPort && c.state == established && !c.fromHere() {
			n++
		}
	}
	return n
}

// Real servers, with the greeting of browsers and with that of curl: spares are
// kept while streams come, and pages come over them.
func TestSparesToRealServers(t *testing.T) {
	lab := needLab(t, "curl")
	for _, name := range []string{"dante", "micro", "sshdynamic"} {
		s := serve(t, lab, asPeers(addressOf(name))...)
		s.until("one scan", 10*time.Second, scanned)
		s.connect(name)
		for range 4 {
			s.mustGet()
		}
		eventually(t, name+": spares", 5*time.Second, func() bool { return s.toRemote() >= 4 })
		for range 3 {
			out, err := s.laptop.command("curl", "-sS", "-m", "10", "-x", "socks5h://127.0.0.1:1080", "http://web.test/").CombinedOutput()
			if err != nil || string(out) != indexPage {
				t.Errorf("%s: curl: %q, %v", name, out, err)
			}
			s.mustGet()
		}
		if n, err := s.get("/big"); err != nil || n != bigSize {
			t.Errorf("%s: 8 MB: %d, %v", name, n, err)
		}
		if err := s.Disconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.toRemote(); n != 0 {
			t.Errorf("%s: after the disconnect %d connections are open", name, n)
		}
	}
}

// A minute without streams, and nothing is open to the remote.
func TestNoSparesWithoutStreams(t *testing.T) {
	lab := needLab(t)
	t.Parallel()
	s := serve(t, lab, asPeers(addressOf("micro"))...)
	s.until("one scan", 10*time.Second, scanned)
	s.connect("micro")
	s.mustGet()
	eventually(t, "a spare", 5*time.Second, func() bool { return s.toRemote() > 0 })
	if err := s.StopProbe(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := eventually(t, "no spare", 30*time.Second, func() bool { return s.toRemote() == 0 })
	t.Logf("the last spare was closed after %v", took)
}

// Streams go well through a server that closes idle connections, for which spares
// are useless, and through one that serves one connection at a time.
func TestServersThatSuitNoSpares(t *testing.T) {
	lab := needLab(t)
	for name, start := range map[string]func(*namespace, string) (func(), error){
		"closes what is idle": func(n *namespace, address string) (func(), error) {
			return serveAt(n, address, func(c net.Conn) {
				c.SetDeadline(time.Now().Add(time.Second))
				socksEcho(c)
			})
		},
		"serves one at a time": func(n *namespace, address string) (func(), error) { return serveOneAtATime(n, address, socksEcho) },
	} {
		n, addr := ownPeer(t, lab)
		stop, err := start(n, at(addr).String())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		s := serve(t, lab, asPeers(addr)...)
		s.until("valid", 10*time.Second, func(s backend.State) bool { return len(s.Proxies) == 1 })
		s.connectTo(addr)
		for i := range 12 {
			if i == 6 {
				eventually(t, "the spares are closed, or wait", 3*time.Second, func() bool { return name == "serves one at a time" || s.toRemote() == 0 })
			}
			c := s.mustStream()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(c, []string{plainGreeting, gssapiGreeting}[i%2])
			answer := make([]byte, 2)
			if _, err := io.ReadFull(c, answer); err != nil || !alive(c) {
				t.Errorf("a server that %s, stream %d: %v", name, i, err)
			}
			c.Close()
		}
	}
}

// serveOneAtATime accepts a connection once the one before has ended.
func serveOneAtATime(n *namespace, address string, handle func(net.Conn)) (stop func(), err error) {
	return acceptAt(n, address, func(c net.Conn) {
		defer c.Close()
		handle(c)
	})
}
