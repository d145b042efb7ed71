package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const bufferSize = 64 << 10 // bytes on their way in one direction

// Conn is one end of a connection. As TCP does, it delivers what was sent before
// an end or a reset, and it is reset where one side closes with bytes unread, or
// sends to a side that has closed.
type Conn struct {
	in, out       *direction
	local, remote netip.AddrPort
	onClose       func()

	readUntil, writeUntil deadline

	mu     sync.Mutex
	linger bool // Close ends well; false after SetLinger(0)
	closed chan struct{}
}

// NewPair returns the two ends of a connection, with their addresses.
func NewPair(a, b netip.AddrPort) (*Conn, *Conn) {
	up, down := newDirection(), newDirection()
	return newConn(down, up, a, b), newConn(up, down, b, a)
}

func newConn(in, out *direction, local, remote netip.AddrPort) *Conn {
	return &Conn{in: in, out: out, local: local, remote: remote, onClose: func() {}, linger: true, closed: make(chan struct{})}
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	for {
		if isClosed(c.closed) {
			return 0, c.fail("read", net.ErrClosed)
		}
		if isClosed(c.readUntil.passed()) {
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		}
		n, changed, err := c.in.read(b)
		switch {
		case n > 0 || len(b) == 0:
			return n, nil
		case err == io.EOF:
			return 0, err
		case err != nil:
			return 0, c.fail("read", err)
		}
		select {
		case <-changed:
		case <-c.readUntil.passed():
		case <-c.closed:
		}
	}
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (sent int, err error) {
	for {
		if isClosed(c.closed) {
			return sent, c.fail("write", net.ErrClosed)
		}
		if isClosed(c.writeUntil.passed()) {
			return sent, c.fail("write", os.ErrDeadlineExceeded)
		}
		n, changed, err := c.out.write(b[sent:])
		if sent += n; err == errNobodyReads { // its answer to what is sent is a reset
			c.in.reset()
			c.out.reset()
			return len(b), nil
		}
		if err != nil {
			return sent, c.fail("write", err)
		}
		if sent == len(b) {
			return sent, nil
		}
		select {
		case <-changed:
		case <-c.writeUntil.passed():
		case <-c.closed:
		}
	}
}

// CloseWrite ends the writing: the other end reads what was sent, then the end.
func (c *Conn) CloseWrite() error {
	if isClosed(c.closed) {
		return c.fail("shutdown", net.ErrClosed)
	}
	c.out.end()
	return nil
}

// SetLinger with zero makes Close a reset.
func (c *Conn) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = seconds != 0
	return nil
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(c.closed) {
		return c.fail("close", net.ErrClosed)
	}
	close(c.closed)
	if unread := c.in.abandon(); unread || !c.linger {
		c.in.reset()
		c.out.reset()
	} else {
		c.out.end()
	}
	c.onClose()
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.readUntil.set(t)
	c.writeUntil.set(t)
	return nil
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readUntil.set(t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeUntil.set(t)
	return nil
}

// direction is what is on its way from one end to the other.
type direction struct {
	mu        sync.Mutex
	sent      []byte
	ended     bool          // nothing more comes
	abandoned bool          // nobody will read it
	broken    bool          // it was reset
	changed   chan struct{} // closed at the next change
}

var errNobodyReads = syscall.EPIPE

func newDirection() *direction { return &direction{changed: make(chan struct{})} }

func (d *direction) read(b []byte) (n int, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n = copy(b, d.sent)
	switch {
	case n > 0:
		d.sent = d.sent[n:]
		d.notify()
	case d.broken:
		err = syscall.ECONNRESET
	case d.ended:
		err = io.EOF
	}
	return n, d.changed, err
}

func (d *direction) write(b []byte) (n int, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.broken:
		return 0, nil, syscall.ECONNRESET
	case d.ended:
		return 0, nil, syscall.EINVAL // after CloseWrite
	case d.abandoned:
		return 0, nil, errNobodyReads
	}
	if n = min(len(b), bufferSize-len(d.sent)); n > 0 {
		d.sent = append(d.sent, b[:n]...)
		d.notify()
	}
	return n, d.changed, nil
}

func (d *direction) end()   { d.change(func() { d.ended = true }) }
func (d *direction) reset() { d.change(func() { d.broken = true }) }

// abandon ends the reading. It reports whether there was something to be read.
func (d *direction) abandon() (unread bool) {
	d.change(func() { unread, d.abandoned = len(d.sent) > 0, true })
	return unread
}

func (d *direction) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	d.notify()
}

func (d *direction) notify() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// deadline is a time, and the channel that is closed when it has passed.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{}
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.ch // it goes off right now
	}
	d.timer = nil
	hasPassed := d.ch != nil && isClosed(d.ch)
	isPast := !t.IsZero() && time.Until(t) <= 0
	if d.ch == nil || hasPassed && !isPast {
		d.ch, hasPassed = make(chan struct{}), false
	}
	switch ch := d.ch; {
	case isPast && !hasPassed:
		close(ch)
	case !isPast && !t.IsZero():
		d.timer = time.AfterFunc(time.Until(t), func() { close(ch) })
	}
}

func (d *deadline) passed() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ch == nil {
		d.ch = make(chan struct{})
	}
	return d.ch
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
