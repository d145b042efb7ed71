package relay

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	bulk     = 16 << 10 // bytes; after a read of so many the kernel moves what follows
	pipeSize = 512 << 10
)

// Small reads and writes are raw system calls. Told of a call after a pause,
// Go's scheduler wakes its monitor thread, which costs more than the message;
// calls that never wait need not tell it.

func (s *side) waitRead() error { return s.raw.Read(s.tryRead) }

func (s *side) readNow(fd uintptr) (done bool) {
	s.buffer = buffers.Get().(*[bufferSize]byte)
	if s.n, s.readErr = transfer(unix.SYS_RECVFROM, fd, s.buffer[:]); s.readErr == unix.EAGAIN {
		s.release()
		return false // called again when there is something
	}
	return true
}

func (s *side) write(b []byte) error {
	if s.raw == nil {
		_, err := s.Write(b)
		return err
	}
	s.rest = b
	if err := s.raw.Write(s.tryWrite); err != nil {
		return err
	}
	return s.writeErr
}

func (s *side) writeNow(fd uintptr) (done bool) {
	for len(s.rest) > 0 {
		n, err := transfer(unix.SYS_SENDTO, fd, s.rest)
		if err != nil {
			s.writeErr = err
			return err != unix.EAGAIN
		}
		s.rest = s.rest[n:]
	}
	s.writeErr = nil
	return true
}

// transfer is recv(2) or send(2) without waiting.
func transfer(call, fd uintptr, b []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// kernelPipe is a pipe(2), for splice(2). Empty ones are kept for the next bulk.
type kernelPipe struct{ r, w int }

var pipes = make(chan kernelPipe, 16)

func takePipe() (kernelPipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err == nil {
		unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // if it may not be, it works with less
	}
	return kernelPipe{fds[0], fds[1]}, err
}

func (p kernelPipe) keep() {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

func (p kernelPipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// splice lets the kernel move what src has, until it has nothing for the moment.
// That it moves nothing is no end: it stops at urgent data, too, so only a read
// can tell.
func splice(dst, src *side, count *atomic.Int64) (readErr, writeErr error) {
	p, err := takePipe()
	if err != nil {
		return nil, nil // too few descriptors: reads and writes do it
	}
	for {
		n := 0
		if err := src.raw.Read(func(fd uintptr) bool {
			n, readErr = move(int(fd), p.w, pipeSize)
			return true
		}); err != nil {
			readErr = err
		}
		if readErr == unix.EAGAIN || readErr == nil && n == 0 {
			p.keep()
			return nil, nil
		}
		for left := n; readErr == nil && writeErr == nil && left > 0; left -= n {
			if err := dst.raw.Write(func(fd uintptr) bool {
				n, writeErr = move(p.r, int(fd), left)
				return writeErr != unix.EAGAIN
			}); err != nil {
				writeErr = err
			}
			count.Add(int64(n))
		}
		if readErr != nil || writeErr != nil {
			p.close() // perhaps not empty
			return readErr, writeErr
		}
	}
}

func move(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return max(int(n), 0), err
		}
	}
}
