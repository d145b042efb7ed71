//go:build linux

package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"mycoproxy/backend"
)

// Each peer of the lab gets its verdict in one scan.
func TestVerdicts(t *testing.T) {
	lab := needLab(t)
	t.Parallel()
	var args []string
	for _, p := range peers {
		args = append(args, "--peer", p.addr)
	}
	s := serve(t, lab, args...)
	took := s.until("one scan", 15*time.Second, scanned)
	out, errs, code := s.cli("list", "--all", "--json")
	if code != 0 {
		t.Fatalf("list: %d, %s", code, errs)
	}
	var list []backend.Proxy
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d peers in %v", len(list), took)
	got := map[string]backend.Proxy{}
	for _, p := range list {
		got[p.Address.Addr().String()] = p
	}
	for _, p := range peers {
		if found := got[p.addr]; found.Verdict != p.verdict {
			t.Errorf("%s at %s: %v, want %v", p.name, p.addr, found.Verdict, p.verdict)
		}
	}
	if rtt := time.Duration(got[addressOf("slow49")].RTT); rtt < 4900*time.Millisecond {
		t.Errorf("the slow proxy's round trip is %v", rtt)
	}
	// The fastest is not the slowest, and what list says is sorted.
	var last backend.Milliseconds
	for _, p := range s.state().Proxies {
		if p.Verdict == backend.Valid {
			if p.RTT < last {
				t.Errorf("%v comes after a slower one", p.Address)
			}
			last = p.RTT
		}
	}
}
