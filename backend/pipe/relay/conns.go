package relay

import "sync"

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
