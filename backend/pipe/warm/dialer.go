// Package warm connects sessions to one remote sooner than a dial does. A
// [Dialer] keeps idle upstreams while sessions come: connections that are dialled
// already, and on some of which the SOCKS greeting has been answered.
//
//	d := warm.New(remote, warm.Config{Handshake: handshake})
//	d.Keep(warm.Greeted)
//	w := warm.NewWindow(client, first, &up, &down) // what the client has said so far
//	go w.Listen()
//	upstream, readErr, writeErr := d.Open(w) // each is connected to the other now
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
	"net/netip"
	"sync"
	"time"

	"mycoproxy/backend/pipe/relay"
)

const (
	dialTimeout = 10 * time.Second
	answerLimit = 2 * time.Second // for the answer to the greeting of an idle upstream
	redialLimit = 5 * time.Second // for the same where a session waits for it
)

// dialer asks a silent remote after 15 seconds, as listen.Bind asks a silent client.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: -1}}

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

// Config is how a [Dialer] connects. Its zero value is ready for use.
type Config struct {
	// Dial connects to the remote; nil: as a zero [net.Dialer] does. Its context
	// ends after 10 seconds, and when the connection is not wanted any more.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Dialled hears of each dial that a session waited for: err is nil if the
	// remote answered. It is called from many goroutines; nil: nobody hears.
	Dialled func(remote netip.AddrPort, err error)
	// Handshake is that of the [Greeted]; zero: they are [Dialled].
	Handshake Handshake
}

// Dialer connects sessions to one remote. Make it with [New].
type Dialer struct {
	Remote netip.AddrPort // as New was told

	config  Config
	address string          // of the remote, for Dial
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	conns   relay.Conns // all upstreams, idle or not
	tasks   sync.WaitGroup

	mu   sync.Mutex
	pool pool
}

// New returns a Dialer that keeps nothing until [Dialer.Keep] is called.
func New(remote netip.AddrPort, c Config) *Dialer {
	if c.Dial == nil {
		c.Dial = dialer.DialContext
	}
	d := &Dialer{Remote: remote, config: c, address: remote.String(), pool: pool{limit: mostIdle, pause: minPause}}
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

// Open connects the session of w to the remote. When the window is closed it
// returns the upstream, with the errors that reading from it ([io.EOF] is its
// end) and writing to the client have met. A nil upstream is one that could not be
// had, for the reason readErr: the session may go on with another remote if
// [Window.MayMove] says so, and is to be abandoned otherwise.
func (d *Dialer) Open(w *Window) (upstream *relay.Conn, readErr, writeErr error) {
	defer w.waitFor(nil)
	if one := d.take(w); one != nil {
		if one.greets {
			w.answered = len(d.config.Handshake.Greeting)
			writeErr = w.tell(d.config.Handshake.Answer)
		}
		if writeErr != nil {
			one.conn.Reset()
			return nil, writeErr, nil
		}
		upstream, readErr, writeErr = w.exchange(one.conn, false)
		if isOpen, _ := w.look(); !isOpen {
			return upstream, readErr, writeErr
		}
		d.mu.Lock()
		d.pool.noteFailure(time.Now())
		d.mu.Unlock()
	}
	conn, err := d.connect(w)
	if err != nil {
		return nil, err, nil
	}
	return w.exchange(conn, true)
}

// connect dials for a session itself. Meanwhile there are no idle upstreams.
func (d *Dialer) connect(w *Window) (*relay.Conn, error) {
	d.mu.Lock()
	d.pool.dialling++
	all := d.pool.clear()
	d.mu.Unlock()
	dismiss(all)
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	w.waitFor(cancel)
	conn, err := d.dial(ctx)
	if d.config.Dialled != nil && !errors.Is(ctx.Err(), context.Canceled) {
		d.config.Dialled(d.Remote, err)
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
	dialled, err := d.config.Dial(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	conn := relay.NewConn(dialled)
	if d.conns.Add(conn); d.ctx.Err() != nil {
		conn.Reset()
		return nil, net.ErrClosed
	}
	return conn, nil
}

// greet says the greeting, and reads its answer, which must be the expected one.
// It resets the connection if it fails.
func (d *Dialer) greet(ctx context.Context, conn *relay.Conn, limit time.Duration) error {
	conn.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, conn.Reset)
	defer stop()
	_, err := conn.Write(d.config.Handshake.Greeting)
	answer := make([]byte, len(d.config.Handshake.Answer))
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	conn.SetDeadline(time.Time{})
	if err == nil && string(answer) != string(d.config.Handshake.Answer) {
		err = errUnexpected
	}
	if err != nil {
		conn.Reset()
	}
	return err
}

// Close resets all upstreams, idle or not. [Dialer.Wait] waits for the rest.
func (d *Dialer) Close() {
	d.mu.Lock() // nothing is made after this
	d.cancel()
	d.mu.Unlock()
	d.conns.Cut(func(*relay.Conn) bool { return true })
}

// Wait returns when the Dialer is closed and nothing of it is left but its sessions.
func (d *Dialer) Wait() {
	<-d.ctx.Done() // before, a task may begin at any time
	d.tasks.Wait()
}
