// Package pipe listens on the local port and forwards every session, byte for
// byte, to one remote:
//
//	l, err := listen.Bind(netip.MustParseAddrPort("[::]:1080"))
//	...
//	f := pipe.New(l, pipe.Config{})
//	f.Switch(remote)
//	err = f.Serve() // until f.Close
//
// The listener outlives the remote. [Forwarder.Switch] changes the target and
// cuts the sessions to the old one; nothing is bound anew, so the port never
// refuses in between.
//
// A session is one accepted connection and its upstream, the connection to the
// remote. It has a beginning and a rest. In the beginning, on one goroutine, its
// source is checked (package listen), its client must say the first byte of
// SOCKS, and it gets an upstream (package warm). Nothing is dialled for a client
// that has not spoken or speaks something else, so that no web page reaches the
// remote. The rest is [relay.Copy]: each direction is copied by itself, an end is
// passed on as such, and a failure as a reset.
//
// Of SOCKS the package reads the greeting and the length of the request, and
// says none of it: a client authenticates itself with the remote. It keeps no
// byte and no destination.
package pipe
