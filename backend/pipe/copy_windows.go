package pipe

import (
	"net"
	"sync/atomic"
)

const bufferSize = 16 << 10 // held by idle streams too

// copyBytes copies from src to dst until src ends (nil) or either fails.
func copyBytes(dst, src net.Conn, count *atomic.Int64) error {
	return copyBuffered(dst, src, count)
}
