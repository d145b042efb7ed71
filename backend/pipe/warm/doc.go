// Package warm connects sessions to one remote sooner than a dial does. A
// [Dialer] keeps idle upstreams while sessions come: connections that are dialled
// already, and on some of which the SOCKS greeting has been answered.
//
//	d := warm.New(warm.Config{Dial: dial, Handshake: handshake})
//	d.Keep(warm.Greeted)
//	w := warm.NewWindow(client, first) // what the client has said so far
//	upstream, err := d.Open(w)
//	// nil: client and upstream are to be connected to each other now
//
// Client and remote see the very bytes that they would see without. An idle
// upstream may have died unnoticed, though, so its session begins with a replay
// window (see [Window]): what the client says is recorded, and said again on
// another upstream if the first one is lost before it has said anything. At most
// the greeting and the request are said twice, and never to two remotes, but for
// a greeting that offers no password. An upstream that any client has used, or
// on which anything unexpected has come, is never given to another client.
//
// A remote may serve one connection at a time. So sessions take idle upstreams in
// the order in which those were dialled; older ones that do not suit are closed
// first, and while a session dials for itself there are none.
package warm
