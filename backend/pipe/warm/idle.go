package warm

import (
	"context"
	"io"
	"net"
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

	done chan struct{} // closed when the goroutine has ended; then err is set
	err  error         // it cannot be used
}

// refill makes the idle upstreams that are lacking, one after another, so that
// the remote hears of them in the order in which they are used.
func (d *Dialer) refill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pool.isFilling || !d.makeOne() {
		return
	}
	d.pool.isFilling = true
	d.tasks.Go(func() {
		for isFilling := true; isFilling; {
			select {
			case <-time.After(dialGap):
			case <-d.ctx.Done():
			}
			d.mu.Lock()
			isFilling = d.makeOne()
			d.pool.isFilling = isFilling
			d.mu.Unlock()
		}
	})
}

// makeOne starts to make an idle upstream if one is lacking.
func (d *Dialer) makeOne() bool {
	greets, isLacking := d.pool.lacking(time.Now())
	if !isLacking || d.ctx.Err() != nil {
		return false
	}
	ctx, cancel := context.WithCancel(d.ctx)
	one := &idle{greets: greets, born: time.Now().Round(0), cancel: cancel, done: make(chan struct{})}
	d.pool.idle = append(d.pool.idle, one)
	d.tasks.Go(func() { d.keep(ctx, one) })
	return true
}

// keep makes an idle upstream, and closes it when its time is over, the remote
// closes it, or ctx ends, unless a session has taken it before.
func (d *Dialer) keep(ctx context.Context, one *idle) {
	defer one.cancel()
	defer close(one.done)
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := d.dial(dialCtx)
	if err == nil && one.greets {
		err = d.greet(ctx, conn, answerLimit)
	}
	if err == nil && !d.hand(one, conn) {
		err = d.watch(ctx, one)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pool.remove(one)
	if one.err = err; err != nil && ctx.Err() == nil {
		d.pool.noteFailure(time.Now())
	}
	if conn != nil && (err != nil || !one.isTaken) {
		d.drop(conn)
	}
}

// hand gives the connection to whom took the idle upstream while it was made, or
// else to whom will. It reports whether it was taken.
func (d *Dialer) hand(one *idle, conn *relay.Conn) (taken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one.conn = conn
	if !one.isTaken {
		conn.SetReadDeadline(one.born.Add(lifetime)) // take and ctx make it sooner
	}
	return one.isTaken
}

// watch returns nil when the idle upstream was taken or its time is over, and an
// error if it was lost before, or the remote has said something.
func (d *Dialer) watch(ctx context.Context, one *idle) error {
	defer context.AfterFunc(ctx, func() { interrupt(one.conn) })()
	n, err := one.conn.Read(make([]byte, 1))
	switch {
	case n > 0:
		return errUnexpected
	case !isTimeout(err):
		return err
	default:
		return nil
	}
}

// take takes an idle upstream for the session of w, and waits until it is ready.
// It returns nil if there is none, or it has failed.
func (d *Dialer) take(w *Window) *idle {
	greets := w.begins(d.config.Handshake.Greeting)
	d.mu.Lock()
	now := time.Now()
	d.pool.note(now, greets)
	one, inTheWay := d.pool.take(now, greets)
	if one != nil {
		one.isTaken = true
		if one.conn != nil {
			interrupt(one.conn)
		}
	}
	d.mu.Unlock()
	dismiss(inTheWay)
	if one == nil {
		return nil
	}
	stop := w.whileConnecting(one.cancel)
	<-one.done
	stop()
	if one.err != nil || d.ctx.Err() != nil {
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

// greet says the greeting, and reads its answer, which must be the expected one.
func (d *Dialer) greet(ctx context.Context, conn *relay.Conn, limit time.Duration) error {
	conn.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(longAgo) })
	_, err := conn.Write(d.config.Handshake.Greeting)
	answer := make([]byte, len(d.config.Handshake.Answer))
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if !stop() {
		return ctx.Err()
	}
	conn.SetDeadline(time.Time{})
	if err == nil && string(answer) != string(d.config.Handshake.Answer) {
		return errUnexpected
	}
	return err
}

// dial dials the remote. The connection ends with the Dialer at the latest.
func (d *Dialer) dial(ctx context.Context) (*relay.Conn, error) {
	dialled, err := d.config.Dial(ctx)
	if err != nil {
		return nil, err
	}
	conn := relay.NewConn(dialled)
	if !d.conns.Add(conn) {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// drop resets an upstream.
func (d *Dialer) drop(conn *relay.Conn) {
	d.conns.Remove(conn)
	conn.Reset()
}
