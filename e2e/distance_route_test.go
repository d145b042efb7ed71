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

// route leads from an application to the web server of a distant peer: straight to
// the peer's proxy, or through a service. Each route has a laptop of its own.
type route struct {
	name    string
	t       testing.TB
	laptop  *namespace
	proxy   string // address and port
	peer    netip.Addr
	service *service // nil: straight
	spares  bool     // the service keeps some
}

// routesTo makes a lab with the routes to a peer.
func routesTo(t testing.TB, peer string) (straight, warm, cold *route) {
	t.Helper()
	_, laptops := needDistantLab(t, "straight", "warm", "cold")
	addr := distantAddress(peer)
	to := func(name string, laptop *namespace, proxy string) *route {
		return &route{name: name, t: t, laptop: laptop, proxy: proxy, peer: netip.MustParseAddr(addr)}
	}
	straight = to("straight", laptops[0], at(addr).String())
	warm = to("ours warm", laptops[1], "127.0.0.1:1080")
	cold = to("ours without spares", laptops[2], "127.0.0.1:1080")
	warm.service = serveOn(t, warm.laptop, []string{"env", "MYCOPROXY_WARM=true"}, asPeers(addr)...)
	warm.spares = true
	cold.service = serveOn(t, cold.laptop, []string{"env", "MYCOPROXY_WARM=false"}, asPeers(addr)...)
	return straight, warm, cold
}

// renew starts the service anew, so that it has no spares and has seen no streams.
func (r *route) renew() {
	r.t.Helper()
	if r.service == nil {
		return
	}
	r.service.terminate()
	r.service.start()
	r.service.until("one scan", 20*time.Second, scanned)
	r.service.connectTo(r.peer.String())
}

// open connects to the web server. It waits for each answer before it says
// more, as applications do.
func (r *route) open(greeting string) net.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	conn, err := r.laptop.dial(ctx, "tcp", r.proxy)
	if err != nil {
		r.t.Fatalf("%s: %v", r.name, err)
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	request := "\x05\x01\x00\x04" + string(r.peer.AsSlice()) + "\x00\x50" // port 80
	if err := take(conn, []step{greeted(greeting), {request, "\x05\x00\x00\x01", 10}}); err != nil {
		r.t.Fatalf("%s: %v", r.name, err)
	}
	return conn
}

// fetch gets a page of that size over a connection of its own.
func (r *route) fetch(size int64) {
	r.t.Helper()
	conn := r.open(plainGreeting)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /blank/%d HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n", size)
	if n, err := io.Copy(io.Discard, conn); n < size || err != nil {
		r.t.Fatalf("%s: %d bytes of a page of %d, %v", r.name, n, size, err)
	}
}

var loaded = regexp.MustCompile(fmt.Sprintf(`loaded %d from \S+ after (\d+) ms`, pictures))

// browse loads the page of many pictures, and returns how long that took by the
// browser's own clock: its start is not counted.
func (r *route) browse() time.Duration {
	r.t.Helper()
	out, err := r.laptop.command(chromium(r.t, "--proxy-server=socks5://"+r.proxy, fmt.Sprintf("http://[%v]/many", r.peer))...).Output()
	found := loaded.FindSubmatch(out)
	if err != nil || found == nil {
		r.t.Fatalf("%s: the page ends with %q, %v", r.name, out[max(0, len(out)-200):], err)
	}
	ms, _ := strconv.Atoi(string(found[1]))
	return time.Duration(ms) * time.Millisecond
}
