// Package relay copies bytes between two connections, both ways, until both
// directions have ended:
//
//	relay.Copy(client, upstream, &up, &down)
//
// An end of one direction is passed on as a half-close, and the other direction
// goes on. Where a direction fails, both connections are reset, so that neither
// side takes a broken session for a finished one; what came before the failure
// is delivered first, within 5 seconds. A connection that is closed meanwhile, as
// [Conns.Cut] does, ends the session at once.
//
// A direction that waits holds no buffer, and on Linux the kernel moves bulk by
// itself (splice(2)).
package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

const sentLimit = 5 * time.Second // for how long a side may be behind before its rest is dropped

// session is two connections and how far they have come.
type session struct {
	client, upstream *Conn
	ended            atomic.Int32 // directions that have ended well
	broken           atomic.Bool  // a direction has failed
	limit            atomic.Pointer[time.Timer]
}

// Copy copies from client to upstream, counting the bytes that it delivers in
// up, and from upstream to client, counting them in down, until both directions
// have ended or the session is broken. Then it closes both.
func Copy(client, upstream *Conn, up, down *atomic.Int64) {
	s := &session{client: client, upstream: upstream}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.copy(upstream, client, up)
	}()
	s.copy(client, upstream, down)
	<-done
	if t := s.limit.Load(); t != nil {
		t.Stop()
	}
	if s.broken.Load() { // perhaps after one direction had ended well, with its last bytes still under way
		client.waitSent()
		upstream.waitSent()
		s.cut()
	}
	client.Close()
	upstream.Close()
}

// copy copies one direction until its end, and passes that on. It is a named
// method so that a goroutine dump reads well.
func (s *session) copy(dst, src *Conn, count *atomic.Int64) {
	readErr, writeErr := copyBytes(dst, src, count)
	if readErr == nil && writeErr == nil && s.isEnd(src) {
		if s.ended.Add(1) == 2 {
			return // Copy closes both connections, which is the end for either side
		}
		if writeErr = dst.CloseWrite(); writeErr == nil {
			return
		}
	}
	s.broken.Store(true)
	switch {
	case errors.Is(readErr, net.ErrClosed), errors.Is(writeErr, net.ErrClosed):
		s.cut()
	case writeErr != nil:
		// Nothing more can go to dst, but what came from dst before may still be
		// on its way to src. The other direction delivers that, finds the failure
		// behind it, and cuts. It must not wait for ever, though, for a src that
		// itself waits until somebody reads from it.
		if before := s.limit.Swap(time.AfterFunc(sentLimit, s.cut)); before != nil {
			before.Stop()
		}
	default:
		dst.waitSent()
		src.waitSent() // the other direction may have found the failure first
		s.cut()
	}
}

// copyBytes copies from src to dst until src ends, without errors, or either fails.
func copyBytes(dst, src *Conn, count *atomic.Int64) (readErr, writeErr error) {
	for {
		n, err := src.fill()
		if n > 0 {
			_, writeErr = dst.Write(src.buffer[:n])
		}
		src.release()
		switch {
		case writeErr != nil:
			return nil, writeErr
		case n > 0:
			count.Add(int64(n))
		case errors.Is(err, io.EOF):
			return nil, nil
		default:
			return err, nil
		}
		if n >= bulk && dst.raw != nil && src.raw != nil {
			if readErr, writeErr = splice(dst, src, count); readErr != nil || writeErr != nil {
				return readErr, writeErr
			}
		}
	}
}

// isEnd reports whether a read of no bytes from src was its end. The system
// tells of a reset once, to whoever reads or writes next: if the other direction
// was told, a read looks like an end.
func (s *session) isEnd(src *Conn) bool {
	return !s.broken.Load() && (src.writeEnded.Load() || !src.wasReset())
}

// cut ends both sides with a reset.
func (s *session) cut() {
	s.client.Reset()
	s.upstream.Reset()
}
