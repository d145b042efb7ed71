//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mycoproxy/backend"
)

func TestCurlThroughTheFastest(t *testing.T) {
	lab := needLab(t, "curl")
	s := serve(t, lab, asPeers(addressOf("dante"), addressOf("micro"), addressOf("nginx"), addressOf("danteauth"))...)
	out, errs, code := s.cli("connect")
	if code != 0 || !strings.HasPrefix(out, "connected to [4") {
		t.Fatalf("connect: %d %q %q", code, out, errs)
	}
	for _, local := range []string{"127.0.0.1:1080", "[::1]:1080"} {
		got, err := s.laptop.command("curl", "-sS", "-m", "10", "-x", "socks5h://"+local, "http://web.test/").CombinedOutput()
		if err != nil || string(got) != indexPage {
			t.Errorf("curl through %s: %q, %v", local, got, err)
		}
	}
	if n, err := s.get("/big"); err != nil || n != bigSize {
		t.Errorf("8 MB: %d, %v", n, err)
	}
	out, _, _ = s.cli("status")
	contains(t, out, "connected to [4")
	contains(t, out, "reached at 127.0.0.1:1080 and [::1]:1080; share is off")
}

func TestPasswordIsTheApplicationsBusiness(t *testing.T) {
	lab := needLab(t, "curl")
	for _, name := range []string{"danteauth", "microauth"} {
		s := serve(t, lab, asPeers(addressOf(name))...)
		s.until("one scan", 10*time.Second, scanned)
		if _, errs, code := s.cli("connect"); code != 4 || !strings.Contains(errs, "No valid proxy available or connection failed") {
			t.Errorf("connect to the fastest: %d %q", code, errs)
		}
		s.connect(name)
		got, err := s.laptop.command("curl", "-sS", "-m", "10", "-x", "socks5h://sockuser:sockpass@127.0.0.1:1080", "http://web.test/").CombinedOutput()
		if err != nil || string(got) != indexPage {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		s.until("it answers", 10*time.Second, func(s backend.State) bool { return s.Remote.Answering })
	}
}

// chromium is a command that prints what a page has become once it is loaded, by a
// browser that has never run before.
func chromium(t testing.TB, more ...string) []string {
	return append([]string{"timeout", "60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir=" + t.TempDir(), "--dump-dom"}, more...)
}

func TestChromium(t *testing.T) {
	lab := needLab(t, "chromium")
	s := serve(t, lab)
	for _, name := range []string{"dante", "micro", "sshdynamic"} {
		s.connect(name)
		out, err := s.laptop.command(chromium(t, "--proxy-server=socks5://127.0.0.1:1080", "--virtual-time-budget=20000", "http://web.test/many")...).Output()
		want := fmt.Sprintf("loaded %d from web.test", pictures)
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("through %s the page ends with %q, %v; want %q", name, out[max(0, len(out)-200):], err, want)
		}
	}
}

func TestHalfCloseSurvives(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	for _, name := range []string{"dante", "sshdynamic"} {
		s.connect(name)
		c, err := s.socks(webAddress + ":7777")
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write(make([]byte, 1000))
		c.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "1000 bytes, then the end (<nil>)" || err != nil {
			t.Errorf("%s: after the half-close came %q, %v", name, got, err)
		}
		c.Close()
	}
}

func TestSwitchesWhileClientsDownload(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	s.connect("dante")
	var downloads, broken, refused atomic.Int64
	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			for !stopped() {
				if n, err := s.get("/big"); err == nil && n == bigSize {
					downloads.Add(1)
				} else {
					broken.Add(1)
				}
			}
		})
	}
	clients.Go(func() {
		for !stopped() {
			c, err := s.stream()
			switch {
			case err == nil:
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			case !errors.Is(err, syscall.ECONNRESET): // which a switch may do to it
				refused.Add(1)
				t.Errorf("1080 refuses: %v", err)
				return
			}
		}
	})
	for i := range 200 {
		want := []string{"micro", "dante"}[i%2]
		if got := s.connect(want); got != at(addressOf(want)) {
			t.Errorf("switch %d went to %v", i, got)
		}
		if i%20 == 19 { // now and then a download is given the time to end
			before := downloads.Load()
			eventually(t, "a download", 30*time.Second, func() bool { return downloads.Load() > before })
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("200 switches; %d downloads whole, %d cut by a switch, %d refusals", downloads.Load(), broken.Load(), refused.Load())
	eventually(t, "all streams end", 10*time.Second, func() bool { return s.state().Streams.Open == 0 })
	s.mustGet()
}

func TestConnectAndDisconnect200Times(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	began := time.Now()
	for i := range 200 {
		s.connect("micro")
		c, err := s.stream()
		if err != nil {
			t.Fatalf("pair %d: %v", i, err)
		}
		if err := s.Disconnect(t.Context()); err != nil {
			t.Fatalf("pair %d: disconnect: %v", i, err)
		}
		c.Close()
		l, err := s.laptop.listen("[::]:1080")
		if err != nil {
			t.Fatalf("pair %d: the port is not free: %v", i, err)
		}
		l.Close()
	}
	t.Logf("200 pairs in %v", time.Since(began))
	if c, err := s.stream(); err == nil {
		c.Close()
		t.Error("after the last disconnect something listens")
	}
}

func TestPortTakenNamesTheHolder(t *testing.T) {
	lab := needLab(t)
	laptop := lab.laptop(t)
	s := serveOn(t, laptop, nil)
	holder, err := laptop.start("microsocks", nil, "microsocks", "-i", "::", "-p", "1080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(holder.stop)
	if err := waitFor(laptop, "[::1]:1080"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("Could not bind TCP listener on [::]:1080: address already in use by microsocks, pid %d", holder.Process.Pid)
	_, errs, code := s.cli("connect", addressOf("micro"))
	if code != 5 || !strings.HasPrefix(errs, "mycoproxy: "+want+"\n") {
		t.Errorf("connect: %d %q, want %q", code, errs, want)
	}
	if state := s.state(); state.Phase != backend.Disconnected || state.Error == nil || state.Error.Message != want {
		t.Errorf("state is %+v", state)
	}
	holder.stop()
	s.connect("micro")
	s.mustGet()
	if state := s.state(); state.Error != nil {
		t.Errorf("the error stays: %v", state.Error)
	}
}

func TestOwnListenerIsRefused(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	for _, own := range []string{"[::1]:1080", "127.0.0.1", s.laptop.overlay} {
		if _, errs, code := s.cli("connect", own); code != 1 || !strings.Contains(errs, "is where this service itself listens") {
			t.Errorf("connect %s: %d %q", own, code, errs)
		}
	}
	s.connect("micro")
	if _, _, code := s.cli("connect", "::1"); code != 1 {
		t.Error("connected to itself")
	}
	s.mustGet()
}
