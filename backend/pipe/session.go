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

// admit starts a session for conn, if its source is one to be served.
func (f *Forwarder) admit(accepted net.Conn) {
	conn := relay.NewConn(accepted)
	source := listen.AddrPort(conn.RemoteAddr()).Addr()
	clients := &f.clients
	if !listen.IsLocal(source, listen.AddrPort(conn.LocalAddr()).Addr()) {
		others := f.others.Load()
		if !listen.Serves(others.share, source) {
			f.refuse(conn, "refused a connection from another machine", "source", source.Unmap(), "share", others.share)
			return
		}
		listen.SetOtherMachine(accepted)
		clients = others.clients
	}
	if clients.Add(conn) {
		f.config.Counters.open.Add(1)
		f.sessions.Go(func() {
			f.serve(conn)
			clients.Remove(conn)
			f.config.Counters.open.Add(-1)
		})
	}
}

// refuse resets a connection and counts it. The log hears of each reason once a
// minute.
func (f *Forwarder) refuse(conn *relay.Conn, why string, attributes ...any) {
	conn.Reset()
	refused := f.config.Counters.refused.Add(1)
	f.refusing.Lock()
	defer f.refusing.Unlock()
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
		client.Close() // it has nothing to say
		return
	case err != nil:
		client.Reset()
		return
	case first[0] != 5 && first[0] != 4:
		f.refuse(client, "refused a client that does not speak SOCKS")
		return
	}
	f.config.Counters.total.Add(1)
	w := warm.NewWindow(client, first[:n])
	target, upstream := f.open(w)
	if upstream == nil {
		w.Abandon()
	}
	up, down := w.Delivered()
	f.config.Counters.up.Add(up)
	f.config.Counters.down.Add(down)
	if upstream != nil {
		relay.Copy(client, upstream, &f.config.Counters.up, &f.config.Counters.down)
		target.dialer.Release(upstream)
	}
}

// open connects a session to the remote, and to the next one as long as the
// remote is switched at its beginning. The upstream is nil if there is none.
func (f *Forwarder) open(w *warm.Window) (*target, *relay.Conn) {
	for t := f.target.Load(); t != nil; {
		upstream, err := t.dialer.Open(w)
		if err == nil {
			return t, upstream
		}
		next := f.target.Load()
		if next == t || !w.MayMove() {
			break
		}
		t = next
	}
	return nil, nil
}
