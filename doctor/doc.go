// Package doctor looks for what can be wrong with Mycoproxy on this machine, and
// says how to mend it: [Run] makes all checks of a [Subject] at the same time.
//
// It leaves everything as it was. The one thing that it sends through the remote
// is a SOCKS5 CONNECT to the remote's own address, so that nobody else hears of it.
package doctor
