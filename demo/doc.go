// Package demo shows the whole of Mycoproxy on one machine, without a node, a
// desktop, root rights or a free port 1080: small SOCKS5 servers of its own
// stand in for the overlay's, and the real engine finds them, connects and
// forwards.
package demo
