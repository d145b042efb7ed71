package pipe

import (
	"io"
	"net"
	"sync"
	"time"

	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/relay"
	"mycoproxy/backend/pipe/warm"
)

const refusalLogGap = time.Minute

// admit starts a session for an accepted connection, if its client is to be served.
func (f *Forwarder) admit(accepted net.Conn) {
	client := relay.NewConn(accepted)
	f.clients.Add(client)
	if !f.serves(client) { // asked behind Add, or a change between the two would miss it
		source := listen.AddrPort(client.RemoteAddr()).Addr()
		f.refuse(client, "refused a connection from another machine", "source", source)
		return
	}
	f.config.Counters.open.Add(1)
	f.sessions.Go(func() {
		f.serve(client)
		f.config.Counters.open.Add(-1)
	})
}

// refuse resets a connection and counts it. The log hears of each reason once a
// minute.
func (f *Forwarder) refuse(client *relay.Conn, why string, attributes ...any) {
	client.Reset()
	refused := f.config.Counters.refused.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.refusals[why]) >= refusalLogGap {
		f.refusals[why] = now
		f.config.Log.Warn(why, append(attributes, "refused in all", refused)...)
	}
}

// serve is a session: from the client's first byte to the end of both
// directions. One goroutine hears the client all the time; as soon as that has
// spoken, another one connects to the remote, and hears that.
func (f *Forwarder) serve(client *relay.Conn) {
	defer client.Close()
	first := make([]byte, warm.ReadSize)
	n, err := client.Read(first)
	switch {
	case err == io.EOF:
		return // it had nothing to say
	case err != nil:
		client.Reset()
		return
	case first[0] != 5 && first[0] != 4: // the versions of SOCKS
		f.refuse(client, "refused a client that does not speak SOCKS")
		return
	}
	counters := f.config.Counters
	counters.total.Add(1)
	var session relay.Session
	w := warm.NewWindow(client, first[:n], &counters.up, &counters.down)
	var other sync.WaitGroup
	other.Go(func() {
		growStack(0)
		if upstream, readErr, writeErr := f.open(w); upstream != nil {
			other.Go(func() { // on a small stack, since it may wait for long
				session.Copy(client, upstream, &counters.down, readErr, writeErr)
			})
		}
	})
	if upstream, readErr, writeErr := w.Listen(); upstream != nil {
		session.Copy(upstream, client, &counters.up, readErr, writeErr)
	}
	other.Wait()
}

// open connects a session to the remote, and to the next one for as long as the
// remote is switched at its beginning. If there is none, the session is over.
func (f *Forwarder) open(w *warm.Window) (upstream *relay.Conn, readErr, writeErr error) {
	for d := f.dialer.Load(); d != nil; {
		upstream, readErr, writeErr = d.Open(w)
		if upstream != nil {
			return upstream, readErr, writeErr
		}
		f.config.Log.Debug("a session got no upstream", "remote", d.Remote, "error", readErr)
		next := f.dialer.Load()
		if next == d || !w.MayMove() {
			break
		}
		d = next
	}
	w.Abandon()
	return nil, nil, nil
}

// growStack makes the stack of a new goroutine as large as a dial needs while
// nothing is on it. Grown step by step and copied each time, it would cost
// 7 % of a short session.
//
//go:noinline
func growStack(i int) byte {
	var frame [3 << 10]byte
	frame[i] = 1
	return frame[i/2]
}
