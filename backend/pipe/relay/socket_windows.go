package relay

// fillSocket waits with a read of no bytes, which needs no buffer, and then reads.
func (c *Conn) fillSocket() (int, error) {
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

func (c *Conn) readNow(uintptr) bool { return true }
