package warm

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"mycoproxy/backend/pipe/relay"
)

const (
	dialTimeout = 10 * time.Second
	answerLimit = 2 * time.Second      // for the answer to the greeting of an idle upstream
	redialLimit = 5 * time.Second      // for the same where a session waits for it
	ackLimit    = 3 * time.Second      // for what was sent to an idle upstream to be acknowledged
	dialGap     = 5 * time.Millisecond // after which the next idle upstream is dialled, at the latest
)

// errUnexpected is an answer to the greeting with which no session can go on, or
// a word that nobody asked for.
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
	// remote answered. It is called from many goroutines; nil: nobody hears.
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
	if c.Dialled == nil {
		c.Dialled = func(error) {}
	}
	d := &Dialer{config: c, pool: newPool()}
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
	}
}

// Open connects the session of w to the remote, and returns its upstream when
// the window is closed. The upstream is to be given back to [Dialer.Release] at
// its end. With an error the session may go on with another remote if
// [Window.MayMove] says so, and is over otherwise.
func (d *Dialer) Open(w *Window) (*relay.Conn, error) {
	if one := d.take(w); one != nil {
		var err error
		if one.greets {
			err = w.answer(len(d.config.Handshake.Greeting), d.config.Handshake.Answer)
		}
		if err == nil {
			err = w.exchange(one.conn, false)
		}
		d.note(err)
		if err == nil {
			return one.conn, nil
		}
		if d.drop(one.conn); !w.mayRepeat() {
			return nil, err
		}
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

// note takes note of how an idle upstream has served.
func (d *Dialer) note(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.pool.noteServed()
	case !errors.Is(err, errClientGone) && d.ctx.Err() == nil:
		d.pool.noteFailure(time.Now())
	}
}

// connect dials for a session itself. Meanwhile there are no idle upstreams.
func (d *Dialer) connect(w *Window) (*relay.Conn, error) {
	d.mu.Lock()
	d.pool.dialling++
	d.mu.Unlock()
	d.dismissAll()
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	defer w.whileConnecting(cancel)()
	conn, err := d.dial(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) {
		d.config.Dialled(err)
	}
	d.mu.Lock()
	d.pool.dialling--
	d.pool.isProven = err == nil
	d.mu.Unlock()
	d.refill()
	if err == nil && w.isAnswered() { // by the answer that another upstream gave
		err = d.greet(ctx, conn, redialLimit)
	}
	return conn, err
}

// Release closes an upstream that [Dialer.Open] returned.
func (d *Dialer) Release(upstream *relay.Conn) {
	d.conns.Remove(upstream)
	upstream.Close()
}

// Close resets all upstreams, idle or not. [Dialer.Wait] waits for the rest.
func (d *Dialer) Close() {
	d.cancel()
	d.conns.Cut()
}

// Wait returns when nothing of a closed Dialer is left but its sessions.
func (d *Dialer) Wait() { d.tasks.Wait() }
