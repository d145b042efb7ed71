package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// side is one connection of a session. One goroutine reads from it and another
// one writes to it; each has its own fields for what a call has found.
type side struct {
	net.Conn
	raw        syscall.RawConn // nil: it is no socket of the system
	writeEnded atomic.Bool     // we have ended our writing to it

	tryRead func(fd uintptr) (done bool)
	buffer  *[bufferSize]byte // what was read; nil while nothing is there
	n       int
	readErr error

	tryWrite func(fd uintptr) (done bool)
	rest     []byte // to be written
	writeErr error
}

func (s *side) use(c net.Conn) {
	s.Conn = c
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw, s.tryRead, s.tryWrite = raw, s.readNow, s.writeNow
		}
	}
}

// copyBytes copies from src to dst until src ends, without errors, or either
// fails.
func copyBytes(dst, src *side, count *atomic.Int64) (readErr, writeErr error) {
	for {
		n, err := src.read()
		if n > 0 {
			writeErr = dst.write(src.buffer[:n])
		}
		src.release()
		switch {
		case writeErr != nil:
			return nil, writeErr
		case n > 0:
			count.Add(int64(n))
		case errors.Is(err, io.EOF):
			return nil, nil
		default:
			return err, nil // nil at the end of a socket
		}
		if n >= bulk && dst.raw != nil && src.raw != nil {
			if readErr, writeErr = splice(dst, src, count); readErr != nil || writeErr != nil {
				return readErr, writeErr
			}
		}
	}
}

// read reads what is there into the side's buffer. Zero bytes without an error
// are the end, as is [io.EOF].
func (s *side) read() (n int, err error) {
	if s.raw == nil {
		s.buffer = buffers.Get().(*[bufferSize]byte)
		return s.Read(s.buffer[:])
	}
	if err := s.waitRead(); err != nil {
		return 0, err
	}
	return s.n, s.readErr
}

// release gives the buffer back.
func (s *side) release() {
	if s.buffer != nil {
		buffers.Put(s.buffer)
		s.buffer = nil
	}
}

// control calls f with the side's descriptor, if it is a socket of the system.
func (s *side) control(f func(fd int)) {
	if s.raw != nil {
		s.raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
