// Package relay copies bytes between the two connections of a session, until
// both directions have ended:
//
//	var s relay.Session
//	go s.Copy(client, upstream, &down, nil, nil)
//	s.Copy(upstream, client, &up, nil, nil)
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

// Session is what the two directions of a session know of each other.
type Session struct {
	ended  atomic.Int32 // directions that have ended well
	over   atomic.Int32 // directions that are not copied any more
	broken atomic.Bool  // a direction has failed
	limit  atomic.Pointer[time.Timer]
}

// Copy copies one direction of the session, from src to dst, until its end, and
// counts the bytes that it delivers. The errors are what src and dst have said
// already: [io.EOF] is the end of src. It is to be called once for each of the
// two directions; the second that returns has closed both connections.
func (s *Session) Copy(dst, src *Conn, count *atomic.Int64, readErr, writeErr error) {
	if readErr == nil && writeErr == nil {
		readErr, writeErr = copyBytes(dst, src, count)
	}
	if writeErr == nil && errors.Is(readErr, io.EOF) && s.isEnd(src) {
		if s.ended.Add(1) < 2 { // else closing both is the end for either side
			writeErr = dst.CloseWrite()
		}
		readErr = nil
	}
	if readErr != nil || writeErr != nil {
		s.fail(dst, src, readErr, writeErr)
	}
	if s.over.Add(1) == 2 {
		s.close(dst, src)
	}
}

// fail ends a session of which the direction from src to dst has failed.
func (s *Session) fail(dst, src *Conn, readErr, writeErr error) {
	s.broken.Store(true)
	switch {
	case errors.Is(readErr, net.ErrClosed), errors.Is(writeErr, net.ErrClosed):
		reset(dst, src)
	case writeErr != nil:
		// Nothing more can go to dst, but what came from dst before may still be
		// on its way to src. The other direction delivers that, finds the failure
		// behind it, and cuts. It must not wait for ever, though, for a src that
		// itself waits until somebody reads from it.
		if before := s.limit.Swap(time.AfterFunc(sentLimit, func() { reset(dst, src) })); before != nil {
			before.Stop()
		}
	default:
		dst.waitSent()
		if errors.Is(readErr, io.EOF) {
			src.waitSent() // it is dst that failed, as the other direction has found
		}
		reset(dst, src)
	}
}

// close closes both connections, when neither direction is copied any more.
func (s *Session) close(a, b *Conn) {
	if t := s.limit.Load(); t != nil {
		t.Stop()
	}
	if s.broken.Load() { // perhaps after one direction had ended well, with its last bytes still under way
		a.waitSent()
		b.waitSent()
		reset(a, b)
	}
	a.Close()
	b.Close()
}

// copyBytes copies from src to dst until src ends, which is [io.EOF], or either fails.
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
		case n == 0:
			return err, nil
		}
		count.Add(int64(n))
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
func (s *Session) isEnd(src *Conn) bool {
	return !s.broken.Load() && (src.writeEnded.Load() || !src.wasReset())
}

// reset ends both sides with a reset.
func reset(a, b *Conn) {
	a.Reset()
	b.Reset()
}
