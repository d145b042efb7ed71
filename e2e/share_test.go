//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// Another machine connects to the listener over the laptop's addresses.
func TestShare(t *testing.T) {
	lab := needLab(t)
	laptop := lab.laptop(t)
	const private = "10.77.1.1"
	if err := laptop.join("lan", behind, private+"/16"); err != nil {
		t.Fatal(err)
	}
	other, addr := ownPeer(t, lab)
	dialled := make(chan struct{}, 100)
	target, targetAddr := ownPeer(t, lab)
	stop, err := serveAt(target, at(targetAddr).String(), func(c net.Conn) {
		greeting := make([]byte, len(passwordGreeting))
		io.ReadFull(c, greeting)
		if string(greeting) == passwordGreeting { // a stream, not a probe
			dialled <- struct{}{}
			c.Write(greeting)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	overlayAddress := at(laptop.overlay).String()
	for _, c := range []struct {
		share              string
		private, onOverlay bool
	}{
		{"off", false, false},
		{"lan", true, false},
		{"all", true, true},
	} {
		t.Run(c.share, func(t *testing.T) {
			s := serveOn(t, laptop, []string{"env", "MYCOPROXY_SHARE=" + c.share})
			s.connectTo(targetAddr)
			served := func(from *namespace, address string) bool {
				conn, err := from.dial(t.Context(), "tcp", address)
				if err != nil {
					return false
				}
				defer conn.Close()
				return alive(conn)
			}
			for _, own := range []string{"127.0.0.1:1080", "[::1]:1080", private + ":1080", overlayAddress} {
				if !served(laptop, own) {
					t.Errorf("the laptop itself is not served at %s", own)
				}
			}
			if got := served(other, private+":1080"); got != c.private {
				t.Errorf("from a private address: %v, want %v", got, c.private)
			}
			if got := served(other, overlayAddress); got != c.onOverlay {
				t.Errorf("from %s: %v, want %v", addr, got, c.onOverlay)
			}
			want := 4
			refused := int64(2)
			for _, ok := range []bool{c.private, c.onOverlay} {
				if ok {
					want++
					refused--
				}
			}
			for range want {
				select {
				case <-dialled:
				case <-time.After(5 * time.Second):
					t.Fatal("a stream did not reach the remote")
				}
			}
			if len(dialled) != 0 {
				t.Errorf("%d dials too many: something refused was dialled for", len(dialled))
			}
			eventually(t, fmt.Sprintf("%d streams and %d refused are counted", want, refused), time.Second, func() bool {
				streams := s.state().Streams
				return streams.Total == int64(want) && streams.Refused == refused
			})
			s.terminate()
		})
	}
}
