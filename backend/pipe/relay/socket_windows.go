package relay

import (
	"sync/atomic"
	"syscall"
)

const bulk = 2 * bufferSize // never read at once: nothing moves bulk by itself here

type socket struct{ raw syscall.RawConn } // nil: it is no socket of the system

func (c *Conn) prepare(raw syscall.RawConn) { c.raw = raw }

// readSocket waits with a read of no bytes, which needs no buffer, and then reads.
func (c *Conn) readSocket([]byte) (int, error) {
	waited := false
	if err := c.raw.Read(func(uintptr) bool {
		defer func() { waited = true }()
		return waited
	}); err != nil {
		return 0, err
	}
	c.buffer = buffers.Get().(*[bufferSize]byte)
	return c.Conn.Read(c.buffer[:])
}

func splice(_, _ *Conn, _ *atomic.Int64) (readErr, writeErr error) { return nil, nil }

// Unsent cannot be asked for here.
func (c *Conn) Unsent() int { return 0 }

// wasReset cannot be asked for here.
func (c *Conn) wasReset() bool { return false }
