//go:build linux

package bare

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	pipeSize  = 512 << 10
	keptPipes = 16
)

// pipe is what splice needs in the middle, for a stream as long as bulk comes.
type pipe struct{ r, w int }

// pipes are empty.
var pipes = make(chan pipe, keptPipes)

func takePipe() (pipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return pipe{}, err
	}
	unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, pipeSize) // refused, it is smaller
	return pipe{ends[0], ends[1]}, nil
}

// giveBack keeps an empty pipe for others.
func (p pipe) giveBack() {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// splice moves what comes until nothing comes. It does not tell an end: that it
// moved no byte may also mean urgent data, so the read that follows tells.
func splice(to, from syscall.RawConn) error {
	p, err := takePipe()
	if err != nil {
		return nil // without a pipe, reads and writes go on
	}
	for {
		n, err := spliceIn(p, from)
		if err == unix.EAGAIN || err == nil && n == 0 {
			p.giveBack()
			return nil
		}
		if err == nil {
			err = spliceOut(p, to, n)
		}
		if err != nil {
			p.close() // it may hold bytes
			return err
		}
	}
}

// spliceIn does not wait.
func spliceIn(p pipe, from syscall.RawConn) (n int, err error) {
	waited := from.Read(func(fd uintptr) (done bool) {
		n, err = move(int(fd), p.w, pipeSize)
		return true
	})
	if waited != nil {
		err = waited
	}
	return n, err
}

// spliceOut waits until all n bytes are out of the pipe.
func spliceOut(p pipe, to syscall.RawConn, n int) (err error) {
	waited := to.Write(func(fd uintptr) (done bool) {
		for n > 0 && err == nil {
			var moved int
			moved, err = move(p.r, int(fd), n)
			n -= moved
		}
		if err == unix.EAGAIN {
			err = nil
			return false
		}
		return true
	})
	if waited != nil {
		err = waited
	}
	return err
}

func move(from, to, limit int) (n int, err error) {
	for {
		moved, err := unix.Splice(from, nil, to, nil, limit, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return max(int(moved), 0), err
		}
	}
}
