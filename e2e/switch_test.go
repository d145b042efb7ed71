//go:build linux

package e2e

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A switch does not cut a stream that has only begun: a client that has said nothing
// yet, or a greeting that nothing has answered, is served by the new remote.
func TestSwitchesUnderFreshConnections(t *testing.T) {
	lab := needLab(t)
	for name, setting := range map[string]string{"with spares": "MYCOPROXY_WARM=true", "without": "MYCOPROXY_WARM=false"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late := func(c *heardConn) {
				if readGreeting(c) == nil {
					time.Sleep(10 * time.Millisecond) // so that a switch finds greetings that are not answered
					c.Write([]byte{5, 0})
					io.Copy(io.Discard, c)
				}
			}
			_, _, a := startStandIn(t, lab, late)
			_, _, b := startStandIn(t, lab, late)
			s := serveOn(t, lab.laptop(t), []string{"env", setting}, asPeers(a, b)...)
			s.until("one scan", 10*time.Second, scanned)
			s.switchUnderLoad(at(a), at(b))
		})
	}
}

// switchUnderLoad makes 200 switches and 2,000 connections in ten seconds.
func (s *service) switchUnderLoad(a, b netip.AddrPort) {
	const switches, connections = 200, 2000
	if _, err := s.Connect(s.t.Context(), a); err != nil {
		s.t.Fatal(err)
	}
	var mu sync.Mutex
	outcomes := map[string]int{}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := range switches {
			<-tick.C
			if _, err := s.Connect(s.t.Context(), []netip.AddrPort{b, a}[i%2]); err != nil {
				s.t.Error(err)
				return
			}
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := range connections {
		<-tick.C
		tasks.Go(func() {
			outcome := s.greet(time.Duration(i%2) * 10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcome]++
		})
	}
	tasks.Wait()
	s.t.Logf("fresh connections: %v", outcomes)
	if outcomes["answered"] != connections {
		s.t.Errorf("of %d fresh connections %d are answered", connections, outcomes["answered"])
	}
}

// greet says a greeting on a fresh connection, after a while of silence, and
// returns what became of it.
func (s *service) greet(silence time.Duration) string {
	c, err := s.stream()
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		time.Sleep(silence)
		if _, err = io.WriteString(c, plainGreeting); err == nil {
			err = greeted(plainGreeting).read(c)
		}
	}
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "not answered"
	default:
		return err.Error()
	}
}
