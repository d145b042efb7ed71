// Package backend is the vocabulary that the rest of Mycoproxy speaks: the
// [State] of the service, the [Proxy] it found, the [Verdict] of a probe, the
// [Error] a user reads, and [Backend], the interface through which everything
// is seen and controlled.
//
// Backend has two implementations: the engine (package backend/engine) and the
// client of its control socket (package backend/control). The command line and
// the tray see only the interface, so they need not know in which process the
// work is done.
//
// Words: a peer is a node's overlay address; a proxy is a SOCKS5 server at a
// peer; a probe is one check of one peer; a scan probes all
// peers once; the verdict is what a probe found; the remote is the chosen
// proxy; a stream is one forwarded connection; the node is the Mycelium daemon.
package backend
