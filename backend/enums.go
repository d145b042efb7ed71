package backend

import (
	"fmt"
	"slices"
	"strings"
)

// Phase is what the service is doing.
type Phase int

const (
	Offline      Phase = iota // no service was heard; only clients see this
	Disconnected              // no remote, no listener
	Connecting                // looking for a remote, or binding
	Connected                 // listening and forwarding
)

var phases = []string{"offline", "disconnected", "connecting", "connected"}

func (p Phase) String() string                   { return name(phases, p) }
func (p Phase) MarshalText() ([]byte, error)     { return []byte(p.String()), nil }
func (p *Phase) UnmarshalText(text []byte) error { return parse(phases, text, p) }

// Verdict is what a probe found at a peer.
type Verdict int

const (
	Unknown      Verdict = iota // not probed yet
	NotListening                // refused, unreachable, or no answer in time
	NotAProxy                   // something answered, but not as a SOCKS5 server
	AuthRequired                // a SOCKS5 server that wants authentication: 05 FF
	Valid                       // a SOCKS5 server that lets anyone in: 05 00
)

var verdicts = []string{"unknown", "not-listening", "not-a-proxy", "auth-required", "valid"}

func (v Verdict) String() string                   { return name(verdicts, v) }
func (v Verdict) MarshalText() ([]byte, error)     { return []byte(v.String()), nil }
func (v *Verdict) UnmarshalText(text []byte) error { return parse(verdicts, text, v) }

// IsProxy reports whether v is the verdict on a SOCKS5 server, open or not.
func (v Verdict) IsProxy() bool { return v == Valid || v == AuthRequired }

// Mode is how the remote was chosen.
type Mode int

const (
	Auto     Mode = iota // by a race; another takes its place when it disappears
	Explicit             // by its address; kept whatever happens
)

var modes = []string{"auto", "explicit"}

func (m Mode) String() string                   { return name(modes, m) }
func (m Mode) MarshalText() ([]byte, error)     { return []byte(m.String()), nil }
func (m *Mode) UnmarshalText(text []byte) error { return parse(modes, text, m) }

// Share is whom the listener serves, by the source address of a connection.
type Share int

const (
	ShareOff Share = iota // this machine only
	ShareLAN              // private and link-local ranges too, but not the overlay
	ShareAll              // everyone who can reach the port
)

var shares = []string{"off", "lan", "all"}

func (s Share) String() string                   { return name(shares, s) }
func (s Share) MarshalText() ([]byte, error)     { return []byte(s.String()), nil }
func (s *Share) UnmarshalText(text []byte) error { return parse(shares, text, s) }

func name[T ~int](names []string, v T) string {
	if v < 0 || int(v) >= len(names) {
		return fmt.Sprintf("%T(%d)", v, int(v))
	}
	return names[v]
}

func parse[T ~int](names []string, text []byte, v *T) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("%.40q is none of: %s", text, strings.Join(names, ", "))
	}
	*v = T(i)
	return nil
}
