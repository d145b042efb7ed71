package pipe

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop carries the streams of a forwarder between sockets of the system, all of
// them on one goroutine: it waits with epoll(7) until something can be done, and
// does it without waiting. So a stream costs two descriptors and a few hundred
// bytes, and a message no switch between goroutines.
//
// One core moves several gigabytes a second, which is more than the overlay
// does, so one loop is enough, and nothing in it needs a lock.
type loop struct {
	forwarder *Forwarder
	epoll     int
	failed    chan error // what ends the accepting for good
	ended     chan struct{}

	events  [128]unix.EpollEvent // of this round
	sockets []*socket            // by descriptor; nil: not ours
	closing []int                // descriptors to be closed when the events at hand have been dealt with
	again   []*flow              // with more to do, after the others have had their turn
	timers  timers
	pipes   kernelPipes
	batch   batch

	listener   int
	pause      time.Duration // after the next accept error that passes
	resume     timer         // when the listener is watched again
	congestion string        // the system's way of congestion control
	target     *target
	proven     bool // a dial of it has succeeded
	spares     spares[*link]
	spareKind  Spares

	mu     sync.Mutex
	wakeup int // eventfd(2); -1: the loop has ended
}

// socket is one of the two connections of a flow, or a spare. epoll tells each
// change once, so that it is kept here until a call finds otherwise.
type socket struct {
	fd       int
	readable bool
	writable bool
	hungUp   bool  // the other side has ended or is gone: a short read is not the last
	isLost   bool  // it is known to be gone
	flow     *flow // nil: a spare
	link     *link // nil: a client's
}

const socketEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// serveSockets serves as Serve does. It returns false if it cannot, because the
// listener or the dials are not the system's.
func (f *Forwarder) serveSockets() (served bool, err error) {
	listener, ok := f.listener.(*net.TCPListener)
	if !ok || !f.dialsSystem {
		return false, nil
	}
	l, err := newLoop(f, listener)
	switch {
	case err == nil:
	case f.ctx.Err() != nil:
		return true, net.ErrClosed
	default:
		f.Log.Warn("streams are carried the slower way", "error", err)
		return false, nil
	}
	f.loop.Store(l)
	f.streams.Go(l.run)
	select {
	case <-f.ctx.Done():
		l.end()
		return true, net.ErrClosed
	case err := <-l.failed:
		return true, err
	}
}

// newLoop takes the listener over from Go's own poller, which would wake up for
// each connection, too.
func newLoop(f *Forwarder, listener *net.TCPListener) (_ *loop, err error) {
	l := &loop{forwarder: f, epoll: -1, wakeup: -1, listener: -1, failed: make(chan error, 2), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.wakeup, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	if err = l.watch(l.wakeup, unix.EPOLLIN); err != nil {
		return nil, err
	}
	if l.listener, err = duplicate(listener); err != nil {
		return nil, err
	}
	l.batch.prepare()
	l.congestion, _ = unix.GetsockoptString(l.listener, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	// What is accepted inherits the options. Within one machine nothing is
	// congested, and there BBR's pacing, where it is the system's way, costs half
	// of the throughput. Every system has reno, and lets everybody use it.
	unix.SetsockoptString(l.listener, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	setStreamOptions(l.listener)
	if err = l.watch(l.listener, unix.EPOLLIN); err != nil {
		return nil, err
	}
	listener.Close()
	return l, nil
}

// duplicate returns a descriptor of the listener that is not Go's.
func duplicate(listener *net.TCPListener) (fd int, err error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return -1, err
	}
	if controlErr := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// release closes what the loop itself has. The port is free then.
func (l *loop) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fd := range []int{l.wakeup, l.listener, l.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	l.wakeup = -1
	l.batch.release()
}

// wake makes the loop look at what its forwarder is to do now.
func (l *loop) wake() {
	if l == nil {
		return // Serve was not called
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wakeup >= 0 {
		unix.Write(l.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// end returns when the loop, whose forwarder is closed, has ended.
func (l *loop) end() {
	if l != nil {
		l.wake()
		<-l.ended
	}
}

func (l *loop) watch(fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: events})
}

// run works until the forwarder is closed.
func (l *loop) run() {
	defer close(l.ended)
	defer l.release()
	l.obey()
	for l.forwarder.ctx.Err() == nil {
		if err := l.round(); err != nil {
			l.forwarder.Log.Error("waiting for sockets failed", "error", err)
			l.failed <- err
			break
		}
	}
	l.drop(l.spares.clear())
	l.eachFlow(l.cut)
	l.closeSockets()
	l.pipes.closeAll()
}

// round waits until something can be done, and does it.
func (l *loop) round() error {
	n, err := unix.EpollWait(l.epoll, l.events[:], l.patience())
	if err != nil && err != unix.EINTR {
		return err
	}
	l.batch.collects = l.batch.context != 0
	for _, e := range l.events[:max(n, 0)] {
		l.happened(e)
	}
	l.sendBatch()
	again := l.again
	l.again = nil
	for _, f := range again {
		f.goesOn = false
		l.carry(f)
	}
	l.ring()
	l.closeSockets()
	return nil
}

// patience is for how many milliseconds epoll may wait; negative: for ever.
func (l *loop) patience() int {
	switch {
	case len(l.again) > 0:
		return 0
	case len(l.timers) > 0:
		return int(max(0, time.Until(l.timers[0].at)+time.Millisecond-1) / time.Millisecond)
	default:
		return -1
	}
}

func (l *loop) happened(e unix.EpollEvent) {
	switch int(e.Fd) {
	case l.listener:
		l.accept()
		return
	case l.wakeup:
		var count [8]byte
		unix.Read(l.wakeup, count[:])
		l.obey()
		return
	}
	s := l.sockets[e.Fd]
	if s == nil {
		return // closed by what happened just before
	}
	s.readable = s.readable || e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	s.writable = s.writable || e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0
	s.hungUp = s.hungUp || e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if s.link != nil && s.link.stage != open {
		l.advance(s.link)
	} else if s.flow != nil {
		l.carry(s.flow)
	} else if s.hungUp {
		l.discard(s.link) // a spare that the remote has closed
	}
}

// obey does what the forwarder was told since: it may have another target,
// serve fewer, or keep other spares.
func (l *loop) obey() {
	if l.forwarder.ctx.Err() != nil {
		return
	}
	now := l.forwarder.target.Load()
	kind := Spares(l.forwarder.spareKind.Load())
	switched := l.target != now
	if switched {
		l.target, l.proven, l.spares.restUntil = now, false, time.Time{}
		l.drop(l.spares.clear())
	}
	if l.spareKind != kind {
		l.spareKind = kind
		l.drop(l.spares.clear())
	}
	l.eachFlow(func(f *flow) {
		switch {
		case f.audience != nil && f.audience.ctx.Err() != nil:
			l.cut(f)
		case f.link == nil || !switched:
		case f.link.stage != open:
			l.redirect(f)
		default:
			l.cut(f)
		}
	})
}

// eachFlow calls do for every flow that there is now.
func (l *loop) eachFlow(do func(*flow)) {
	for _, s := range slices.Clone(l.sockets) {
		if s != nil && s.link == nil && s.flow != nil {
			do(s.flow)
		}
	}
}

// own makes the descriptor one of the loop's sockets.
func (l *loop) own(s *socket) error {
	if s.fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]*socket, max(64, s.fd+1, 2*len(l.sockets))-len(l.sockets))...)
	}
	if err := l.watch(s.fd, socketEvents); err != nil {
		return err
	}
	l.sockets[s.fd] = s
	return nil
}

// close closes the socket, with a reset if the other side is to see an error.
// The descriptor goes only after the events at hand, some of which may be of
// this socket: a new one must not be taken for it.
func (l *loop) close(s *socket, reset bool) {
	if reset && !s.isLost {
		unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	l.sockets[s.fd] = nil
	l.closing = append(l.closing, s.fd)
}

func (l *loop) closeSockets() {
	for _, fd := range l.closing {
		unix.Close(fd)
	}
	l.closing = l.closing[:0]
}

// accept takes one connection; if there are more, epoll tells so again.
func (l *loop) accept() {
	fd, from, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch {
	case err == nil:
		l.pause = minAcceptPause
		l.admit(fd, sockaddrPort(from))
	case err == unix.EAGAIN, err == unix.EINTR:
	case slices.ContainsFunc(fatalErrors, func(fatal error) bool { return errors.Is(err, fatal) }):
		unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, l.listener, nil)
		l.failed <- err
	default:
		l.pause = max(l.pause, minAcceptPause)
		l.forwarder.Log.Warn("accepting a connection failed, trying again", "error", err, "in", l.pause)
		unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, l.listener, nil)
		l.timers.set(&l.resume, time.Now().Add(l.pause))
		l.pause = min(2*l.pause, maxAcceptPause)
	}
}

// admit starts a flow for an accepted connection, if it is one to be served.
func (l *loop) admit(fd int, source netip.AddrPort) {
	s := &socket{fd: fd, writable: true}
	local := source.Addr() // a loopback address is served whatever the local one is
	if !local.Unmap().IsLoopback() {
		if name, err := unix.Getsockname(fd); err == nil {
			local = sockaddrPort(name).Addr()
		}
	}
	served, audience := l.forwarder.judge(source.Addr(), local)
	if !served || l.own(s) != nil {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(fd)
		return
	}
	if audience != nil {
		unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, l.congestion)
	}
	l.start(s, audience)
}

// ring does what is due.
func (l *loop) ring() {
	if len(l.timers) == 0 {
		return
	}
	for now := time.Now(); len(l.timers) > 0 && !now.Before(l.timers[0].at); {
		switch t := l.timers.next(); {
		case t == &l.resume:
			if err := l.watch(l.listener, unix.EPOLLIN); err != nil {
				l.failed <- err
			}
		case t.link != nil:
			l.overdue(t.link)
		default:
			l.review(t.flow)
		}
	}
}

// setStreamOptions sends what is written at once, and finds out about a dead
// other side after about two and a half minutes, as Go's own sockets do.
func setStreamOptions(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
}
