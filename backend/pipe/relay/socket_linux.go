package relay

import (
	"io"
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

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return c.Conn.Read(b)
	}
	c.read.b = b
	return c.fillSocket()
}

func (c *Conn) fillSocket() (int, error) {
	if err := c.raw.Read(c.read.attempt); err != nil {
		return 0, err
	}
	if c.read.n == 0 && c.read.err == nil {
		return 0, io.EOF
	}
	return c.read.n, c.read.err
}

func (c *Conn) readNow(fd uintptr) (done bool) {
	b := c.read.b
	if b == nil {
		c.buffer = buffers.Get().(*[bufferSize]byte)
		b = c.buffer[:]
	}
	c.read.n, c.read.err = transfer(unix.SYS_RECVFROM, fd, b)
	if c.read.err == unix.EAGAIN {
		c.release()
		return false // called again when there is something
	}
	return true
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Write(b)
	}
	c.write = call{attempt: c.write.attempt, b: b}
	if err := c.raw.Write(c.write.attempt); err != nil {
		return c.write.n, err
	}
	return c.write.n, c.write.err
}

func (c *Conn) writeNow(fd uintptr) (done bool) {
	for w := &c.write; w.n < len(w.b); {
		n, err := transfer(unix.SYS_SENDTO, fd, w.b[w.n:])
		if w.n += n; err != nil {
			w.err = err
			return err != unix.EAGAIN
		}
	}
	c.write.err = nil
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
func splice(dst, src *Conn, count *atomic.Int64) (readErr, writeErr error) {
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
