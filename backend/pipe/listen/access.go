package listen

import (
	"net"
	"net/netip"

	"mycoproxy/backend"
)

// Serves reports whether share serves the client at the other end of accepted.
func Serves(share backend.Share, accepted net.Conn) bool {
	source, local := AddrPort(accepted.RemoteAddr()).Addr(), AddrPort(accepted.LocalAddr()).Addr()
	return isLocal(source, local) || servesOthers(share, source)
}

// isLocal reports whether a connection from source, which arrived at the local
// address, comes from this machine.
func isLocal(source, local netip.Addr) bool {
	source, local = source.Unmap().WithZone(""), local.Unmap().WithZone("")
	if source.IsLoopback() || source == local {
		return true
	}
	// A link-local one may be another machine's, on another link than ours.
	return !source.IsLinkLocalUnicast() && backend.LocalAddresses()[source]
}

func servesOthers(share backend.Share, source netip.Addr) bool {
	source = source.Unmap().WithZone("")
	isNear := source.IsPrivate() || source.IsLinkLocalUnicast() // no overlay address is
	return share == backend.ShareAll || share == backend.ShareLAN && isNear
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
