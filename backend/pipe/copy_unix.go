//go:build unix

package pipe

import (
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copyBytes copies from src to dst until src ends, without errors, or either
// fails. A stream that waits for something to read holds no buffer.
func copyBytes(dst, src net.Conn, count *atomic.Int64) (readErr, writeErr error) {
	tcp, ok := src.(*net.TCPConn)
	if !ok {
		return copyBuffered(dst, src, count)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err, nil
	}
	var buffer *[bufferSize]byte
	var n int
	read := func(fd uintptr) (done bool) {
		buffer = buffers.Get().(*[bufferSize]byte)
		for {
			n, readErr = unix.Read(int(fd), buffer[:])
			if readErr != unix.EINTR {
				break
			}
		}
		if readErr == unix.EAGAIN {
			buffers.Put(buffer)
			return false // called again when there is something
		}
		return true
	}
	for {
		if err := raw.Read(read); err != nil {
			return err, nil
		}
		if n > 0 {
			_, writeErr = dst.Write(buffer[:n])
		}
		buffers.Put(buffer)
		if readErr != nil || writeErr != nil || n == 0 {
			return readErr, writeErr
		}
		count.Add(int64(n))
	}
}
