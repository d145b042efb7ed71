package pipe

import (
	"net"
	"sync/atomic"
)

const bufferSize = 16 << 10 // held by idle streams too

// copyBytes copies from src to dst until src ends, without errors, or either fails.
func copyBytes(dst, src net.Conn, count *atomic.Int64) (readErr, writeErr error) {
	return copyBuffered(dst, src, count)
}
