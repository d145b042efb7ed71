package warm

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend/pipe/relay"
)

// ReadSize is how many bytes are read at once: it holds a greeting and a request.
const ReadSize = 512

const (
	mostSaid = 4 << 10         // bytes taken from a client whose upstream is still connecting
	ackLimit = 3 * time.Second // for what was sent to an idle upstream to be acknowledged
)

// A Window is the replay window of a session: its beginning, in which an
// upstream that fails can be replaced, because all that it was told can be told
// to another one. It records what the client says, and it alone sends that. At
// most the greeting and the request are said twice, and never to two remotes, but
// for a greeting that offers no password. It closes, for good, before anything
// else is sent, when the client ends, and when an upstream has said something.
// From then on client and upstream belong to each other.
//
// Two goroutines share it: [Window.Listen] hears the client, and [Dialer.Open]
// the upstream.
type Window struct {
	client   *relay.Conn
	up, down *atomic.Int64
	over     chan struct{} // closed when the window is closed, or the session is over

	mu       sync.Mutex
	said     []byte      // all that the client has said
	ended    bool        // the client will say nothing more
	upstream *relay.Conn // what is said goes there; nil: nowhere yet
	answered int         // bytes of said that the client has got the answer to
	sent     int         // bytes of said that the upstream was sent
	sendErr  error       // of the upstream
	isClosed bool        // what was said cannot be said again
	isLost   bool        // the session is over
	abort    func()      // ends what the session waits for; nil: nothing
}

// NewWindow returns the window of a session whose client has said first. It adds
// the bytes that it delivers to up and down.
func NewWindow(client *relay.Conn, first []byte, up, down *atomic.Int64) *Window {
	return &Window{client: client, said: slices.Grow(first, 1), up: up, down: down, over: make(chan struct{})}
}

// Listen takes what the client says until the window is closed, and returns the
// upstream to which the rest goes, with the errors that reading from the client
// ([io.EOF] is its end) and writing to the upstream have met. The upstream is nil
// if the session is over.
func (w *Window) Listen() (upstream *relay.Conn, readErr, writeErr error) {
	for goesOn := true; goesOn; {
		n, err := w.client.Read(w.said[len(w.said):cap(w.said)])
		w.mu.Lock()
		w.said = slices.Grow(w.said[:len(w.said)+n], 1)
		if w.ended = errors.Is(err, io.EOF); err != nil && !w.ended && !w.isClosed {
			w.lose()
		}
		w.send()
		readErr, goesOn = err, err == nil && !w.isClosed && len(w.said) < mostSaid
		w.mu.Unlock()
	}
	<-w.over
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isLost {
		return nil, nil, nil
	}
	return w.upstream, readErr, w.sendErr
}

// send sends the upstream what it was not sent yet, and closes the window before
// what cannot be repeated. The lock is held while it writes, which does not wait:
// the buffers of a new connection hold more than is said in a window.
func (w *Window) send() {
	if w.upstream == nil || w.sendErr != nil || w.isLost {
		return
	}
	if w.ended || repeatable(w.said) < len(w.said) {
		w.close()
	}
	n, err := w.upstream.Write(w.said[w.sent:])
	if w.sent += n; w.isClosed {
		w.up.Add(int64(n))
	}
	if w.sendErr = err; err != nil && !w.isClosed {
		w.upstream.Reset() // whoever hears it need not wait
	}
}

// close closes the window. The lock is held.
func (w *Window) close() {
	if !w.isClosed {
		w.isClosed = true
		w.up.Add(int64(w.sent))
		close(w.over)
	}
}

// lose ends a session whose window is open. The lock is held.
func (w *Window) lose() {
	if w.isClosed || w.isLost {
		return
	}
	w.isLost = true
	w.up.Add(int64(w.sent))
	close(w.over)
	if w.abort != nil {
		w.abort()
	}
	if w.upstream != nil {
		w.upstream.Reset()
	}
}

// Abandon ends a session that gets no upstream, and resets its client.
func (w *Window) Abandon() {
	w.client.Reset()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose()
}

// waitFor has abort called when the session is over before the next call.
func (w *Window) waitFor(abort func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.abort = abort; w.isLost && abort != nil {
		abort()
	}
}

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
	return !w.isClosed && !w.isLost, w.said
}

// tell gives the client an answer.
func (w *Window) tell(answer []byte) error {
	n, err := w.client.Write(answer)
	w.down.Add(int64(n))
	return err
}

// exchange sends the upstream what the client says, and gives the client what
// the upstream says first. Then the window is closed, and it returns the upstream
// with the errors that reading from it and writing to the client have met. If the
// upstream fails before, it is reset and not returned, and readErr says why;
// isLast is whether there will be no other, so that an end without a word is what
// the client gets, too.
func (w *Window) exchange(upstream *relay.Conn, isLast bool) (_ *relay.Conn, readErr, writeErr error) {
	w.mu.Lock()
	w.upstream, w.sent, w.sendErr = upstream, w.answered, nil
	if w.send(); w.isLost {
		upstream.Reset()
	}
	w.mu.Unlock()
	buffer := make([]byte, ReadSize)
	n, readErr := w.await(upstream, buffer, isLast)
	w.mu.Lock()
	if !w.isLost && (n > 0 || isLast && w.sendErr == nil && errors.Is(readErr, io.EOF)) {
		w.close()
	}
	if !w.isClosed {
		defer w.mu.Unlock()
		w.upstream = nil
		upstream.Reset()
		return nil, cmp.Or(w.sendErr, readErr, net.ErrClosed), nil
	}
	w.mu.Unlock()
	return upstream, readErr, w.tell(buffer[:n])
}

// await reads what the upstream says first. One that was idle is lost, too, if
// it does not even acknowledge what it was sent.
func (w *Window) await(upstream *relay.Conn, buffer []byte, isLast bool) (n int, err error) {
	if isLast {
		return upstream.Read(buffer)
	}
	upstream.SetReadDeadline(time.Now().Add(ackLimit))
	n, err = upstream.Read(buffer)
	if isOpen, _ := w.look(); isTimeout(err) && (!isOpen || upstream.Unsent() == 0) {
		upstream.SetReadDeadline(time.Time{})
		return upstream.Read(buffer)
	}
	upstream.SetReadDeadline(time.Time{})
	return n, err
}

// interrupt makes a read of c that is under way, and those after it, time out.
func interrupt(c *relay.Conn) { c.SetReadDeadline(time.Unix(1, 0)) }

// isTimeout is false for the system's own, of a connection that is dead.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
