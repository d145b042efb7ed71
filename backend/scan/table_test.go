package scan

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"mycoproxy/backend"
)

func TestTable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	var table Table
	if got := table.Proxies(); got == nil || len(got) != 0 {
		t.Errorf("empty table has %v", got)
	}
	if fresh := table.Set([]netip.AddrPort{addr(1), addr(2), addr(1), addr(3), addr(4)}); !slices.Equal(fresh, []netip.AddrPort{addr(1), addr(2), addr(3), addr(4)}) {
		t.Errorf("fresh are %v", fresh)
	}
	table.Record(Result{Address: addr(1), Verdict: backend.Valid, RTT: 80 * time.Millisecond, At: at})
	table.Record(Result{Address: addr(2), Verdict: backend.AuthRequired, RTT: time.Millisecond, At: at})
	table.Record(Result{Address: addr(3), Verdict: backend.Valid, RTT: 20 * time.Millisecond, At: at})
	table.Record(Result{Address: addr(9), Verdict: backend.Valid, At: at})
	table.Record(Result{Address: addr(4), Verdict: backend.NotListening, At: at})
	check := func(what string, list []backend.Proxy, want ...int) {
		t.Helper()
		var got []netip.AddrPort
		for _, p := range list {
			got = append(got, p.Address)
		}
		var wanted []netip.AddrPort
		for _, n := range want {
			wanted = append(wanted, addr(n))
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("%s are %v, want %v", what, got, wanted)
		}
	}
	check("proxies", table.Proxies(), 3, 1, 2)
	check("all", table.All(), 3, 1, 2, 4)
	if got := table.Valid(); !slices.Equal(got, []netip.AddrPort{addr(3), addr(1)}) {
		t.Errorf("valid are %v", got)
	}

	// Three failures, then an answer: counted, then forgotten; the time of the answer stays.
	before := table.Proxies()
	for i := range 3 {
		table.Record(Result{Address: addr(3), Verdict: backend.NotListening, At: at.Add(time.Duration(i+1) * time.Minute)})
	}
	check("proxies", table.Proxies(), 1, 2)
	check("proxies as they were", before, 3, 1, 2)
	p := table.peers[addr(3)]
	if p.Failures != 3 || !p.LastSeen.Equal(at.Truncate(time.Second)) || !p.Since.Equal(at.Add(time.Minute).Truncate(time.Second)) {
		t.Errorf("after three failures: %+v", p)
	}
	table.Record(Result{Address: addr(3), Verdict: backend.Valid, RTT: 40 * time.Millisecond, At: at.Add(time.Hour)})
	if p.Failures != 0 || p.RTT != backend.Milliseconds(25*time.Millisecond) || !p.LastSeen.Equal(at.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("after the answer: %+v", p)
	}

	// A probe that says nothing changes nothing.
	table.Record(Result{Address: addr(3), At: at.Add(2 * time.Hour)})
	check("proxies", table.Proxies(), 3, 1, 2)

	// Those that left are gone, those that stayed keep what is known of them.
	if fresh := table.Set([]netip.AddrPort{addr(5), addr(1)}); !slices.Equal(fresh, []netip.AddrPort{addr(5)}) || table.Len() != 2 {
		t.Errorf("fresh are %v of %d", fresh, table.Len())
	}
	check("proxies", table.Proxies(), 1)
	check("all", table.All(), 1, 5)
}

func TestOrder(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var table Table
	table.Set(addrs(6))
	for _, r := range []Result{
		{Address: addr(0), Verdict: backend.NotListening, At: at.Add(2 * time.Second)},
		{Address: addr(1), Verdict: backend.NotAProxy, At: at.Add(time.Second)},
		{Address: addr(2), Verdict: backend.AuthRequired, At: at.Add(3 * time.Second)},
		{Address: addr(4), Verdict: backend.Valid, At: at.Add(4 * time.Second)},
	} {
		table.Record(r)
	}
	want := []netip.AddrPort{addr(2), addr(4), addr(3), addr(5), addr(1), addr(0)}
	if got := table.Order(); !slices.Equal(got, want) {
		t.Errorf("order is %v, want %v", got, want)
	}
}
