package pipe

import (
	"io"
	"net"
	"time"

	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/relay"
	"mycoproxy/backend/pipe/warm"
)

const (
	refusalLogGap = time.Minute
	firstRead     = 512 // bytes, which hold a greeting and a request
)

// admit starts a session for an accepted connection, if its source is one to be
// served.
func (f *Forwarder) admit(accepted net.Conn) {
	client, clients := relay.NewConn(accepted), &f.clients
	source := listen.AddrPort(client.RemoteAddr()).Addr()
	if !listen.IsLocal(source, listen.AddrPort(client.LocalAddr()).Addr()) {
		others := f.others.Load()
		if !listen.Serves(others.share, source) {
			f.refuse(client, "refused a connection from another machine", "source", source, "share", others.share)
			return
		}
		clients = others.clients
	}
	if clients.Add(client) {
		f.config.Counters.open.Add(1)
		f.sessions.Go(func() {
			f.serve(client)
			clients.Remove(client)
			f.config.Counters.open.Add(-1)
		})
	}
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
// directions.
func (f *Forwarder) serve(client *relay.Conn) {
	first := make([]byte, firstRead)
	n, err := client.Read(first)
	switch {
	case err == io.EOF:
		client.Close() // it had nothing to say
		return
	case err != nil:
		client.Reset()
		return
	case first[0] != 5 && first[0] != 4: // the versions of SOCKS
		f.refuse(client, "refused a client that does not speak SOCKS")
		return
	}
	counters := f.config.Counters
	counters.total.Add(1)
	w := warm.NewWindow(client, first[:n])
	dialer, upstream := f.open(w)
	if upstream == nil {
		w.Abandon()
	}
	up, down := w.Delivered()
	counters.up.Add(up)
	counters.down.Add(down)
	if upstream != nil {
		relay.Copy(client, upstream, &counters.up, &counters.down)
		dialer.Release(upstream)
	}
}

// open connects a session to the remote, and to the next one for as long as the
// remote is switched at its beginning. The upstream is nil if there is none.
func (f *Forwarder) open(w *warm.Window) (*warm.Dialer, *relay.Conn) {
	for t := f.target.Load(); t != nil; {
		upstream, err := t.dialer.Open(w)
		if err == nil {
			return t.dialer, upstream
		}
		f.config.Log.Debug("a session got no upstream", "remote", t.remote, "error", err)
		next := f.target.Load()
		if next == t || !w.MayMove() {
			break
		}
		t = next
	}
	return nil, nil
}
