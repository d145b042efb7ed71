//go:build unix && !linux

package relay

import "golang.org/x/sys/unix"

func (s *side) waitRead() error { return s.raw.Read(s.tryRead) }

func (s *side) readNow(fd uintptr) (done bool) {
	s.buffer = buffers.Get().(*[bufferSize]byte)
	for {
		if s.n, s.readErr = unix.Read(int(fd), s.buffer[:]); s.readErr != unix.EINTR {
			break
		}
	}
	if s.readErr == unix.EAGAIN {
		s.release()
		return false // called again when there is something
	}
	return true
}
