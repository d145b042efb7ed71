//go:build linux

package bare

import (
	"cmp"
	"net"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 32 << 10
	bulkSize   = 16 << 10 // a read that brings so much is followed by splice
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Plain copies with three things that io.Copy does not do:
//
//   - A stream that waits has no buffer and no pipe. It takes them when it is told
//     that there is something to read.
//   - Small reads and writes are raw system calls. They never block, so the
//     scheduler need not know of them; where it does, the first call after a pause
//     wakes its monitor thread, and that costs more than the call.
//   - Bulk is spliced, through one of a few pipes that all streams share.
func Plain(dst, src *net.TCPConn) error {
	from, err := src.SyscallConn()
	if err != nil {
		return err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return err
	}
	var p piece
	receive, send := p.receive, p.send // once: each mention allocates
	for {
		if err := cmp.Or(from.Read(receive), p.err); err != nil {
			p.free()
			return err
		}
		n := len(p.unsent)
		if n > 0 {
			err = cmp.Or(to.Write(send), p.err)
		}
		p.free()
		if err != nil || n == 0 {
			return err
		}
		if n >= bulkSize {
			if err := splice(to, from); err != nil {
				return err
			}
		}
	}
}

// piece is what one read brought, on its way to the other connection.
type piece struct {
	buffer *[bufferSize]byte
	unsent []byte // of the buffer
	err    error
}

// receive reads once. It reports whether it is done; if not, it waits without a
// buffer.
func (p *piece) receive(fd uintptr) (done bool) {
	p.buffer = buffers.Get().(*[bufferSize]byte)
	n, errno := transfer(unix.SYS_RECVFROM, fd, p.buffer[:])
	if errno == unix.EAGAIN {
		p.free()
		return false
	}
	p.fail(errno)
	p.unsent = p.buffer[:n]
	return true
}

// send writes until all is written. It reports whether it is done.
func (p *piece) send(fd uintptr) (done bool) {
	for len(p.unsent) > 0 {
		n, errno := transfer(unix.SYS_SENDTO, fd, p.unsent)
		if errno == unix.EAGAIN {
			return false
		}
		if p.fail(errno) {
			return true
		}
		p.unsent = p.unsent[n:]
	}
	return true
}

func (p *piece) fail(errno syscall.Errno) bool {
	if errno != 0 {
		p.err = errno
	}
	return errno != 0
}

func (p *piece) free() {
	if p.buffer != nil {
		buffers.Put(p.buffer)
		p.buffer = nil
	}
}

// transfer is recv or send, without a word to the scheduler.
func transfer(call, fd uintptr, b []byte) (n int, errno syscall.Errno) {
	for {
		r, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
