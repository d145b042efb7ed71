// Package mycelium reads a Mycelium node's HTTP API: routes and keys in, the
// addresses of the other nodes out.
//
// The node lists routes, each to a /64 of the overlay, and knows the public key
// behind each. A node's own address is not in any answer; it is derived from
// the key (see [Address]).
package mycelium
