//go:build linux

package e2e

import (
	"io"
	"net"
	"testing"
	"time"
)

// A client that resets while the remote is still being dialled is let go at once.
func TestResetWhileDiallingIsNoticed(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	s.connect("dropping")
	request := steps(plainGreeting, false)[1].say
	var clients []net.Conn
	for _, said := range []string{plainGreeting, passwordGreeting, plainGreeting + request + "data"} {
		c := s.mustStream()
		defer c.Close()
		if _, err := io.WriteString(c, said); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	eventually(t, "the remote is dialled for all", 5*time.Second, func() bool { return len(s.dialling()) >= len(clients) })
	for _, c := range clients {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	took := eventually(t, "all are let go", time.Second, func() bool {
		return s.state().Streams.Open == 0 && len(s.dialling()) <= 1 // the service itself looks whether the remote answers
	})
	t.Logf("let go after %v", took)
}

// A remote that resets what is idle is not dialled over and over: spares that die
// before their time are not worth their cost.
func TestRemoteThatResetsIdleSpares(t *testing.T) {
	t.Parallel()
	lab := needLab(t)
	for name, greeting := range map[string]string{"greeted spares": plainGreeting, "dialled spares": passwordGreeting} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote, _, addr := startStandIn(t, lab, func(c *heardConn) {
				const idle = 700 * time.Millisecond // less than the second between two streams, and more than a busy machine takes for one
				c.SetDeadline(time.Now().Add(idle))
				if readGreeting(c) == nil {
					c.Write([]byte{5, 0})
					c.SetDeadline(time.Now().Add(idle))
					io.Copy(c.Conn, struct{ io.Reader }{c})
				}
				c.reset()
			})
			s := serve(t, lab, asPeers(addr)...)
			s.until("one scan", 10*time.Second, scanned)
			if err := s.StopProbe(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.connectTo(addr)
			before := len(remote.all())
			const streams = 60
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for i := range streams {
				if err := s.take([]step{greeted(greeting), {"request", "request", 7}}); err != nil {
					t.Errorf("stream %d: %v", i, err)
				}
				<-tick.C
			}
			connections := len(remote.all()) - before
			t.Logf("%d streams cost %d connections", streams, connections)
			if connections > streams*12/10 {
				t.Errorf("%d streams cost %d connections, at most 1.2 each are allowed", streams, connections)
			}
		})
	}
}
