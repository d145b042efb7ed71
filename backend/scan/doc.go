// Package scan finds the proxies among the peers and picks the fastest.
//
// A [Prober] greets one peer as a SOCKS5 client would (RFC 1928, section 3) and
// gives its verdict. [Prober.Round] probes many, a bounded number at a time,
// [Prober.Race] picks the one that answers first, and [Prober.Confirm] probes one
// several times before it counts as gone. A [Table] keeps what the probes found.
//
// Only the greeting 05 01 00 is ever sent. One that offers a password as well
// makes several real servers ask for it although they need none.
package scan
