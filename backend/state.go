package backend

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// State is one complete snapshot of the service, never a difference. It is not
// changed after it is published, so it may be shared freely. Its zero value
// means that no service was heard ([Offline]). Times are UTC, in whole seconds.
type State struct {
	Version string    `json:"version"`
	PID     int       `json:"pid,omitzero"`  // process that does the work
	Tray    bool      `json:"tray,omitzero"` // that is the tray: the work ends with it
	Phase   Phase     `json:"phase"`
	Remote  *Remote   `json:"remote,omitzero"` // nil: none chosen
	Listen  *Listener `json:"listen,omitzero"` // nil: not listening
	Share   Share     `json:"share"`           // whom the listener serves, or will serve
	Probing Probing   `json:"probing"`
	Node    *Node     `json:"node,omitzero"` // nil: no node is configured
	Proxies []Proxy   `json:"proxies"`       // the valid, then those that need a password; each by round-trip time
	Streams Streams   `json:"streams"`
	Error   *Error    `json:"error,omitzero"` // what went wrong last and still matters; nil: nothing
}

// Proxy returns what is known of the proxy at addr. It is false if none is
// known there; a remote that the user named need not be known.
func (s State) Proxy(addr netip.AddrPort) (Proxy, bool) {
	if i := slices.IndexFunc(s.Proxies, func(p Proxy) bool { return p.Address == addr }); i >= 0 {
		return s.Proxies[i], true
	}
	return Proxy{}, false
}

// ApplicationAddress returns the address that applications on this machine are
// to use as their SOCKS5 proxy: of those at which the listener was reached
// 127.0.0.1, which every application understands, else the first. It is false
// if nothing listens, or if the listener can be reached at none.
func (s State) ApplicationAddress() (netip.AddrPort, bool) {
	if s.Listen == nil || len(s.Listen.Reached) == 0 {
		return netip.AddrPort{}, false
	}
	isIPv4 := func(a netip.AddrPort) bool { return a.Addr().Is4() }
	return s.Listen.Reached[max(0, slices.IndexFunc(s.Listen.Reached, isIPv4))], true
}

// ApplicationURL is the form in which many applications take an address of
// [State.ApplicationAddress]. The h has the proxy look up the names of hosts.
func ApplicationURL(addr netip.AddrPort) string { return "socks5h://" + addr.String() }

// Remote is the chosen proxy.
type Remote struct {
	Address   netip.AddrPort `json:"address"`
	Mode      Mode           `json:"mode"`
	Since     time.Time      `json:"since"`
	Answering bool           `json:"answering"` // false once three checks in a row have failed
}

// Listener is the local port that applications connect to.
type Listener struct {
	Address netip.AddrPort   `json:"address"`
	Reached []netip.AddrPort `json:"reached"` // the loopback addresses over which the service reached itself
	Share   Share            `json:"share"`
}

// Probing tells of the scans.
type Probing struct {
	On       bool      `json:"on"`
	Scanning bool      `json:"scanning"`      // a scan is under way
	Peers    int       `json:"peers"`         // peers known
	Last     time.Time `json:"last,omitzero"` // start of the newest scan; zero: none yet
	Next     time.Time `json:"next,omitzero"` // start of the next one; zero: probing is off
}

// Node tells how the Mycelium node is doing.
type Node struct {
	Address string `json:"address"` // base URL of its HTTP API
	Error   string `json:"error"`   // a sentence; empty: it answers
}

// Proxy is what is known of one peer.
type Proxy struct {
	Address  netip.AddrPort `json:"address"`
	Verdict  Verdict        `json:"verdict"`
	RTT      Milliseconds   `json:"rtt_ms,omitzero"`     // greeting answered, smoothed; zero: never answered
	Connect  Milliseconds   `json:"connect_ms,omitzero"` // TCP connection made, smoothed; zero: never answered
	LastSeen time.Time      `json:"last_seen,omitzero"`  // time of the last answer; zero: none
	Since    time.Time      `json:"since,omitzero"`      // time the verdict last changed
	Failures int            `json:"failures,omitzero"`   // probes without an answer since the last one that had one
}

// Streams counts forwarded connections since the service started.
type Streams struct {
	Open      int64 `json:"open"`
	Total     int64 `json:"total"`
	Refused   int64 `json:"refused"`    // closed because of their source, see [Share]
	BytesUp   int64 `json:"bytes_up"`   // from applications to the remote
	BytesDown int64 `json:"bytes_down"` // from the remote to applications
}

// Milliseconds is a duration that is a number of milliseconds in JSON.
type Milliseconds time.Duration

// String is for people: "42 ms", "0.3 ms", "-" for zero.
func (m Milliseconds) String() string {
	ms := float64(time.Duration(m).Microseconds()) / 1000
	switch {
	case m == 0:
		return "-"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}

// MarshalJSON writes the duration in milliseconds, to the microsecond.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads a number of milliseconds.
func (m *Milliseconds) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return err
	}
	*m = Milliseconds(math.Round(ms * float64(time.Millisecond)))
	return nil
}
