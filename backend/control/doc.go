// Package control is a [backend.Backend] over a local socket: the handler and
// listener for the service, and the client for everybody else.
//
// It speaks HTTP, with JSON bodies. The paths and shapes of the Mycelium
// daemon's own proxy API work unchanged:
//
//	GET    /api/v1/admin/proxy        the valid proxies' IPv6 addresses
//	POST   /api/v1/admin/proxy        {"remote":"[ip]:port"}, or null for the fastest: connect
//	DELETE /api/v1/admin/proxy        disconnect
//	GET    /api/v1/admin/proxy/probe  start probing
//	DELETE /api/v1/admin/proxy/probe  stop probing
//
// and beside them:
//
//	POST   /api/v1/admin/proxy/probe  scan now
//	GET    /api/v1/state              one snapshot
//	GET    /api/v1/watch              a snapshot now and at each change, one JSON a line
//	GET    /api/v1/peers              every peer with its verdict
//
// and, on the control socket alone:
//
//	POST   /api/v1/share              {"share":"lan"}: whom the listener serves
//	POST   /api/v1/shutdown           ends the service
//
// An error is {"error":"a sentence","code":"port_in_use"}, with one of the codes
// of [backend.Code].
//
// Who may connect: on Linux and macOS the socket lies in a folder that only its
// user can enter, and the uid at the other end is checked; on Windows the named
// pipe is open to the user's SID alone.
package control
