package backend

import (
	"net/netip"
	"time"
)

// Source is why an address is among the peers.
type Source int

const (
	NoSource  Source = iota // it is none
	FromBook                // the address book alone knows it
	FromRoute               // the node has a route to it
	FromUser                // the user gave it: a setting, a flag, a command
	FromList                // it is in a list of proxies
)

var sources = []string{"none", "book", "route", "user", "list"}

func (s Source) String() string                   { return name(sources, s) }
func (s Source) MarshalText() ([]byte, error)     { return []byte(s.String()), nil }
func (s *Source) UnmarshalText(text []byte) error { return parse(sources, text, s) }

// Entry is what the address book keeps of one proxy.
type Entry struct {
	Address   netip.AddrPort `json:"address"`
	Name      string         `json:"name,omitzero"`       // the user's own; empty: none
	Favourite bool           `json:"favourite,omitzero"`  // the user's own, too
	Source    Source         `json:"source,omitzero"`     // where it was first heard of
	FirstSeen time.Time      `json:"first_seen,omitzero"` // first answer of a proxy; zero: none yet
	LastSeen  time.Time      `json:"last_seen,omitzero"`  // newest answer of a proxy; zero: none yet
	Verdict   Verdict        `json:"verdict"`             // the last one
	RTTs      []Milliseconds `json:"rtts,omitzero"`       // of the last 60 probes that were answered, oldest first
}

// BookChange is a change of one entry of the address book. An entry that is not
// there is made, unless it is to be removed.
type BookChange struct {
	Address   netip.AddrPort `json:"address"`
	Name      *string        `json:"name,omitzero"`      // the new name; empty: none; nil: as before
	Suggested string         `json:"suggested,omitzero"` // a name for an entry that has none, if it is a name and free
	Favourite *bool          `json:"favourite,omitzero"` // nil: as before
	Remove    bool           `json:"remove,omitzero"`    // forget all of it
}
