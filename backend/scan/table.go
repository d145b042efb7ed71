package scan

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"mycoproxy/backend"
)

// Table keeps what is known of each peer. It is not for use by several
// goroutines at once. Its zero value is empty.
type Table struct {
	peers   map[netip.AddrPort]*peer
	proxies []backend.Proxy // what Proxies returns; nil: to be made anew
}

type peer struct {
	backend.Proxy
	probed time.Time // end of the last probe with a verdict; zero: none
}

// Set makes addrs the peers: others are forgotten, known ones keep what is
// known of them. It returns those that are new, in their order.
func (t *Table) Set(addrs []netip.AddrPort) (fresh []netip.AddrPort) {
	next := make(map[netip.AddrPort]*peer, len(addrs))
	for _, addr := range addrs {
		if next[addr] != nil {
			continue
		}
		known := t.peers[addr]
		if known == nil {
			known = &peer{Proxy: backend.Proxy{Address: addr}}
			fresh = append(fresh, addr)
		}
		next[addr] = known
	}
	t.peers, t.proxies = next, nil
	return fresh
}

// Has reports whether addr is a peer.
func (t *Table) Has(addr netip.AddrPort) bool { return t.peers[addr] != nil }

// Verdict returns the verdict on addr; Unknown if addr is no peer.
func (t *Table) Verdict(addr netip.AddrPort) backend.Verdict {
	if p := t.peers[addr]; p != nil {
		return p.Verdict
	}
	return backend.Unknown
}

// Len returns the number of peers.
func (t *Table) Len() int { return len(t.peers) }

// Record keeps a result. It ignores one whose address is no peer's, or whose
// verdict is Unknown.
func (t *Table) Record(r Result) {
	p := t.peers[r.Address]
	if p == nil || r.Verdict == backend.Unknown {
		return
	}
	if p.Verdict.IsProxy() || r.Verdict.IsProxy() {
		t.proxies = nil
	}
	at := r.At.UTC().Truncate(time.Second)
	if r.Verdict != p.Verdict {
		p.Verdict, p.Since = r.Verdict, at
	}
	p.probed = r.At
	if r.Verdict == backend.NotListening {
		p.Failures++
		return
	}
	p.LastSeen, p.Failures = at, 0
	p.Connect, p.RTT = smooth(p.Connect, r.Connect), smooth(p.RTT, r.RTT)
}

// smooth is the exponential average of RFC 6298, section 2, with a gain of 1/4
// where TCP takes 1/8: there is one sample a minute, not one a round trip.
func smooth(average backend.Milliseconds, sample time.Duration) backend.Milliseconds {
	switch {
	case sample == 0:
		return average
	case average == 0:
		return backend.Milliseconds(sample)
	default:
		return average + (backend.Milliseconds(sample)-average)/4
	}
}

// Proxies returns the peers whose verdict is that of a proxy: the valid ones,
// then those that need a password, each fastest first. It is not to be changed.
func (t *Table) Proxies() []backend.Proxy {
	if t.proxies == nil {
		t.proxies = t.sorted(func(p *peer) bool { return p.Verdict.IsProxy() })
	}
	return t.proxies
}

// All returns every peer, those of Proxies first.
func (t *Table) All() []backend.Proxy {
	return t.sorted(func(*peer) bool { return true })
}

func (t *Table) sorted(keep func(*peer) bool) []backend.Proxy {
	list := []backend.Proxy{}
	for _, p := range t.peers {
		if keep(p) {
			list = append(list, p.Proxy)
		}
	}
	slices.SortFunc(list, func(a, b backend.Proxy) int {
		return cmp.Or(cmp.Compare(b.Verdict, a.Verdict), cmp.Compare(a.RTT, b.RTT), a.Address.Compare(b.Address))
	})
	return list
}

// Valid returns the addresses of the valid proxies, fastest first.
func (t *Table) Valid() (valid []netip.AddrPort) {
	for _, p := range t.Proxies() {
		if p.Verdict == backend.Valid {
			valid = append(valid, p.Address)
		}
	}
	return valid
}

// Order returns all peers in the order in which to probe them: the proxies,
// then the others, each beginning with those never probed or longest ago.
func (t *Table) Order() []netip.AddrPort {
	list := make([]*peer, 0, len(t.peers))
	for _, p := range t.peers {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *peer) int {
		if a.Verdict.IsProxy() != b.Verdict.IsProxy() {
			if a.Verdict.IsProxy() {
				return -1
			}
			return 1
		}
		return cmp.Or(a.probed.Compare(b.probed), a.Address.Compare(b.Address))
	})
	order := make([]netip.AddrPort, len(list))
	for i, p := range list {
		order[i] = p.Address
	}
	return order
}
