//go:build !linux

package relay

import "sync/atomic"

const bulk = 2 * bufferSize // never read at once: nothing moves bulk by itself here

func (s *side) write(b []byte) error {
	_, err := s.Write(b)
	return err
}

func (s *side) writeNow(uintptr) bool { return true }

func splice(_, _ *side, _ *atomic.Int64) (readErr, writeErr error) { return nil, nil }
