// Package listen binds the local port and says whom it serves:
//
//	l, err := listen.Bind(netip.MustParseAddrPort("[::]:1080"))
//	if err != nil {
//		return listen.Explain(addr, err) // a sentence, with the program that holds the port
//	}
//	reached, early := listen.SelfTest(ctx, l)
//
// [IsLocal] and [Serves] are the access policy: a connection from this machine
// is always served, one from another machine as [backend.Share] says.
package listen
