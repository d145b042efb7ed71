package relay

// waitRead waits with a read of no bytes, which needs no buffer, and then reads.
func (s *side) waitRead() error {
	waited := false
	if err := s.raw.Read(func(uintptr) bool {
		defer func() { waited = true }()
		return waited
	}); err != nil {
		return err
	}
	s.buffer = buffers.Get().(*[bufferSize]byte)
	s.n, s.readErr = s.Read(s.buffer[:])
	return nil
}

func (s *side) readNow(uintptr) bool { return true }
