package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Conn is a connection that is read and written in the way that costs least
// where it is a socket of the system. One goroutine at a time may read from it,
// and one may write to it.
type Conn struct {
	net.Conn
	raw         syscall.RawConn // nil: it is no socket of the system
	writeEnded  atomic.Bool     // we have ended our writing to it
	read, write call
	buffer      *[bufferSize]byte // what fill has read; nil while nothing is there
}

// call is a read or a write under way.
type call struct {
	attempt func(fd uintptr) (done bool)
	b       []byte
	n       int
	err     error
}

// NewConn returns c as a Conn.
func NewConn(c net.Conn) *Conn {
	conn := &Conn{Conn: c}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			conn.raw, conn.read.attempt, conn.write.attempt = raw, conn.readNow, conn.writeNow
		}
	}
	return conn
}

// fill reads into the buffer, which it takes when there is something to read.
func (c *Conn) fill() (n int, err error) {
	if c.read.b = nil; c.raw != nil {
		return c.readSocket()
	}
	c.buffer = buffers.Get().(*[bufferSize]byte)
	return c.Conn.Read(c.buffer[:])
}

// release gives the buffer back.
func (c *Conn) release() {
	if c.buffer != nil {
		buffers.Put(c.buffer)
		c.buffer = nil
	}
}

// CloseWrite ends the writing: the other side reads an end.
func (c *Conn) CloseWrite() error {
	c.writeEnded.Store(true)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Reset closes the connection in such a way that the other side sees an error
// and not an end.
func (c *Conn) Reset() {
	if abrupt, ok := c.Conn.(interface{ SetLinger(seconds int) error }); ok {
		abrupt.SetLinger(0)
	}
	c.Close()
}

// waitSent returns when what was written has arrived, or cannot: a reset would
// throw away what the other side has not been sent yet.
func (c *Conn) waitSent() {
	const pause = 10 * time.Millisecond
	for end := time.Now().Add(sentLimit); c.Unsent() > 0 && time.Now().Before(end); {
		time.Sleep(pause)
	}
}

// Conns is a set of connections that can be cut at once. Its zero value is an
// empty set.
type Conns struct {
	mu    sync.Mutex
	conns map[*Conn]struct{}
	isCut bool
}

// Add adds c to the set. It returns false, having reset c, if the set was cut.
func (s *Conns) Add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCut {
		c.Reset()
		return false
	}
	if s.conns == nil {
		s.conns = map[*Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

// Remove takes c out of the set.
func (s *Conns) Remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Cut resets all connections of the set, and each that is added later.
func (s *Conns) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut = true
	for c := range s.conns {
		c.Reset()
	}
	s.conns = nil
}
