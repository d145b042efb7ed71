package backend

import "net/netip"

// LastCommand is what a service saves for the next one, which restores it: what
// the user told it last, to be connected or not. Its zero value is that of a
// service never told to connect.
type LastCommand struct {
	Connected bool           `json:"connected"`
	Remote    netip.AddrPort `json:"remote,omitzero"` // zero: chosen by a race
}
