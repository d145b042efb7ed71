//go:build !linux && !darwin

package relay

// unsent cannot be asked for here.
func (s *side) unsent() int { return 0 }

// wasReset cannot be asked for here.
func (s *side) wasReset() bool { return false }
