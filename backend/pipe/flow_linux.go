package pipe

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	messageSize = 16 << 10 // bytes read at once; a read that fills it makes way for the kernel's own moving
	turn        = 2 << 20  // bytes that one direction may move before the others have theirs
)

// flow is one stream of a loop: an accepted connection, and the link to the
// remote that it was given.
type flow struct {
	client   *socket
	link     *link     // nil: the client's first bytes are awaited, which decide on it
	audience *audience // of another machine's; nil: it is this machine's
	up, down direction
	isNoted  bool // counted among those who want spares
	goesOn   bool // it has more to do, after the others
	isClosed bool

	isBroken bool      // a side is gone without having ended
	deadline time.Time // if so, by when what came before must have arrived

	// While it is on a spare that nothing has come back from, it can still be
	// given another link.
	isOnSpare bool
	replay    []byte // what the client has sent
	heard     []byte // what the spare had heard before, which the client has got

	timer timer
}

// direction is one of the two of a flow.
type direction struct {
	src, dst  *socket
	count     *atomic.Int64
	rest      []byte      // read and not written yet
	borrowed  bool        // it is in the loop's buffer
	isBatched bool        // which is to be sent at the end of the round
	pipe      *kernelPipe // with the bytes left in it; nil: none
	left      int
	isBulk    bool // so much comes that the kernel should move it
	ended     bool // nothing more will be read
	done      bool // nor written
}

// start begins to serve an accepted connection.
func (l *loop) start(client *socket, audience *audience) {
	f := &flow{client: client, audience: audience}
	client.flow, f.timer.flow = f, f
	f.up.src, f.up.count = client, &l.forwarder.Counters.up
	f.down.dst, f.down.count = client, &l.forwarder.Counters.down
	l.forwarder.Counters.total.Add(1)
	l.forwarder.Counters.open.Add(1)
	if l.spares.hasGreeted() {
		l.timers.set(&f.timer, time.Now().Add(firstBytesLimit))
		return
	}
	l.assign(f, nil)
}

// hear reads the client's first bytes.
func (l *loop) hear(f *flow) {
	first := l.batch.room()
	n, err := read(f.client, first)
	switch {
	case err == unix.EAGAIN:
		return
	case err != nil:
		l.cut(f)
		return
	}
	f.up.ended = n == 0
	l.assign(f, first[:n])
}

// carry moves what can be moved.
func (l *loop) carry(f *flow) {
	switch {
	case f.isClosed:
		return
	case f.link == nil:
		if f.client.readable {
			l.hear(f)
		}
		return
	}
	for _, d := range []*direction{&f.up, &f.down} {
		if !f.isClosed && f.link.stage == open {
			l.pump(f, d)
		}
	}
	l.settle(f)
}

// sendBatch sends what was read in this round, and goes on with its streams when
// it knows of each send whether it failed.
func (l *loop) sendBatch() {
	sends := l.batch.submit()
	for _, s := range sends {
		f, d := s.flow, s.direction
		if f.isClosed || !d.isBatched {
			continue // it was given up later in the round
		}
		d.isBatched = false
		d.wrote(s.written)
		if err := l.flush(f, d); err != nil {
			l.lostWriting(f, d)
		}
	}
	for _, s := range sends {
		l.carry(s.flow)
	}
	l.batch.clear()
}

func (d *direction) isEmpty() bool { return len(d.rest) == 0 && d.left == 0 }

// pump moves bytes in one direction until one side has to be waited for.
func (l *loop) pump(f *flow, d *direction) {
	for moved := 0; !d.done; {
		if err := l.flush(f, d); err != nil {
			l.lostWriting(f, d)
			return
		}
		switch {
		case !d.isEmpty():
			return
		case d.ended:
			l.passEnd(f, d)
			return
		case !d.src.readable:
			return
		case moved >= turn, d.isBulk && l.batch.collects: // the messages of this round go first
			if !f.goesOn {
				f.goesOn = true
				l.again = append(l.again, f)
			}
			return
		}
		n, err := l.fill(f, d)
		if err != nil && err != unix.EAGAIN {
			l.lostReading(f, d)
			return
		}
		moved += n
	}
}

// fill reads from the source: into the pipe if much comes, else into the buffer.
func (l *loop) fill(f *flow, d *direction) (n int, err error) {
	if d.isBulk {
		if d.pipe = l.pipes.get(); d.pipe != nil {
			n, err = splice(d.src.fd, d.pipe.w, pipeSize)
			switch {
			case n > 0:
				d.left, d.isBulk = n, n >= messageSize
				return n, nil
			case err == unix.EAGAIN:
				d.src.readable = false
			case err == nil, err == unix.EINVAL:
				d.isBulk, err = false, nil // the end, or urgent data: the next read will tell
			}
			d.empty(&l.pipes)
			return 0, err
		}
	}
	buffer := l.batch.room()
	if n, err = read(d.src, buffer); err != nil {
		return 0, err
	}
	if n == 0 {
		if d == &f.down && f.isOnSpare && !l.askedNothing(f) {
			return 0, unix.ECONNRESET // another link may do better
		}
		d.ended = true
		return 0, nil
	}
	d.rest, d.borrowed, d.isBulk = buffer[:n], true, n == messageSize
	if d == &f.up {
		l.sent(f, d.rest)
	} else if f.isOnSpare {
		l.commit(f)
	}
	return n, nil
}

// flush writes what was read, as far as the destination takes it, or leaves that
// to the batch.
func (l *loop) flush(f *flow, d *direction) error {
	if d.isBatched {
		return nil
	}
	if d.borrowed && !d.isBulk && d.dst.writable && l.batch.add(f, d) {
		return nil
	}
	for len(d.rest) > 0 && d.dst.writable {
		n, err := write(d.dst, d.rest)
		if err != nil && err != unix.EAGAIN {
			return err
		}
		d.wrote(n)
	}
	if d.borrowed {
		d.rest, d.borrowed = slices.Clone(d.rest), false
	}
	for d.left > 0 && d.dst.writable {
		n, err := splice(d.pipe.r, d.dst.fd, d.left)
		switch {
		case err == unix.EAGAIN:
			d.dst.writable = false
		case err != nil:
			return err
		}
		d.left -= max(n, 0)
		d.count.Add(int64(max(n, 0)))
	}
	if d.left == 0 {
		d.empty(&l.pipes)
	}
	return nil
}

func (d *direction) replaceRest(rest []byte) { d.rest, d.borrowed, d.isBatched = rest, false, false }

func (d *direction) wrote(n int) {
	d.rest = d.rest[n:]
	d.count.Add(int64(n))
}

// empty gives the pipe back, with what is left in it.
func (d *direction) empty(pipes *kernelPipes) {
	if d.pipe != nil {
		pipes.put(d.pipe, d.left == 0)
		d.pipe, d.left = nil, 0
	}
}

// passEnd ends the writing to the destination, because the source has ended.
func (l *loop) passEnd(f *flow, d *direction) {
	if !f.isBroken && unix.Shutdown(d.dst.fd, unix.SHUT_WR) != nil {
		l.lostWriting(f, d)
		return
	}
	d.done = true
}

// lostReading takes note that the source is gone, with all read that came from
// it before.
func (l *loop) lostReading(f *flow, d *direction) {
	if d == &f.down && f.isOnSpare {
		l.redial(f)
		return
	}
	d.src.isLost, d.done = true, true
	l.giveUp(f, f.opposite(d))
}

// lostWriting takes note that the destination is gone. What came from it before
// may still be on its way: the other direction delivers that, and finds the
// break behind it.
func (l *loop) lostWriting(f *flow, d *direction) {
	if d == &f.up && f.isOnSpare {
		l.redial(f)
		return
	}
	d.dst.isLost = true
	l.giveUp(f, d)
}

// giveUp ends a direction whose destination is gone.
func (l *loop) giveUp(f *flow, d *direction) {
	if !f.isBroken {
		f.isBroken, f.deadline = true, time.Now().Add(sentLimit)
	}
	d.replaceRest(nil)
	d.done = true
	d.empty(&l.pipes)
}

func (f *flow) opposite(d *direction) *direction {
	if d == &f.up {
		return &f.down
	}
	return &f.up
}

// settle ends the flow if both directions have. One that is broken is reset,
// so that neither side takes it for one that ended, but first what came before
// the break arrives: a reset throws away what the other side has not been sent.
func (l *loop) settle(f *flow) {
	done := f.up.done && f.down.done
	switch {
	case f.isClosed:
	case !f.isBroken:
		if done {
			l.finish(f, false)
		}
	case done && f.client.allSent() && f.link.allSent(), !time.Now().Before(f.deadline):
		l.cut(f)
	default:
		l.timers.set(&f.timer, time.Now().Add(sentCheck))
	}
}

// review looks at a flow whose timer has gone off.
func (l *loop) review(f *flow) {
	switch {
	case f.link == nil: // the client waits for the remote to speak
		l.assign(f, nil)
	case f.isBroken:
		l.settle(f)
	case f.isOnSpare:
		if f.link.stage == open && !f.link.allSent() {
			l.redial(f)
		} else {
			l.timers.set(&f.timer, time.Now().Add(ackLimit))
		}
	}
}

// cut ends both sides with a reset.
func (l *loop) cut(f *flow) { l.finish(f, true) }

func (l *loop) finish(f *flow, reset bool) {
	f.isClosed = true
	l.timers.stop(&f.timer)
	f.up.empty(&l.pipes)
	f.down.empty(&l.pipes)
	l.close(f.client, reset)
	if f.link != nil {
		l.hangUp(f.link, reset)
	}
	l.forwarder.Counters.open.Add(-1)
}

// allSent reports whether what was written has arrived, or cannot.
func (s *socket) allSent() bool { return s.isLost || unsentBytes(s.fd) == 0 }

// read reads without waiting; 0 is the end.
func read(s *socket, buffer []byte) (n int, err error) {
	n, err = transfer(unix.SYS_RECVFROM, s.fd, buffer)
	if err == unix.EAGAIN || err == nil && n < len(buffer) && !s.hungUp {
		s.readable = false
	}
	return n, err
}

// write writes without waiting.
func write(s *socket, b []byte) (n int, err error) {
	n, err = transfer(unix.SYS_SENDTO, s.fd, b)
	if n < len(b) {
		s.writable = false
	}
	return max(n, 0), err
}

// transfer is recv(2) or send(2) on a socket that does not wait, so that there
// is no need to tell the scheduler of a system call that might.
func transfer(call uintptr, fd int, b []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}
