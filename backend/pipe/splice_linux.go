package pipe

import "golang.org/x/sys/unix"

const (
	pipeSize  = 512 << 10 // bytes that the kernel moves at once
	mostPipes = 32        // at once: the system gives 64 MiB to all pipes of a user
)

// kernelPipe is a pipe(2) that the kernel moves bytes through (splice(2)),
// without their being copied into this process.
type kernelPipe struct{ r, w int }

// kernelPipes are the pipes of a loop.
type kernelPipes struct {
	spare []*kernelPipe // empty ones
	made  int
}

// get returns nil if there is none to be had.
func (k *kernelPipes) get() *kernelPipe {
	if last := len(k.spare) - 1; last >= 0 {
		p := k.spare[last]
		k.spare = k.spare[:last]
		return p
	}
	var fds [2]int
	if k.made == mostPipes || unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	k.made++
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize) // a refusal leaves it smaller
	return &kernelPipe{fds[0], fds[1]}
}

// put takes a pipe back. One that is not empty is closed, and so are those that
// a moment of many streams has left over.
func (k *kernelPipes) put(p *kernelPipe, isEmpty bool) {
	if isEmpty && len(k.spare) < 2 {
		k.spare = append(k.spare, p)
		return
	}
	k.close(p)
}

func (k *kernelPipes) close(p *kernelPipe) {
	unix.Close(p.r)
	unix.Close(p.w)
	k.made--
}

func (k *kernelPipes) closeAll() {
	for _, p := range k.spare {
		k.close(p)
	}
	k.spare = nil
}

// splice moves up to limit bytes from one descriptor to another, one of which
// is a pipe, without waiting.
func splice(from, to, limit int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, limit, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}
