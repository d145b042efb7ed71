package warm

import (
	"bytes"
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
	readSize = 512     // bytes read at once in the window, which hold a greeting and a request
	mostSaid = 4 << 10 // bytes read from a client whose upstream is still connecting
)

// A Window is the replay window of a session: its beginning, in which an
// upstream that fails can be replaced, because all that it was told can be told
// to another. It records what the client says, and it alone sends that. It closes,
// for good, before anything is sent that must not be sent twice, when the client
// ends, and when an upstream has said something. From then on client and
// upstream are connected to each other and to nothing else.
type Window struct {
	client *relay.Conn
	done   chan struct{} // closed when the client is not read from any more

	mu       sync.Mutex
	said     []byte             // all that the client has said
	isClosed bool               // what was said cannot be said again
	ended    bool               // the client will say nothing more
	gone     bool               // the client's connection has failed
	onGone   context.CancelFunc // called when the client goes; nil: nothing is
	upstream *relay.Conn        // what is said goes there; nil: nowhere yet
	answered int                // bytes of said that the client has got the answer to
	sent     int                // bytes of said that the upstream was sent
	sendErr  error              // of the upstream
	down     int64              // bytes that the client was sent
}

// NewWindow returns the window of a session whose client has said first. It
// reads from the client until it is closed, or [Window.Abandon] is called.
func NewWindow(client *relay.Conn, first []byte) *Window {
	w := &Window{client: client, said: first, done: make(chan struct{})}
	go w.listen()
	return w
}

// listen takes what the client says until the window is closed.
func (w *Window) listen() {
	defer close(w.done)
	buffer := make([]byte, readSize)
	for w.listens() {
		n, err := w.client.Read(buffer)
		w.hear(buffer[:n], err)
	}
}

func (w *Window) listens() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.isClosed && !w.ended && !w.gone && len(w.said) < mostSaid
}

// hear takes what one read has found.
func (w *Window) hear(more []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, more...)
	switch {
	case err == nil:
	case isTimeout(err): // by stopListening
	case isEnd(err):
		w.ended = true
	default:
		w.gone = true
		if w.onGone != nil {
			w.onGone()
		}
	}
	w.send()
	if w.upstream != nil && !w.isOpen() {
		interrupt(w.upstream)
	}
}

// send sends the upstream what it was not sent yet. It closes the window before
// anything that cannot be repeated. The lock is held while it writes, which does
// not wait: the buffers of a new connection hold more than is said in a window.
func (w *Window) send() {
	if w.upstream == nil || w.gone || w.sendErr != nil {
		return
	}
	if w.ended || repeatable(w.said) < len(w.said) {
		w.isClosed = true
	}
	if w.sent < len(w.said) {
		var n int
		n, w.sendErr = w.upstream.Write(w.said[w.sent:])
		w.sent += n
	}
}

// Abandon ends the window of a session that does not go on, with a reset of its
// client.
func (w *Window) Abandon() {
	w.client.Reset()
	<-w.done
}

// MayMove reports whether the session may go to another remote: its client has
// said nothing but a greeting that offers no password, and had no answer.
func (w *Window) MayMove() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.isClosed && !w.gone && w.answered == 0 && isPlain(w.said)
}

// mayRepeat reports whether another upstream may take the place of one that was lost.
func (w *Window) mayRepeat() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.isClosed && !w.gone
}

// isAnswered reports whether the client has got an answer to its greeting.
func (w *Window) isAnswered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered > 0
}

// Delivered is the number of bytes that were sent to the upstream, and to the
// client. It is not to be called before the window is closed.
func (w *Window) Delivered() (up, down int64) { return int64(w.sent), w.down }

// begins reports whether the client has said the greeting.
func (w *Window) begins(greeting []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(greeting) > 0 && bytes.HasPrefix(w.said, greeting)
}

// whileConnecting has cancel called if the client is gone, or goes before stop
// is called.
func (w *Window) whileConnecting(cancel context.CancelFunc) (stop func()) {
	set := func(f context.CancelFunc) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.onGone = f; w.gone && f != nil {
			f()
		}
	}
	set(cancel)
	return func() { set(nil) }
}

// answer gives the client the answer to its greeting, of length said, that the
// upstream gave to the same greeting before.
func (w *Window) answer(said int, answer []byte) error {
	w.mu.Lock()
	w.answered = said
	w.mu.Unlock()
	return w.tell(answer)
}

func (w *Window) tell(b []byte) error {
	n, err := w.client.Write(b)
	if w.down += int64(n); err != nil {
		return errClientGone
	}
	return nil
}

// exchange sends the upstream what the client says, until the window is closed,
// and gives the client what the upstream says first. If it fails while the window
// is open, the session can go on with another upstream; isLast is whether there
// will be none, so that an end without a word is what the client gets, too.
func (w *Window) exchange(upstream *relay.Conn, isLast bool) error {
	w.mu.Lock()
	w.upstream, w.sent, w.sendErr = upstream, w.answered, nil
	w.send()
	waits := w.isOpen()
	w.mu.Unlock()
	var answer []byte
	var err error
	if waits {
		answer, err = w.await(upstream, isLast)
	}

	w.mu.Lock()
	if len(answer) > 0 || isLast && isEnd(err) {
		w.isClosed = true
	}
	isClosed := w.isClosed
	if !isClosed {
		err = cmp.Or(w.sendErr, err)
		w.upstream = nil
	}
	w.mu.Unlock()
	if !isClosed {
		return err
	}

	interrupt(w.client)
	<-w.done
	w.client.SetReadDeadline(time.Time{})
	upstream.SetReadDeadline(time.Time{})
	err = w.tell(answer)
	if w.gone {
		return errClientGone
	}
	return cmp.Or(err, w.sendErr)
}

// await reads what the upstream says first. It ends without anything when the
// window is closed, or the client or the upstream is lost. One that was idle is
// lost, too, if it does not even acknowledge what it was sent.
func (w *Window) await(upstream *relay.Conn, isLast bool) ([]byte, error) {
	buffer := make([]byte, readSize)
	limit := time.Time{}
	if !isLast {
		limit = time.Now().Add(ackLimit)
	}
	for {
		w.waitUntil(limit)
		n, err := upstream.Read(buffer)
		if !isTimeout(err) || limit.IsZero() || upstream.Unsent() > 0 {
			return buffer[:n], err
		}
		limit = time.Time{}
	}
}

// waitUntil limits reads from the upstream, unless they were interrupted for good.
func (w *Window) waitUntil(limit time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isOpen() {
		w.upstream.SetReadDeadline(limit)
	}
}

// isOpen reports whether there is still something to wait for.
func (w *Window) isOpen() bool { return !w.isClosed && !w.gone && w.sendErr == nil }

var errClientGone = errors.New("the client is gone")

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// interrupt makes a read of c that is under way, and those after it, time out.
func interrupt(c *relay.Conn) { c.SetReadDeadline(longAgo) }

// isTimeout is false for the system's own, of a connection that is dead.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isEnd(err error) bool { return errors.Is(err, io.EOF) }
