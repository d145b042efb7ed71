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

// distantPeers are open proxies at a distance, the nearest first. The cables of the
// laptops add no delay. Each peer is its own web.test.
var distantPeers = []struct {
	name, addr string
	cable      distance.Cable
}{
	{"far20", "407:1::1", distance.Cable{Delay: 10 * time.Millisecond}},
	{"far80", "407:2::1", distance.Cable{Delay: 40 * time.Millisecond}},
	{"far300", "407:3::1", distance.Cable{Delay: 150 * time.Millisecond}},
	{"lossy80", "407:4::1", distance.Cable{Delay: 40 * time.Millisecond, Loss: 0.02}},
	{"narrow80", "407:5::1", distance.Cable{Delay: 40 * time.Millisecond, Rate: 10e6}},
}

// distantAddress is the address of one of distantPeers.
func distantAddress(name string) string {
	for _, p := range distantPeers {
		if p.name == name {
			return p.addr
		}
	}
	panic("no distant peer " + name)
}

// distantLab is a lab of one test, with peers at a distance.
type distantLab struct {
	*lab
	cables []distance.Cable
}

// needDistantLab makes a lab that the end of the test removes, with laptops of these
// names.
func needDistantLab(t testing.TB, laptops ...string) (d *distantLab, machines []*namespace) {
	t.Helper()
	need(t, "microsocks")
	d = &distantLab{lab: &lab{folder: t.TempDir()}}
	t.Cleanup(d.tearDown)
	for i, name := range laptops {
		n := d.machine(t, name, fmt.Sprintf("5ab:1c2d:3e4f:%x::1", i+1), distance.Cable{})
		if err := n.etc("resolv.conf", "# none\n"); err != nil {
			t.Fatal(err)
		}
		machines = append(machines, n)
	}
	for _, p := range distantPeers {
		n := d.machine(t, p.name, p.addr, p.cable)
		if err := d.serve(n, p.addr); err != nil {
			t.Fatal(err)
		}
	}
	sw := distance.Start(d.cables...)
	t.Cleanup(sw.Close)
	for _, p := range distantPeers {
		if err := waitFor(machines[0], p.addr); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	return d, machines
}

// machine makes a namespace with an overlay address, at the end of a cable.
func (d *distantLab) machine(t testing.TB, name, addr string, cable distance.Cable) *namespace {
	t.Helper()
	n, err := d.add(name)
	if err != nil {
		t.Fatal(err)
	}
	n.do(func() {
		// Without this TCP would begin a connection with what an earlier one has learnt of the way.
		if err = os.WriteFile("/proc/sys/net/ipv4/tcp_no_metrics_save", []byte("1"), 0); err == nil {
			cable.Device, err = distance.Open("mycelium")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		n.ip("link", "set", "mycelium", "mtu", "1400", "up"), // the MTU of Mycelium's own device
		n.address("mycelium", addr+"/64"),
		n.ip("-6", "route", "add", "400::/7", "dev", "mycelium"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cable.Prefix = netip.PrefixFrom(netip.MustParseAddr(addr), 64).Masked()
	d.cables = append(d.cables, cable)
	return n
}

// serve starts the proxy of a peer, and the web server behind it.
func (d *distantLab) serve(n *namespace, addr string) error {
	if err := n.etc("hosts", "127.0.0.1 web.test\n"); err != nil {
		return err
	}
	l, err := n.listen(":80")
	if err != nil {
		return err
	}
	go http.Serve(l, webPages())
	return microsocks()(d.lab, n, addr)
}

// The peers are told apart by their distance, the nearest is chosen, and a page
// comes from each.
func TestPeersAtADistance(t *testing.T) {
	_, laptops := needDistantLab(t, "far-laptop")
	var addrs []string
	for _, p := range distantPeers {
		addrs = append(addrs, p.addr)
	}
	s := serveOn(t, laptops[0], nil, asPeers(addrs...)...)
	s.until("all found", 15*time.Second, func(s backend.State) bool { return len(s.Proxies) == len(distantPeers) })
	for _, proxy := range s.state().Proxies {
		for _, p := range distantPeers {
			trip := 2 * p.cable.Delay
			if proxy.Address == at(p.addr) && (time.Duration(proxy.RTT) < trip || time.Duration(proxy.Connect) < trip) {
				t.Errorf("%s is %v away, it says %v and %v", p.name, trip, time.Duration(proxy.RTT), time.Duration(proxy.Connect))
			}
		}
	}
	if got, err := s.Connect(t.Context(), netip.AddrPort{}); err != nil || got != at(distantAddress("far20")) {
		t.Errorf("connected to %v, %v", got, err)
	}
	for _, p := range distantPeers {
		s.connectTo(p.addr)
		s.mustGet()
	}
}
