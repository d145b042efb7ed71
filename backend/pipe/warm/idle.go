package warm

import (
	"bytes"
	"context"
	"slices"
	"time"

	"mycoproxy/backend/pipe/relay"
)

// idle is an idle upstream, or one in the making. A goroutine of its own makes
// it, and watches it until a session takes it or its time is over.
type idle struct {
	greets bool      // the greeting of the handshake is answered on it
	born   time.Time // by the clock on the wall, which goes on while the machine sleeps
	cancel context.CancelFunc

	// Under the lock of the Dialer until done is closed, then of whom took it.
	conn    *relay.Conn
	isTaken bool
	err     error // it cannot be used
	done    chan struct{}
}

// refill makes an idle upstream if one is lacking, and then the next.
func (d *Dialer) refill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	greets, isLacking := d.pool.lacking(now)
	if !isLacking || d.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(d.ctx)
	one := &idle{greets: greets, born: now.Round(0), cancel: cancel, done: make(chan struct{})}
	d.pool.idle, d.pool.lastMade = append(d.pool.idle, one), now
	d.tasks.Go(func() { d.keep(ctx, one) })
	time.AfterFunc(dialGap, d.refill)
}

// keep makes an idle upstream, and closes it when its time is over, the remote
// closes it, or ctx ends, unless a session has taken it before.
func (d *Dialer) keep(ctx context.Context, one *idle) {
	defer one.cancel()
	defer close(one.done)
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := d.dial(dialCtx)
	cancel()
	if err == nil && one.greets {
		err = d.greet(ctx, conn, answerLimit)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if one.conn = conn; err == nil && !one.isTaken {
		conn.SetReadDeadline(one.born.Add(lifetime)) // take and ctx make it sooner
		d.mu.Unlock()
		err = watch(ctx, conn)
		d.mu.Lock()
	}
	d.pool.idle = slices.DeleteFunc(d.pool.idle, func(have *idle) bool { return have == one })
	if one.err = err; err != nil && ctx.Err() == nil {
		d.pool.noteFailure(time.Now())
	}
	if conn != nil && (err != nil || !one.isTaken) {
		conn.Reset()
	}
}

// watch returns nil when the idle upstream was taken or its time is over, and an
// error if it was lost before, or the remote has said something.
func watch(ctx context.Context, conn *relay.Conn) error {
	defer context.AfterFunc(ctx, func() { interrupt(conn) })()
	n, err := conn.Read(make([]byte, 1))
	switch {
	case n > 0:
		return errUnexpected
	case isTimeout(err):
		return nil
	default:
		return err
	}
}

// take takes an idle upstream for the session of w, and waits until it is ready.
// It returns nil if there is none, if it has failed, or if the client has already
// said what could not be said again.
func (d *Dialer) take(w *Window) *idle {
	_, said := w.look()
	if repeatable(said) < len(said) {
		return nil
	}
	greeting := d.config.Handshake.Greeting
	d.mu.Lock()
	one, inTheWay := d.pool.take(time.Now(), len(greeting) > 0 && bytes.HasPrefix(said, greeting))
	if one != nil {
		if one.isTaken = true; one.conn != nil {
			interrupt(one.conn)
		}
	}
	d.mu.Unlock()
	dismiss(inTheWay)
	if one == nil {
		return nil
	}
	w.waitFor(one.cancel)
	<-one.done
	if w.waitFor(nil); one.err != nil || d.ctx.Err() != nil {
		return nil
	}
	one.conn.SetReadDeadline(time.Time{})
	d.refill() // not before: a new one could be in its way
	return one
}

// dismiss closes idle upstreams.
func dismiss(all []*idle) {
	for _, one := range all {
		one.cancel()
	}
	for _, one := range all {
		<-one.done
	}
}

// dismissAll closes all idle upstreams.
func (d *Dialer) dismissAll() {
	d.mu.Lock()
	all := d.pool.clear()
	d.mu.Unlock()
	dismiss(all)
}
