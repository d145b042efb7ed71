//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mycoproxy/backend"
)

// A password that a client sends to one remote, without waiting for the answer to
// its greeting, is never said to another remote after a switch.
func TestLoginIsNeverSaidToASecondRemote(t *testing.T) {
	lab := needLab(t)
	for _, c := range []struct {
		name    string
		accepts bool // the remote accepts a connection and reads, and there are spares
		resets  bool // then it resets the connection, and accepts no more; else it is silent
	}{
		{"while dialling", false, false},
		{"when the remote has reset it", true, true},
		{"while the remote is silent", true, false},
	} {
		for how, move := range map[string]func(*loginTest){"the user switches": (*loginTest).switchByUser, "the service switches": (*loginTest).failOver} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				t.Parallel()
				newLoginTest(t, lab, c.accepts, c.resets).run(move)
			})
		}
	}
}

// loginTest has a service that is connected to the first of two remotes.
type loginTest struct {
	*service
	first, second *standIn
	machine       *namespace // of the first
	secondAddr    string

	accepts, resets bool
	closed          sync.Once   // to new connections
	hostile         atomic.Bool // the first remote answers no more
}

func newLoginTest(t *testing.T, lab *lab, accepts, resets bool) *loginTest {
	l := &loginTest{accepts: accepts, resets: resets}
	var firstAddr string
	l.first, l.machine, firstAddr = startStandIn(t, lab, func(c *heardConn) {
		if _, err := c.Read(make([]byte, 100)); err != nil {
			return
		}
		switch hostile := l.hostile.Load(); {
		case hostile && resets:
			l.closed.Do(l.acceptNoMore)
			c.reset()
		case hostile:
			io.Copy(io.Discard, c)
		default:
			c.Write([]byte{5, 0})
			echo(c)
		}
	})
	l.second, _, l.secondAddr = startStandIn(t, lab, func(c *heardConn) {
		if readGreeting(c) == nil {
			time.Sleep(100 * time.Millisecond) // so that the first wins the race
			c.Write([]byte{5, 0})
			echo(c)
		}
	})
	l.service = serveOn(t, lab.laptop(t), []string{"env", fmt.Sprintf("MYCOPROXY_WARM=%v", accepts)}, asPeers(firstAddr, l.secondAddr)...)
	l.until("both are known", 10*time.Second, func(s backend.State) bool { return scanned(s) && len(s.Proxies) == 2 })
	if l.connect("") != at(firstAddr) {
		t.Fatal("the slower remote won the race")
	}
	return l
}

// isSYN is the rule of nft for what asks for a connection to a proxy.
const isSYN = "tcp dport 1080 tcp flags & (syn | ack) == syn "

// run has a client say greeting and login in one segment, moves to the second
// remote, and looks at what each of them sees.
func (l *loginTest) run(move func(*loginTest)) {
	if l.accepts {
		l.warmUp([]step{greeted(passwordGreeting)})
	}
	l.hostile.Store(true)
	if !l.accepts {
		l.acceptNoMore()
	}
	heard := l.first.bytes()
	c := l.mustStream()
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, passwordGreeting+login); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- readNothing(c) }()
	eventually(l.t, "the stream is where the case wants it", 5*time.Second, func() bool {
		switch hasHeard, dials := l.first.bytes() > heard, len(l.dialling()) > 0; {
		case !l.accepts:
			return dials
		case l.resets: // then another connection is dialled, in vain, or the client is reset at once
			return hasHeard && (dials || len(ended) > 0)
		default:
			return hasHeard
		}
	})
	move(l)
	select {
	case err := <-ended:
		if !errors.Is(err, syscall.ECONNRESET) {
			l.t.Errorf("the client sees %v, want a reset", err)
		}
	case <-time.After(5 * time.Second):
		l.t.Error("the client is not reset")
	}
	if err := l.take([]step{greeted(plainGreeting)}); err != nil {
		l.t.Errorf("through the second remote: %v", err)
	}
	for _, heard := range l.second.all() {
		if bytes.Contains(heard, []byte("sock")) {
			l.t.Errorf("the second remote has heard %q", heard)
		}
	}
}

// acceptNoMore has the first remote answer no new connection.
func (l *loginTest) acceptNoMore() {
	if err := filter(l.machine, isSYN+"drop"); err != nil {
		l.t.Error(err)
	}
}

func (l *loginTest) switchByUser() {
	if _, err := l.Connect(l.t.Context(), at(l.secondAddr)); err != nil {
		l.t.Error(err)
	}
}

// failOver has the first remote refuse the service's probes, but not answer what
// it dials already.
func (l *loginTest) failOver() {
	var rules []string
	for _, port := range l.dialling() {
		rules = append(rules, fmt.Sprintf("tcp sport %d drop", port))
	}
	if err := filter(l.machine, append(rules, isSYN+"reject with tcp reset")...); err != nil {
		l.t.Fatal(err)
	}
	if err := l.ProbeNow(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	l.until("the second remote takes over", 15*time.Second, func(s backend.State) bool { return s.Remote.Address == at(l.secondAddr) })
}

// dialling lists the local ports of the connections that are being made.
func (s *service) dialling() (ports []uint16) {
	for _, c := range sockets(s.t, s.state().PID) {
		if c.remotePort == backend.DefaultPort && c.state == synSent {
			ports = append(ports, c.localPort)
		}
	}
	return ports
}

// readNothing reads from a connection over which nothing may come, until it ends.
func readNothing(c net.Conn) error {
	n, err := c.Read(make([]byte, 100))
	if err == nil {
		err = fmt.Errorf("%d bytes", n)
	}
	return err
}
