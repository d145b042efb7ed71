// Package warm connects sessions to one remote sooner than a dial does. A
// [Dialer] keeps idle upstreams while sessions come: connections that are dialled
// already, and on some of which the SOCKS greeting has been answered.
//
//	d := warm.New(warm.Config{Dial: dial, Handshake: handshake})
//	d.Keep(warm.Greeted)
//	w := warm.NewWindow(client, first) // what the client has said so far
//	upstream, err := d.Open(w)         // nil: each is connected to the other now
//
// Client and remote see the very bytes that they would see without. An idle
// upstream may have died unnoticed, though, so its session begins with a replay
// window (see [Window]). An upstream that any client has used, or on which
// anything unexpected has come, is never given to another client.
//
// A remote may serve one connection at a time. So sessions take idle upstreams in
// the order in which those were dialled; older ones that do not suit are closed
// first, and while a session dials for itself there are none.
package warm

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"mycoproxy/backend/pipe/relay"
)

const (
	dialTimeout = 10 * time.Second
	answerLimit = 2 * time.Second // for the answer to the greeting of an idle upstream
	redialLimit = 5 * time.Second // for the same where a session waits for it
)

// errUnexpected is a word of the remote with which no session can go on.
var errUnexpected = errors.New("the remote says something unexpected")

// Kind is which idle upstreams a [Dialer] keeps while sessions come.
type Kind int32

const (
	None    Kind = iota
	Dialled      // connections on which nothing was said
	Greeted      // those on which the greeting has been answered, for clients that say the same one
)

// Handshake is the greeting that most clients begin with, and the only answer
// with which it is of use to them. Its zero value is none.
type Handshake struct{ Greeting, Answer []byte }

// Config is what a [Dialer] is made of.
type Config struct {
	// Dial connects to the remote.
	Dial func(context.Context) (net.Conn, error)
	// Dialled hears of each dial that a session waited for: err is nil if the
	// remote answered. It is called from many goroutines.
	Dialled func(err error)
	// Handshake is that of the [Greeted]; zero: they are [Dialled].
	Handshake Handshake
}

// Dialer connects sessions to one remote. Make it with [New].
type Dialer struct {
	config Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	conns  relay.Conns // all upstreams, idle or not
	tasks  sync.WaitGroup

	mu   sync.Mutex
	pool pool
}

// New returns a Dialer that keeps nothing until [Dialer.Keep] is called.
func New(c Config) *Dialer {
	d := &Dialer{config: c, pool: pool{limit: mostIdle, pause: minPause}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Keep makes kind the idle upstreams that are kept from now on. Those of another
// kind are closed.
func (d *Dialer) Keep(kind Kind) {
	if kind == Greeted && len(d.config.Handshake.Greeting) == 0 {
		kind = Dialled
	}
	d.mu.Lock()
	isNew := d.pool.kind != kind
	d.pool.kind = kind
	d.mu.Unlock()
	if isNew {
		d.dismissAll()
		d.refill()
	}
}

// Open connects the session of w to the remote, and returns its upstream when
// the window is closed. The upstream is to be given back to [Dialer.Release] at
// its end. With an error the session may go on with another remote if
// [Window.MayMove] says so, and is over otherwise.
func (d *Dialer) Open(w *Window) (*relay.Conn, error) {
	if one := d.take(w); one != nil {
		err := d.use(w, one)
		if err == nil {
			return one.conn, nil
		}
		d.drop(one.conn)
		if isOpen, _ := w.look(); !isOpen {
			return nil, err
		}
		d.mu.Lock()
		d.pool.noteFailure(time.Now())
		d.mu.Unlock()
	}
	conn, err := d.connect(w)
	if err == nil {
		err = w.exchange(conn, true)
	}
	if err != nil && conn != nil {
		d.drop(conn)
	}
	return conn, err
}

// use lets the session begin on an idle upstream.
func (d *Dialer) use(w *Window, one *idle) error {
	if one.greets {
		w.answered = len(d.config.Handshake.Greeting)
		if err := w.tell(d.config.Handshake.Answer); err != nil {
			w.fail()
			return err
		}
	}
	return w.exchange(one.conn, false)
}

// connect dials for a session itself. Meanwhile there are no idle upstreams.
func (d *Dialer) connect(w *Window) (*relay.Conn, error) {
	d.mu.Lock()
	d.pool.dialling++
	d.mu.Unlock()
	d.dismissAll()
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	conn, err := d.dial(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) {
		d.config.Dialled(err)
	}
	d.mu.Lock()
	d.pool.dialling--
	d.pool.isProven = err == nil
	d.mu.Unlock()
	d.refill()
	if err == nil && w.answered > 0 { // by the answer that another upstream gave
		err = d.greet(ctx, conn, redialLimit)
	}
	return conn, err
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

// greet says the greeting, and reads its answer, which must be the expected one.
func (d *Dialer) greet(ctx context.Context, conn *relay.Conn, limit time.Duration) error {
	conn.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
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
		err = errUnexpected
	}
	return err
}

// drop resets an upstream.
func (d *Dialer) drop(conn *relay.Conn) {
	d.conns.Remove(conn)
	conn.Reset()
}

// Release closes an upstream that [Dialer.Open] returned.
func (d *Dialer) Release(upstream *relay.Conn) {
	d.conns.Remove(upstream)
	upstream.Close()
}

// Close resets all upstreams, idle or not. [Dialer.Wait] waits for the rest.
func (d *Dialer) Close() {
	d.mu.Lock() // nothing is made after this
	d.cancel()
	d.mu.Unlock()
	d.conns.Cut()
}

// Wait returns when the Dialer is closed and nothing of it is left but its sessions.
func (d *Dialer) Wait() {
	<-d.ctx.Done() // before, a task may begin at any time
	d.tasks.Wait()
}
