//go:build linux

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"mycoproxy/backend"
)

// pageFromAfar is what a remote could make this machine's browser show.
const pageFromAfar = "a page of the remote"

// proxyAndWeb echoes after a greeting, and answers everything else with a page.
func proxyAndWeb(c *heardConn) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	if head[0] != 5 {
		c.Read(make([]byte, 1<<16)) // the rest of the request
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"+pageFromAfar)
		return
	}
	io.ReadFull(c, make([]byte, head[1]))
	c.Write([]byte{5, 0})
	echo(c)
}

// A web page can make the browser send a request to the listener, with the
// cookies of 127.0.0.1. No remote hears of it, nor of anything else that is not
// SOCKS, and no client hears of a remote.
func TestOnlySOCKSReachesTheRemote(t *testing.T) {
	lab := needLab(t, "chromium", "curl")
	remote, _, addr := startStandIn(t, lab, proxyAndWeb)
	s := serveOn(t, lab.laptop(t), []string{"env", "MYCOPROXY_PROBE=false"})
	s.connectTo(addr)
	silent := s.mustStream()
	defer silent.Close()

	before := s.refused()
	out, _ := s.laptop.command(chromium(t, "http://127.0.0.1:1080/")...).CombinedOutput()
	if strings.Contains(string(out), pageFromAfar) {
		t.Error("the browser shows the remote's page as one of this machine")
	}
	eventually(t, "the browser's request is counted as refused", 2*time.Second, func() bool { return s.refused() > before })
	s.refuses(t)
	for _, heard := range remote.all() {
		if string(heard) != plainGreeting { // which the service itself says, to see whether the remote answers
			t.Errorf("without a stream the remote has a connection that has brought %q", heard)
		}
	}

	// The same while spares are there.
	plain := []step{greeted(plainGreeting)}
	s.warmUp(plain)
	s.refuses(t)
	silent.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(silent, plainGreeting)
	if err := plain[0].read(silent); err != nil {
		t.Errorf("a client that was silent for a while fails: %v", err)
	}
	for _, heard := range remote.all() {
		if len(heard) != 0 && string(heard) != plainGreeting {
			t.Errorf("the remote has heard %q", heard)
		}
	}
}

// refuses checks that clients that do not speak SOCKS are reset, and counted.
func (s *service) refuses(t *testing.T) {
	t.Helper()
	before := s.refused()
	if out, err := s.laptop.command("curl", "-sS", "-m", "10", "--noproxy", "*", "http://127.0.0.1:1080/").CombinedOutput(); err == nil || !strings.Contains(string(out), "reset by peer") {
		t.Errorf("curl: %q, %v", out, err)
	}
	for name, speak := range map[string]func(net.Conn) error{
		"TLS": func(c net.Conn) error { return tls.Client(c, &tls.Config{ServerName: "web.test"}).Handshake() },
		"a single letter": func(c net.Conn) error {
			if _, err := io.WriteString(c, "G"); err != nil {
				return err
			}
			_, err := c.Read(make([]byte, 100))
			return err
		},
	} {
		c := s.mustStream()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if err := speak(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v, want a reset", name, err)
		}
		c.Close()
	}
	eventually(t, "three refusals are counted", 2*time.Second, func() bool { return s.refused() == before+3 })
}

// refused is the count that status shows.
func (s *service) refused() int64 {
	s.t.Helper()
	out, errs, code := s.cli("status", "--json")
	var state backend.State
	if err := json.Unmarshal([]byte(out), &state); code != 0 || err != nil {
		s.t.Fatalf("status: %d, %s, %v", code, errs, err)
	}
	return state.Streams.Refused
}
