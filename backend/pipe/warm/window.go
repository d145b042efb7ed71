package warm

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"mycoproxy/backend/pipe/relay"
)

const (
	readSize = 512             // bytes read at once, which hold a greeting and a request
	mostSaid = 4 << 10         // bytes read from a client whose upstream is still connecting
	ackLimit = 3 * time.Second // for what was sent to an idle upstream to be acknowledged
)

// A Window is the replay window of a session: its beginning, in which an
// upstream that fails can be replaced, because all that it was told can be told
// to another one. It records what the client says, and it alone sends that. At
// most the greeting and the request are said twice, and never to two remotes, but
// for a greeting that offers no password. It closes, for good, before anything
// else is sent, when the client ends, and when an upstream has said something.
// From then on client and upstream belong to each other.
type Window struct {
	client   *relay.Conn
	ctx      context.Context // ends when the client's connection fails
	fail     context.CancelFunc
	listened chan struct{} // closed when the window does not read from the client any more

	answered int   // bytes of said that the client has got the answer to
	down     int64 // bytes that the client was sent

	mu       sync.Mutex
	said     []byte      // all that the client has said
	ended    bool        // the client will say nothing more
	isClosed bool        // what was said cannot be said again
	upstream *relay.Conn // what is said goes there; nil: nowhere yet
	sent     int         // bytes of said that the upstream was sent
	sendErr  error       // of the upstream
}

// NewWindow returns the window of a session whose client has said first. It
// reads from the client until it is closed, or [Window.Abandon] is called.
func NewWindow(client *relay.Conn, first []byte) *Window {
	w := &Window{client: client, said: first, listened: make(chan struct{})}
	w.ctx, w.fail = context.WithCancel(context.Background())
	go w.listen()
	return w
}

// listen takes what the client says. It ends when that is not to be waited for
// any more.
func (w *Window) listen() {
	defer close(w.listened)
	buffer := make([]byte, readSize)
	for goesOn := true; goesOn; {
		n, err := w.client.Read(buffer)
		w.mu.Lock()
		w.said = append(w.said, buffer[:n]...)
		if w.ended = errors.Is(err, io.EOF); err != nil && !w.ended && !isTimeout(err) {
			w.fail()
		}
		w.send()
		if w.upstream != nil && !w.waits() {
			interrupt(w.upstream)
		}
		goesOn = w.waits() && !w.ended && len(w.said) < mostSaid
		w.mu.Unlock()
	}
}

// waits reports whether there is still something to wait for. The lock is held.
func (w *Window) waits() bool { return !w.isClosed && w.ctx.Err() == nil && w.sendErr == nil }

// send sends the upstream what it was not sent yet, and closes the window before
// what cannot be repeated. The lock is held while it writes, which does not wait:
// the buffers of a new connection hold more than is said in a window.
func (w *Window) send() {
	if w.upstream == nil || w.ctx.Err() != nil || w.sendErr != nil {
		return
	}
	if w.ended || repeatable(w.said) < len(w.said) {
		w.isClosed = true
	}
	if w.sent < len(w.said) {
		n, err := w.upstream.Write(w.said[w.sent:])
		w.sent, w.sendErr = w.sent+n, err
	}
}

// Abandon ends the window of a session that does not go on, and resets its client.
func (w *Window) Abandon() {
	w.client.Reset()
	<-w.listened
}

// Delivered is the number of bytes that were sent to the upstream, and to the
// client. It is to be called when the window is closed or abandoned.
func (w *Window) Delivered() (up, down int64) { return int64(w.sent), w.down }

// MayMove reports whether the session may go to another remote: its client has
// said nothing but a greeting that offers no password, and had no answer.
func (w *Window) MayMove() bool {
	isOpen, said := w.look()
	return isOpen && w.answered == 0 && isPlain(said)
}

// look returns what the client has said, and whether another upstream can still
// be told that.
func (w *Window) look() (isOpen bool, said []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.isClosed && w.ctx.Err() == nil, w.said
}

// tell gives the client an answer.
func (w *Window) tell(b []byte) error {
	n, err := w.client.Write(b)
	w.down += int64(n)
	return err
}

// exchange sends the upstream what the client says, until the window is closed,
// and gives the client what the upstream says first. If it fails while the window
// is open, the session can go on with another upstream; isLast is whether there
// will be none, so that an end without a word is what the client gets, too.
func (w *Window) exchange(upstream *relay.Conn, isLast bool) error {
	w.mu.Lock()
	w.upstream, w.sent, w.sendErr = upstream, w.answered, nil
	w.send()
	w.mu.Unlock()
	answer, err := w.await(upstream, isLast)
	w.mu.Lock()
	w.isClosed = w.isClosed || len(answer) > 0 || isLast && errors.Is(err, io.EOF)
	if !w.isClosed {
		defer w.mu.Unlock()
		w.upstream = nil
		return cmp.Or(w.sendErr, err)
	}
	w.mu.Unlock()

	interrupt(w.client)
	<-w.listened
	w.client.SetReadDeadline(time.Time{})
	upstream.SetReadDeadline(time.Time{})
	err = w.tell(answer)
	return cmp.Or(err, w.sendErr, w.ctx.Err())
}

// await reads what the upstream says first. It ends without anything when there
// is nothing to wait for. An upstream that was idle is lost, too, if it does not
// even acknowledge what it was sent.
func (w *Window) await(upstream *relay.Conn, isLast bool) ([]byte, error) {
	var until time.Time
	if !isLast {
		until = time.Now().Add(ackLimit)
	}
	buffer := make([]byte, readSize)
	for w.waitUntil(upstream, until) {
		n, err := upstream.Read(buffer)
		if !isTimeout(err) || until.IsZero() || upstream.Unsent() > 0 {
			return buffer[:n], err
		}
		until = time.Time{}
	}
	return nil, os.ErrDeadlineExceeded
}

// waitUntil limits reads from the upstream, if there is something to wait for.
func (w *Window) waitUntil(upstream *relay.Conn, until time.Time) (waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if waits = w.waits(); waits {
		upstream.SetReadDeadline(until)
	}
	return waits
}

// interrupt makes a read of c that is under way, and those after it, time out.
func interrupt(c *relay.Conn) { c.SetReadDeadline(time.Unix(1, 0)) }

// isTimeout is false for the system's own, of a connection that is dead.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
