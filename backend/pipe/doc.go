// Package pipe listens on the local port and forwards every connection, byte
// for byte, to one remote:
//
//	l, err := pipe.Bind(netip.MustParseAddrPort("[::]:1080"))
//	...
//	f := pipe.NewForwarder(l, pipe.Options{})
//	f.Switch(remote)
//	err = f.Serve() // until f.Close
//
// The listener outlives the remote. [Forwarder.Switch] changes an atomic target
// and closes the streams to the old one; nothing is bound anew, so the port
// never refuses in between.
//
// A stream is one accepted connection and the one dialled for it. Its source is
// checked first (see [backend.Share]); nothing is dialled for one that is
// refused. Then each direction is copied by itself: an end of one is passed on
// as such and the other goes on. Where a direction ends with an error, or the
// stream is cut by Switch or Close, both connections are reset, so that neither
// side takes a broken stream for a finished one. What came before an error is
// delivered first, within 5 seconds. A side that ends well but is sent more by
// the other after that counts as broken too: on the safe side. Only Linux tells
// in every case an end from a break that the other direction heard of first.
//
// While streams come, spare connections to the remote are kept (see [Spares]).
// A stream that is given one sees, and so does the remote, the very
// bytes that it would have seen over a connection of its own.
//
// The package knows nothing of SOCKS: a client talks to the remote, and
// authenticates itself there. It keeps no byte and no destination.
package pipe
