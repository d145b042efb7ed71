package pipe

import (
	"context"
	"errors"
	"io"
	"time"
)

const chunk = 4 << 10 // bytes read at once before a stream has its connection for good

// hear reads what the client says first, for as long as that can decide on the
// connection it is given. It returns false if the client is gone.
func (f *Forwarder) hear(ctx context.Context, s *stream) bool {
	defer onEnd(func() { reset(s.client.Conn) }, ctx, f.ctx)()
	s.client.SetReadDeadline(time.Now().Add(firstBytesLimit))
	defer s.client.SetReadDeadline(time.Time{})
	buffer := make([]byte, chunk)
	n, err := s.client.Read(buffer)
	s.up.rest = buffer[:n]
	s.up.ended = errors.Is(err, io.EOF)
	return err == nil || isTimeout(err) || s.up.ended && !wasReset(s.client.Conn)
}

// try lets the stream use the spare. It returns false, with all that the client
// said as the rest, if the spare fails before anything has come back from it:
// then another connection can take its place, unless the stream is over.
func (f *Forwarder) try(ctx context.Context, s *stream, spare *reserve) bool {
	s.remote, s.target = &end{Conn: spare.conn}, spare.target
	t := &trial{stream: s, said: s.up.rest}
	if spare.greets {
		n, err := s.client.Write(spare.answer)
		f.Counters.down.Add(int64(n))
		s.heard, s.isOver = spare.answer, err != nil
		t.answered = len(f.Opening.Sent)
		t.written = t.answered
	}
	if !s.isOver {
		t.run(ctx, spare)
	}
	if s.isOver || t.spareLost {
		if ctx.Err() != nil || spare.target.ctx.Err() != nil {
			s.isOver = true
		}
		if s.isOver {
			f.Counters.up.Add(int64(t.written))
			waitSent(spare.conn)
		}
		reset(spare.conn)
		s.up.rest = t.said
		return false
	}
	f.Counters.up.Add(int64(t.written))
	s.up.rest, s.down.rest = t.said[t.written:], t.back
	return true
}

// trial is the time in which a stream that is on a spare can still be given
// another connection.
type trial struct {
	*stream
	said     []byte // all that the client has said
	answered int    // bytes of it that have had their answer
	written  int    // bytes of it that the spare was sent
	back     []byte // what has come back

	spareLost bool
}

// run ends when something has come back, the client has said more than is kept,
// or one side is gone.
func (t *trial) run(ctx context.Context, spare *reserve) {
	client, remote := t.client.Conn, spare.conn
	defer onEnd(t.cut, ctx, spare.target.ctx)()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if goesOn := t.send(); !goesOn {
			interrupt(remote)
		}
	}()
	t.back = spare.early
	var err error
	if len(t.back) == 0 {
		buffer := make([]byte, chunk)
		var n int
		n, err = remote.Read(buffer)
		t.back = buffer[:n]
	}
	interrupt(client)
	remote.SetWriteDeadline(longAgo) // so little was written that it hardly ever waits
	<-sent
	client.SetReadDeadline(time.Time{})
	remote.SetDeadline(time.Time{})
	switch {
	case len(t.back) > 0:
		t.spareLost = false // the stream is to see how it goes on
	case errors.Is(err, io.EOF) && t.up.ended && len(t.said) == t.answered:
		t.down.ended = true // nothing was asked
	case err != nil && !isTimeout(err):
		t.spareLost = true
	}
}

// send sends the spare what the client says, until it is interrupted or the
// client has ended. It returns false if there is nothing to be waited for any
// more.
func (t *trial) send() (goesOn bool) {
	buffer := make([]byte, chunk)
	for {
		var n int
		var err error
		if t.written < len(t.said) {
			n, err = t.remote.Write(t.said[t.written:])
			t.written += n
		}
		switch {
		case isTimeout(err):
			return true
		case err != nil:
			t.spareLost = true
			return false
		case t.up.ended:
			t.remote.writeEnded.Store(closeWrite(t.remote.Conn) == nil)
			return true
		case len(t.said) >= replayLimit:
			return false
		}
		n, err = t.client.Read(buffer)
		t.said = append(t.said, buffer[:n]...)
		switch {
		case err == nil:
		case isTimeout(err):
			return true
		case errors.Is(err, io.EOF) && !wasReset(t.client.Conn):
			t.up.ended = true
		default:
			t.isOver = true
			return false
		}
	}
}

// repeat says to another connection what the client has heard the answer to,
// from the same target.
func (f *Forwarder) repeat(ctx context.Context, s *stream, target *target) error {
	switch {
	case len(s.heard) == 0:
		return nil
	case target != s.target:
		return context.Canceled
	}
	targetCtx, cancel := context.WithCancel(target.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	err := f.greet(targetCtx, s.remote.Conn, replacementLimit)
	said := len(f.Opening.Sent)
	s.up.rest = s.up.rest[said:]
	f.Counters.up.Add(int64(said))
	return err
}
