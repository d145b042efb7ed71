package tray

import (
	"net/netip"
	"slices"

	"mycoproxy/backend"
)

// arrangement says which rows are shown, and which proxy has which row.
type arrangement struct {
	valid   [maxValid]netip.AddrPort // zero: the row is not shown
	locked  [maxLocked]netip.AddrPort
	hasMore bool           // there are proxies without a row
	shown   [rowCount]bool // of rowError, rowNodeError and rowStartService
}

// arrange gives the fastest proxies a row each. The remote always has one.
func arrange(m model) arrangement {
	var a arrangement
	var valid, locked []netip.AddrPort
	for _, p := range m.state.Proxies {
		if p.Verdict == backend.AuthRequired {
			locked = append(locked, p.Address)
		} else {
			valid = append(valid, p.Address)
		}
	}
	if r := m.state.Remote; r != nil {
		if slices.Contains(locked, r.Address) {
			locked = remoteWithin(locked, r.Address, maxLocked)
		} else {
			valid = remoteWithin(valid, r.Address, proxyRows-2*min(len(locked), maxLocked))
		}
	}
	nLocked := copy(a.locked[:], locked)
	nValid := copy(a.valid[:proxyRows-2*nLocked], valid)
	a.hasMore = nValid < len(valid) || nLocked < len(locked)
	s := m.state
	a.shown[rowError] = errorText(s) != ""
	a.shown[rowNodeError] = nodeText(s) != ""
	a.shown[rowStartService] = s.Phase == backend.Offline && m.canStart
	return a
}

// remoteWithin returns the addresses with the remote among the first n; if it is
// not among them at all, it is put first.
func remoteWithin(addrs []netip.AddrPort, remote netip.AddrPort, n int) []netip.AddrPort {
	switch i := slices.Index(addrs, remote); {
	case i < 0:
		return slices.Insert(addrs, 0, remote)
	case i < n:
		return addrs
	default:
		return slices.Insert(slices.Delete(addrs, i, i+1), n-1, remote)
	}
}
