package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// reserves are the spare connections for streams that goroutines carry.
type reserves struct {
	mu     sync.Mutex
	spares spares[*reserve]
	target *target // of all in it
	proven bool    // a stream's own dial of the target has succeeded
	last   *reserve
	ways   int // of streams that connect by themselves: a new spare could be in their way
}

// reserve is a spare connection, or one in the making. A goroutine of its own
// makes it, and watches it until a stream takes it or its time is over.
type reserve struct {
	target *target
	greets bool
	born   time.Time
	cancel context.CancelFunc // ends the making and the watching

	// Under the lock of reserves until done is closed, then of whom took it.
	conn    net.Conn
	isTaken bool

	dialled chan struct{} // closed when the next one may be dialled
	done    chan struct{} // closed when the goroutine has ended; then these are set
	err     error         // it cannot be used
	answer  []byte        // to the opening
	early   []byte        // what the remote said of itself after that
}

// dialGap is how much later than another a spare is dialled at most, so that the
// remote gets them in the order in which they are used.
const dialGap = 5 * time.Millisecond

// errUnexpected is an answer to the opening with which nothing can go on.
var errUnexpected = errors.New("an unexpected answer to the opening")

// refill makes the spares that are lacking. The remote must have accepted a
// stream's own dial before.
func (f *Forwarder) refill() {
	r := &f.reserves
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.proven || r.ways > 0 || r.target != f.target.Load() || f.ctx.Err() != nil {
		return
	}
	greeted, dialled := r.spares.lacking(time.Now(), Spares(f.spareKind.Load()))
	for i := range greeted + dialled {
		ctx, cancel := context.WithCancel(r.target.ctx)
		one := &reserve{
			target: r.target, greets: i < greeted, born: time.Now(), cancel: cancel,
			dialled: make(chan struct{}), done: make(chan struct{}),
		}
		r.spares.add(one.born, one, one.greets)
		before := r.last
		r.last = one
		f.streams.Go(func() { f.keep(ctx, one, before) })
	}
}

// keep makes the spare, and closes it when its time is over, the remote closes
// it, or ctx ends, unless a stream has taken it before.
func (f *Forwarder) keep(ctx context.Context, one, before *reserve) {
	defer one.cancel()
	defer close(one.done)
	conn, err := f.makeSpare(ctx, one, before)

	r := &f.reserves
	r.mu.Lock()
	one.conn = conn
	watched := err == nil && !one.isTaken
	if watched {
		conn.SetReadDeadline(one.born.Add(spareLifetime)) // take and ctx make it sooner
	}
	r.mu.Unlock()
	failed := err != nil
	if watched {
		stop := context.AfterFunc(ctx, func() { interrupt(conn) })
		var b [1]byte
		var n int
		if n, err = conn.Read(b[:]); n > 0 || isTimeout(err) {
			one.early, err = b[:n], nil
		}
		stop()
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	one.err = err
	if failed && ctx.Err() == nil {
		r.spares.rest(time.Now())
	}
	if r.spares.remove(one); !one.isTaken && conn != nil {
		conn.Close()
	}
}

// makeSpare dials the remote, and says the opening if the spare is to. A remote
// that serves one connection at a time gets to hear of it after the one before.
func (f *Forwarder) makeSpare(ctx context.Context, one, before *reserve) (net.Conn, error) {
	if before != nil {
		<-before.dialled
	}
	done := sync.OnceFunc(func() { close(one.dialled) })
	defer time.AfterFunc(dialGap, done).Stop()
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := f.Dial(dialCtx, "tcp", one.target.remote.String())
	if done(); err != nil {
		return nil, err
	}
	if one.greets {
		one.answer = f.Opening.Answer
		err = f.greet(ctx, conn, answerLimit)
	}
	return conn, err
}

// greet says the opening, and reads its answer, which must be the expected one.
func (f *Forwarder) greet(ctx context.Context, conn net.Conn, limit time.Duration) error {
	conn.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })
	_, err := conn.Write(f.Opening.Sent)
	answer := make([]byte, len(f.Opening.Answer))
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if !stop() {
		return ctx.Err()
	}
	conn.SetDeadline(time.Time{})
	if err == nil && string(answer) != string(f.Opening.Answer) {
		return errUnexpected
	}
	return err
}

// takeSpare takes a spare for a stream that begins with first, and waits until
// it is ready. It returns nil if there is none, it has failed, or ctx ends.
func (f *Forwarder) takeSpare(ctx context.Context, first []byte) *reserve {
	r := &f.reserves
	r.mu.Lock()
	one, inTheWay, found := r.spares.take(time.Now(), f.Opening.begins(first))
	if found {
		one.isTaken = true
		if one.conn != nil {
			interrupt(one.conn)
		}
	}
	r.mu.Unlock()
	dismiss(inTheWay)
	if !found {
		return nil
	}
	stop := context.AfterFunc(ctx, one.cancel)
	<-one.done
	stop()
	if one.err == nil && one.target.ctx.Err() == nil && ctx.Err() == nil {
		one.conn.SetReadDeadline(time.Time{})
		f.refill() // not before: a new one could be in its way
		return one
	}
	if one.conn != nil {
		reset(one.conn)
	}
	return nil
}

// dismiss closes the spares.
func dismiss(all []*reserve) {
	for _, one := range all {
		one.cancel()
	}
	for _, one := range all {
		<-one.done
	}
}

// clearReserves closes all spares.
func (f *Forwarder) clearReserves() {
	f.reserves.mu.Lock()
	all := f.reserves.spares.clear()
	f.reserves.mu.Unlock()
	dismiss(all)
}

// makeWay closes all spares, and keeps new ones from being made until done is
// called, for a stream that connects by itself.
func (f *Forwarder) makeWay() (done func()) {
	f.reserves.mu.Lock()
	f.reserves.ways++
	f.reserves.mu.Unlock()
	f.clearReserves()
	return func() {
		f.reserves.mu.Lock()
		f.reserves.ways--
		f.reserves.mu.Unlock()
		f.refill()
	}
}

// noteDial takes note of how a stream's own dial of the target went. Spares of
// another target have ended with that.
func (f *Forwarder) noteDial(t *target, err error) {
	r := &f.reserves
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case t != f.target.Load():
		return
	case t != r.target:
		r.spares.clear()
		r.target, r.spares.restUntil = t, time.Time{}
	}
	r.proven = err == nil
}

// noteStream counts a stream among those who want spares.
func (f *Forwarder) noteStream(first []byte) {
	f.reserves.mu.Lock()
	f.reserves.spares.note(time.Now(), f.Opening.begins(first))
	f.reserves.mu.Unlock()
}

// onEnd calls f, on a goroutine of its own, when one of the contexts ends, unless
// stop is called before.
func onEnd(f func(), contexts ...context.Context) (stop func()) {
	var stops []func() bool
	for _, ctx := range contexts {
		stops = append(stops, context.AfterFunc(ctx, f))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// interrupt makes a read of c that is under way, and those after it, time out.
func interrupt(c net.Conn) { c.SetReadDeadline(longAgo) }

// isTimeout is false for the system's own, of a connection that is dead.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
