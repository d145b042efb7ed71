// Package scan finds the proxies among the peers and picks the fastest.
//
// A [Prober] greets one peer as a SOCKS5 client would (RFC 1928, section 3) and
// gives its verdict. [Prober.Round] probes many, a bounded number at a time,
// [Prober.Race] picks the one that answers first, and [Prober.Confirm] asks a
// suspect again before it is called gone. A [Table] keeps what the probes found.
//
// Only the greeting 05 01 00 is ever sent: offered a password as well, several
// real servers choose it and would look locked.
package scan
