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

func receive(fd uintptr, b []byte) (int, error) { return transfer(unix.SYS_RECVFROM, fd, b) }
func send(fd uintptr, b []byte) (int, error)    { return transfer(unix.SYS_SENDTO, fd, b) }

func transfer(call, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), nil
		} else if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// pipes are empty ones of pipe(2), kept for the next bulk.
var pipes = make(chan [2]int, 16)

func takePipe() (p [2]int, err error) {
	select {
	case p = <-pipes:
	default:
		if err = unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err == nil {
			unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, pipeSize) // where it may not be, less will do
		}
	}
	return p, err
}

// giveBack keeps an empty pipe if not enough are kept, and closes any other.
func giveBack(p [2]int, isEmpty bool) {
	if isEmpty {
		select {
		case pipes <- p:
			return
		default:
		}
	}
	unix.Close(p[0])
	unix.Close(p[1])
}

// splice lets the kernel move what src has, until it has nothing for the moment.
// That it moves nothing is no end: it stops at urgent data, too, so only a read
// can tell.
func splice(dst, src *Conn, count *atomic.Int64) (readErr, writeErr error) {
	p, err := takePipe()
	if err != nil {
		return nil, nil // too few descriptors: reads and writes do it
	}
	defer func() { giveBack(p, readErr == nil && writeErr == nil) }()
	for {
		n := 0
		if err := src.raw.Read(func(fd uintptr) bool {
			n, readErr = move(int(fd), p[1], pipeSize)
			return true
		}); err != nil {
			return err, nil
		}
		if readErr == unix.EAGAIN || n == 0 && readErr == nil {
			return nil, nil
		}
		for left := n; left > 0 && readErr == nil && writeErr == nil; left -= n {
			if err := dst.raw.Write(func(fd uintptr) bool {
				n, writeErr = move(p[0], int(fd), left)
				return writeErr != unix.EAGAIN
			}); err != nil {
				return nil, err
			}
			count.Add(int64(n))
		}
		if readErr != nil || writeErr != nil {
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

// Unsent is the number of bytes written that the other side has not acknowledged;
// 0 if the connection is closed (tcp(7), SIOCOUTQ).
func (c *Conn) Unsent() (n int) {
	c.control(func(fd int) {
		if n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ); n == 0 {
			return
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.State == unix.BPF_TCP_CLOSE {
			n = 0 // a reset leaves the count as it was
		}
	})
	return n
}

// wasReset reports whether the other side has reset the connection. It is no
// use once this side has ended its own writing.
func (c *Conn) wasReset() (reset bool) {
	c.control(func(fd int) {
		reset = unix.Send(fd, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) == unix.EPIPE
	})
	return reset
}
