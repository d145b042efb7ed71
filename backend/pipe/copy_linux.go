package pipe

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 16 << 10
	pipeSize   = 256 << 10 // the system gives less to a user who has many
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copyBytes copies from src to dst until src ends, without errors, or either
// fails. Small messages go through a buffer; as soon as a read fills it, the
// kernel moves the bytes itself (splice(2)), until it finds nothing to move. A
// stream that waits for something to read holds neither buffer nor pipe.
func copyBytes(dst, src net.Conn, count *atomic.Int64) (readErr, writeErr error) {
	from, ok := src.(*net.TCPConn)
	to, ok2 := dst.(*net.TCPConn)
	if !ok || !ok2 {
		return copyBuffered(dst, src, count)
	}
	c := &copier{to: to, count: count}
	var err error
	if c.rawFrom, err = from.SyscallConn(); err != nil {
		return err, nil
	}
	if c.rawTo, err = to.SyscallConn(); err != nil {
		return nil, err
	}
	c.read, c.fill, c.drain = c.readSome, c.fillSome, c.drainSome
	return c.run()
}

// copier is one direction between two sockets.
type copier struct {
	to             *net.TCPConn
	rawFrom, rawTo syscall.RawConn
	count          *atomic.Int64

	read, fill, drain func(fd uintptr) bool // the methods below; made once, since each would be allocated anew

	buffer *[bufferSize]byte // while a read and the write after it are under way
	pipe   *kernelPipe       // while the kernel moves bytes
	n      int               // result of the last system call
	err    error
	left   int // bytes in the pipe
}

func (c *copier) run() (readErr, writeErr error) {
	for {
		if err := c.rawFrom.Read(c.read); err != nil {
			return err, nil
		}
		if c.n <= 0 {
			buffers.Put(c.buffer)
			return c.err, nil // n is 0 at the end
		}
		full := c.n == bufferSize
		_, err := c.to.Write(c.buffer[:c.n])
		buffers.Put(c.buffer)
		if err != nil {
			return nil, err
		}
		c.count.Add(int64(c.n))
		if full {
			if done, readErr, writeErr := c.splice(); done {
				return readErr, writeErr
			}
		}
	}
}

func (c *copier) readSome(fd uintptr) (done bool) {
	c.buffer = buffers.Get().(*[bufferSize]byte)
	for {
		c.n, c.err = unix.Read(int(fd), c.buffer[:])
		if c.err != unix.EINTR {
			break
		}
	}
	if c.err == unix.EAGAIN {
		buffers.Put(c.buffer)
		return false // called again when there is something
	}
	return true
}

// splice lets the kernel move bytes until it finds none, or too few to be worth
// it. It is done if either side failed.
func (c *copier) splice() (done bool, readErr, writeErr error) {
	if c.pipe = newKernelPipe(); c.pipe == nil {
		return false, nil, nil
	}
	defer func() {
		if c.left == 0 {
			c.pipe.keep()
		} else {
			c.pipe.close()
		}
		c.pipe, c.left = nil, 0
	}()
	for {
		if err := c.rawFrom.Read(c.fill); err != nil {
			return true, err, nil
		}
		switch {
		case c.err == unix.EAGAIN, c.err == unix.EINVAL, c.err == nil && c.n == 0:
			// Nothing to move now. A 0 is not always the end (urgent data gives
			// it, too): what it is, the next read will tell.
			return false, nil, nil
		case c.err != nil:
			return true, c.err, nil
		}
		c.left = c.n
		moved := c.n
		for c.left > 0 {
			if err := c.rawTo.Write(c.drain); err != nil {
				return true, nil, err
			}
			if c.err != nil {
				return true, nil, c.err
			}
			c.left -= c.n
		}
		c.count.Add(int64(moved))
		if moved < bufferSize {
			return false, nil, nil
		}
	}
}

const spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK

func (c *copier) fillSome(fd uintptr) (done bool) {
	c.n, c.err = splice(int(fd), c.pipe.w, pipeSize)
	return true // nothing to move is an answer too
}

func (c *copier) drainSome(fd uintptr) (done bool) {
	c.n, c.err = splice(c.pipe.r, int(fd), c.left)
	return c.err != unix.EAGAIN
}

func splice(from, to, limit int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, limit, spliceFlags)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}

// kernelPipe is a pipe(2) that bytes pass through on their way.
type kernelPipe struct{ r, w int }

// kernelPipes are kept for the next to need one.
var kernelPipes = make(chan *kernelPipe, 8)

// newKernelPipe returns nil if the system has none to give.
func newKernelPipe() *kernelPipe {
	select {
	case p := <-kernelPipes:
		return p
	default:
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	return &kernelPipe{fds[0], fds[1]}
}

// keep is for a pipe that is empty.
func (p *kernelPipe) keep() {
	select {
	case kernelPipes <- p:
	default:
		p.close()
	}
}

func (p *kernelPipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}
