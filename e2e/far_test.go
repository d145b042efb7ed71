//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/e2e/distance"
)

// farPeers are open proxies at a distance, the nearest first; the links of the
// laptops have none of their own. Behind each, as on the bed, is web.test.
var farPeers = []struct {
	name, addr string
	link       distance.Link
}{
	{"far20", "407:1::1", distance.Link{Delay: 10 * time.Millisecond}},
	{"far80", "407:2::1", distance.Link{Delay: 40 * time.Millisecond}},
	{"far300", "407:3::1", distance.Link{Delay: 150 * time.Millisecond}},
	{"lossy80", "407:4::1", distance.Link{Delay: 40 * time.Millisecond, Loss: 0.02}},
	{"narrow80", "407:5::1", distance.Link{Delay: 40 * time.Millisecond, Rate: 10e6}},
}

// farAddress is the address of a peer of farPeers.
func farAddress(name string) string {
	for _, p := range farPeers {
		if p.name == name {
			return p.addr
		}
	}
	panic("no far peer " + name)
}

// farBed has peers at a distance, until the test ends.
type farBed struct {
	*bed
	links []distance.Link
}

// needFarBed makes one, with laptops by these names.
func needFarBed(t testing.TB, laptops ...string) (b *farBed, machines []*namespace) {
	t.Helper()
	need(t, "microsocks")
	b = &farBed{bed: &bed{folder: t.TempDir()}}
	t.Cleanup(b.tearDown)
	for i, name := range laptops {
		n := b.machine(t, name, fmt.Sprintf("5ab:1c2d:3e4f:%x::1", i+1), distance.Link{})
		if err := n.etc("resolv.conf", "# none\n"); err != nil {
			t.Fatal(err)
		}
		machines = append(machines, n)
	}
	for _, p := range farPeers {
		n := b.machine(t, p.name, p.addr, p.link)
		if err := b.serve(n, p.addr); err != nil {
			t.Fatal(err)
		}
	}
	network := distance.Start(b.links...)
	t.Cleanup(network.Close)
	for _, p := range farPeers {
		if err := waitFor(machines[0], p.addr); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	return b, machines
}

// machine makes a namespace with an overlay address, at the end of a link.
func (b *farBed) machine(t testing.TB, name, addr string, link distance.Link) *namespace {
	t.Helper()
	n, err := b.add(name)
	if err != nil {
		t.Fatal(err)
	}
	n.do(func() {
		// What TCP learnt of one connection is not for the next: each is to find the network alike.
		if err = os.WriteFile("/proc/sys/net/ipv4/tcp_no_metrics_save", []byte("1"), 0); err == nil {
			link.Device, err = distance.Open("mycelium")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		n.ip("link", "set", "mycelium", "mtu", "1400", "up"), // as the daemon's device
		n.ip("addr", "add", addr+"/64", "dev", "mycelium"),
		n.ip("-6", "route", "add", "400::/7", "dev", "mycelium"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	link.Prefix = netip.PrefixFrom(netip.MustParseAddr(addr), 64).Masked()
	b.links = append(b.links, link)
	return n
}

// serve starts the proxy of a peer, and the web server behind it.
func (b *farBed) serve(n *namespace, addr string) error {
	if err := n.etc("hosts", "127.0.0.1 web.test\n"); err != nil {
		return err
	}
	l, err := n.listen(":80")
	if err != nil {
		return err
	}
	go http.Serve(l, webPages())
	return microsocks()(b.bed, n, addr)
}

// The peers are told apart by their distance, the nearest is chosen, and a page
// comes from each.
func TestPeersAtADistance(t *testing.T) {
	_, laptops := needFarBed(t, "far-laptop")
	var addrs []string
	for _, p := range farPeers {
		addrs = append(addrs, p.addr)
	}
	s := serveOn(t, laptops[0], nil, asPeers(addrs...)...)
	s.until("all found", 15*time.Second, func(s backend.State) bool { return len(s.Proxies) == len(farPeers) })
	for _, proxy := range s.state().Proxies {
		for _, p := range farPeers {
			trip := 2 * p.link.Delay
			if proxy.Address == at(p.addr) && (time.Duration(proxy.RTT) < trip || time.Duration(proxy.Connect) < trip) {
				t.Errorf("%s is %v away, it says %v and %v", p.name, trip, time.Duration(proxy.RTT), time.Duration(proxy.Connect))
			}
		}
	}
	if got, err := s.Connect(t.Context(), netip.AddrPort{}); err != nil || got != at(farAddress("far20")) {
		t.Errorf("connected to %v, %v", got, err)
	}
	for _, p := range farPeers {
		if _, err := s.Connect(t.Context(), at(p.addr)); err != nil {
			t.Fatal(err)
		}
		s.mustGet()
	}
}
