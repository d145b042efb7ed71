//go:build !linux && !darwin

package relay

// Unsent cannot be asked for here.
func (c *Conn) Unsent() int { return 0 }

// wasReset cannot be asked for here.
func (c *Conn) wasReset() bool { return false }
