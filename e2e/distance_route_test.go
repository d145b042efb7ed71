//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// way is a way from an application to the web server of a far peer: straight to
// the peer's proxy, or through a service. Each has a laptop of its own.
type way struct {
	name    string
	t       testing.TB
	laptop  *namespace
	proxy   string // address and port
	peer    netip.Addr
	service *service // nil: straight
}

// routesTo makes a lab with the ways to a peer.
func routesTo(t testing.TB, peer string) (straight, warm, cold *way) {
	t.Helper()
	_, laptops := needDistantLab(t, "straight", "warm", "cold")
	addr := distantAddress(peer)
	to := func(name string, laptop *namespace, proxy string) *way {
		return &way{name: name, t: t, laptop: laptop, proxy: proxy, peer: netip.MustParseAddr(addr)}
	}
	straight = to("straight", laptops[0], at(addr).String())
	warm = to("ours warm", laptops[1], "127.0.0.1:1080")
	cold = to("ours without spares", laptops[2], "127.0.0.1:1080")
	warm.service = serveOn(t, warm.laptop, []string{"env", "MYCOPROXY_WARM=true"}, asPeers(addr)...)
	cold.service = serveOn(t, cold.laptop, []string{"env", "MYCOPROXY_WARM=false"}, asPeers(addr)...)
	return straight, warm, cold
}

// renew starts the service anew, so that it has no spares and has seen no streams.
func (w *way) renew() {
	w.t.Helper()
	if w.service == nil {
		return
	}
	w.service.terminate()
	w.service.start()
	w.service.until("one scan", 20*time.Second, scanned)
	if _, err := w.service.Connect(w.t.Context(), at(w.peer.String())); err != nil {
		w.t.Fatal(err)
	}
}

// open connects to the web server. It waits for each answer before it says
// more, as applications do.
func (w *way) open(greeting string) net.Conn {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	conn, err := w.laptop.dial(ctx, "tcp", w.proxy)
	if err != nil {
		w.t.Fatalf("%s: %v", w.name, err)
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	connect := "\x05\x01\x00\x04" + string(w.peer.AsSlice()) + "\x00\x50" // port 80
	for _, step := range []struct{ say, answer string }{
		{greeting, "\x05\x00"},
		{connect, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
	} {
		answer := make([]byte, len(step.answer))
		if _, err = io.WriteString(conn, step.say); err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil || string(answer) != step.answer {
			w.t.Fatalf("%s: %x is answered %x, %v", w.name, step.say, answer, err)
		}
	}
	return conn
}

// fetch gets a page of that size over a connection of its own.
func (w *way) fetch(size int64) {
	w.t.Helper()
	conn := w.open(plainGreeting)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /blank/%d HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n", size)
	if n, err := io.Copy(io.Discard, conn); n < size || err != nil {
		w.t.Fatalf("%s: %d bytes of a page of %d, %v", w.name, n, size, err)
	}
}

var loaded = regexp.MustCompile(fmt.Sprintf(`loaded %d from \S+ after (\d+) ms`, pictures))

// browse loads the page of many pictures, and returns how long that took by the
// browser's own clock: its start is not counted.
func (w *way) browse() time.Duration {
	w.t.Helper()
	out, err := w.laptop.command(chromium(w.t, "--proxy-server=socks5://"+w.proxy, fmt.Sprintf("http://[%v]/many", w.peer))...).Output()
	found := loaded.FindSubmatch(out)
	if err != nil || found == nil {
		w.t.Fatalf("%s: the page ends with %q, %v", w.name, out[max(0, len(out)-200):], err)
	}
	ms, _ := strconv.Atoi(string(found[1]))
	return time.Duration(ms) * time.Millisecond
}
