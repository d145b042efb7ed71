package backend

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLocalAddresses(t *testing.T) {
	local := LocalAddresses()
	for _, a := range local4(t) {
		if !local[a] {
			t.Errorf("%s is not among %v", a, local)
		}
	}
	if local[netip.MustParseAddr("192.0.2.1")] {
		t.Error("an address for documentation is this machine's")
	}
}

// local4 are the IPv4 addresses of this machine, as package net lists them.
func local4(t *testing.T) (list []netip.Addr) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p := netip.MustParsePrefix(a.String()); p.Addr().Is4() {
			list = append(list, p.Addr())
		}
	}
	if len(list) == 0 {
		t.Skip("this machine has no IPv4 address")
	}
	return list
}

// interfaces stands in for those of a machine.
type interfaces struct {
	asked atomic.Int32
	now   atomic.Value // []net.Addr, or error
}

func (i *interfaces) list() ([]net.Addr, error) {
	i.asked.Add(1)
	runtime.Gosched()
	if addrs, ok := i.now.Load().([]net.Addr); ok {
		return addrs, nil
	}
	return nil, errors.New("too many open files")
}

func (i *interfaces) set(addrs ...string) {
	list := []net.Addr{}
	for _, a := range addrs {
		ip, network, _ := net.ParseCIDR(a)
		list = append(list, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	i.now.Store(list)
}

func TestLocalAddressesAreKeptForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var machine interfaces
		machine.set("192.0.2.1/24", "fe80::1/64")
		local := localAddresses{list: machine.list}
		check := func(when string, asked int32, has, hasNot string) {
			t.Helper()
			all := local.addresses()
			if !all[netip.MustParseAddr(has)] || all[netip.MustParseAddr(hasNot)] {
				t.Errorf("%s: %v", when, all)
			}
			if n := machine.asked.Load(); n != asked {
				t.Errorf("%s: the interfaces were listed %d times, want %d", when, n, asked)
			}
		}
		check("at first", 1, "192.0.2.1", "192.0.2.2")
		machine.set("192.0.2.2/24")
		time.Sleep(localMaxAge / 2)
		check("within the second", 1, "fe80::1", "192.0.2.2")
		time.Sleep(localMaxAge / 2)
		check("after it", 2, "192.0.2.2", "192.0.2.1")
	})
}

func TestLocalAddressesAreListedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var machine interfaces
		machine.set("192.0.2.1/24")
		local := localAddresses{list: machine.list}
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if !local.addresses()[netip.MustParseAddr("192.0.2.1")] {
					t.Error("a caller got none")
				}
			})
		}
		callers.Wait()
		if n := machine.asked.Load(); n != 1 {
			t.Errorf("the interfaces were listed %d times", n)
		}
	})
}

func TestLocalAddressesOutlastAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var machine interfaces
		machine.set("192.0.2.1/24")
		local := localAddresses{list: machine.list}
		local.addresses()
		machine.now = atomic.Value{}
		time.Sleep(localMaxAge)
		if all := local.addresses(); !all[netip.MustParseAddr("192.0.2.1")] {
			t.Errorf("%v is left", all)
		}
	})
}

// Fake time is far behind real time: what was kept in one is too old, or from
// the future, in the other.
func TestLocalAddressesAcrossClocks(t *testing.T) {
	var machine interfaces
	local := localAddresses{list: machine.list}
	machine.set("192.0.2.1/24")
	local.addresses()
	synctest.Test(t, func(t *testing.T) {
		machine.set("192.0.2.2/24")
		if all := local.addresses(); !all[netip.MustParseAddr("192.0.2.2")] {
			t.Errorf("on fake time there is what was kept on real time: %v", all)
		}
	})
	machine.set("192.0.2.3/24")
	if all := local.addresses(); !all[netip.MustParseAddr("192.0.2.3")] {
		t.Errorf("on real time there is what was kept on fake time: %v", all)
	}
}

func BenchmarkLocalAddresses(b *testing.B) {
	source := netip.MustParseAddr("192.0.2.1")
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if LocalAddresses()[source] {
				b.Error("an address for documentation is this machine's")
			}
		}
	})
}
