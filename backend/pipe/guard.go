package pipe

import (
	"net/netip"

	"mycoproxy/backend"
)

// serves reports whether a connection from source, which arrived at the local
// address, is one that share serves.
func serves(share backend.Share, source, local netip.Addr) bool {
	source, local = source.Unmap().WithZone(""), local.Unmap().WithZone("")
	switch {
	case share == backend.ShareAll:
		return true
	case source.IsLoopback(), source == local:
		return true
	case share == backend.ShareLAN && (source.IsPrivate() || source.IsLinkLocalUnicast()):
		return true // no overlay address is in these ranges
	case source.IsLinkLocalUnicast():
		return false // on its link it may be another machine's, whatever our other links have
	default:
		return backend.LocalAddresses()[source]
	}
}

// Listens reports whether a listener on listen would take connections to addr,
// both on this machine: forwarding there would go round in a circle. The
// machine's addresses are those of [backend.LocalAddresses].
func Listens(listen, addr netip.AddrPort, local map[netip.Addr]bool) bool {
	if listen.Port() != addr.Port() {
		return false
	}
	ip := addr.Addr().Unmap().WithZone("")
	if !listen.Addr().IsUnspecified() {
		return listen.Addr().Unmap() == ip
	}
	return ip.IsLoopback() || ip.IsUnspecified() || local[ip]
}
