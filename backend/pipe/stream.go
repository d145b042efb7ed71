package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
)

// stream is one accepted connection and the one dialled for it.
type stream struct {
	client, remote *end
	up, down       begun
	target         *target     // of the spare that it was given
	heard          []byte      // the answer of that, which the client has got
	isOver         bool        // it has ended before the copying
	broken         atomic.Bool // a side is gone without having ended
}

// end is one of its two connections.
type end struct {
	net.Conn
	writeEnded atomic.Bool // we have ended our writing to it
}

// begun is how far a direction has come before it is copied.
type begun struct {
	rest  []byte // read and not written yet
	ended bool   // nothing more will be read
}

// forward serves one accepted connection until both directions have ended, or
// the target's context or ctx has.
func (f *Forwarder) forward(ctx context.Context, client net.Conn) {
	s := &stream{client: &end{Conn: client}}
	target := f.connect(ctx, s)
	if target == nil {
		reset(client)
		return
	}
	defer onEnd(s.cut, target.ctx, ctx)()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.copy(s.remote, s.client, &s.up, &f.Counters.up)
	}()
	s.copy(s.client, s.remote, &s.down, &f.Counters.down)
	<-ended
	if s.broken.Load() { // perhaps after one direction had ended well, with its last bytes still under way
		waitSent(client)
		waitSent(s.remote.Conn)
		s.cut()
	}
	client.Close()
	s.remote.Close()
}

// connect connects the stream to the remote: over a spare that suits what the
// client says first, or over a connection of its own. It returns nil if neither
// can be had, or the stream is not wanted any more.
func (f *Forwarder) connect(ctx context.Context, s *stream) *target {
	if Spares(f.spareKind.Load()) != NoSpares {
		if !f.hear(ctx, s) {
			return nil
		}
		if len(s.up.rest) > 0 {
			f.noteStream(s.up.rest)
		}
		if spare := f.takeSpare(ctx, s.up.rest); spare != nil {
			if f.try(ctx, s, spare) {
				return spare.target
			}
			if s.isOver {
				return nil
			}
		}
		defer f.makeWay()()
	}
	conn, target := f.dialRemote(ctx)
	if conn == nil {
		return nil
	}
	s.remote = &end{Conn: conn}
	if err := f.repeat(ctx, s, target); err != nil {
		reset(conn)
		return nil
	}
	return target
}

// cut ends both sides with a reset.
func (s *stream) cut() {
	reset(s.client.Conn)
	reset(s.remote.Conn)
}

// copy copies one direction until its end, and passes that on. It is a named
// method so that a goroutine dump reads well.
func (s *stream) copy(dst, src *end, d *begun, count *atomic.Int64) {
	if d.ended && dst.writeEnded.Load() {
		return
	}
	readErr, writeErr := d.finish(dst.Conn, src.Conn, count)
	if readErr == nil && writeErr == nil && !s.broken.Load() && (src.writeEnded.Load() || !wasReset(src.Conn)) {
		dst.writeEnded.Store(true)
		if writeErr = closeWrite(dst.Conn); writeErr == nil {
			return
		}
	}
	s.broken.Store(true)
	if writeErr != nil {
		// Nothing more can go to dst, but what came from it before may still be
		// on its way: the other direction delivers that, finds the break behind
		// it, and cuts. It must not wait for ever, though, for a src that itself
		// waits until somebody reads from it.
		time.AfterFunc(sentLimit, s.cut)
		return
	}
	waitSent(dst.Conn)
	waitSent(src.Conn) // the other direction may have found the break first
	s.cut()
}

// finish copies the rest of what was read before, and what comes after.
func (d *begun) finish(dst, src net.Conn, count *atomic.Int64) (readErr, writeErr error) {
	if len(d.rest) > 0 {
		n, err := dst.Write(d.rest)
		count.Add(int64(n))
		if d.rest = nil; err != nil {
			return nil, err
		}
	}
	if d.ended {
		return nil, nil
	}
	return copyBytes(dst, src, count)
}

// dialRemote connects to the remote. If that is switched meanwhile, it starts
// again with the new one. It returns nil if there is none, if it cannot be
// reached, or if stream, whose end makes it useless, has ended.
func (f *Forwarder) dialRemote(stream context.Context) (net.Conn, *target) {
	for {
		target := f.target.Load()
		if !target.remote.IsValid() || f.ctx.Err() != nil || stream.Err() != nil {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(target.ctx, dialTimeout)
		unhook := context.AfterFunc(stream, cancel)
		conn, err := f.Dial(ctx, "tcp", target.remote.String())
		unhook()
		cancel()
		if target.ctx.Err() != nil || stream.Err() != nil {
			if err == nil {
				reset(conn)
			}
			continue
		}
		if err == nil || !backend.IsLocal(err) {
			f.Dialled(target.remote, err)
		}
		f.noteDial(target, err)
		if err != nil {
			f.Log.Debug("dialling the remote failed", "remote", target.remote, "error", err)
			return nil, nil
		}
		return conn, target
	}
}

func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return c.Close()
}

// reset closes a connection in such a way that the other side sees an error
// and not an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

const (
	sentLimit = 5 * time.Second // for how long a side may be behind before its rest is dropped
	sentCheck = 10 * time.Millisecond
)

// waitSent returns when what was written to c has arrived, or could not: a
// reset would throw away what the other side has not been sent yet.
func waitSent(c net.Conn) {
	for end := time.Now().Add(sentLimit); unsent(c) > 0 && time.Now().Before(end); {
		time.Sleep(sentCheck)
	}
}

// copyBuffered copies with a buffer of its own.
func copyBuffered(dst, src net.Conn, count *atomic.Int64) (readErr, writeErr error) {
	buffer := make([]byte, bufferSize)
	for {
		n, err := src.Read(buffer)
		if n > 0 {
			if _, err := dst.Write(buffer[:n]); err != nil {
				return nil, err
			}
			count.Add(int64(n))
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}
