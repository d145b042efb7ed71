package pipe

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mycoproxy/backend"
)

// stage is how far a link has come.
type stage int

const (
	connecting stage = iota
	greeting         // the opening was said, its answer is awaited
	open
)

// link is a connection to the remote: a flow's, or a spare.
type link struct {
	socket
	stage  stage
	greets bool // it says the opening itself
	answer []byte
	report bool // its dial is news of the remote
	born   time.Time
	timer  timer // when the stage, or a spare's life, takes too long
}

// dial begins to connect to the remote.
func (l *loop) dial(greets bool) (*link, error) {
	family, at := unix.AF_INET6, unix.Sockaddr(nil)
	if addr := l.target.remote.Addr(); addr.Is4() {
		family, at = unix.AF_INET, &unix.SockaddrInet4{Addr: addr.As4(), Port: int(l.target.remote.Port())}
	} else {
		at = &unix.SockaddrInet6{Addr: addr.As16(), Port: int(l.target.remote.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	k := &link{greets: greets, born: time.Now()}
	k.socket.fd, k.socket.link, k.timer.link = fd, k, k
	setStreamOptions(fd)
	if err := unix.Connect(fd, at); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, err
	}
	if err := l.own(&k.socket); err != nil {
		unix.Close(fd)
		return nil, err
	}
	l.timers.set(&k.timer, k.born.Add(dialTimeout))
	return k, nil
}

// assign gives the flow a link: a spare that suits what the client has said
// first, or a fresh one.
func (l *loop) assign(f *flow, first []byte) {
	if !l.target.remote.IsValid() {
		l.cut(f)
		return
	}
	opening := l.forwarder.Opening.begins(first)
	if len(first) > 0 {
		l.note(f, opening)
	}
	k, inTheWay, found := l.spares.take(time.Now(), opening)
	l.drop(inTheWay)
	if !found {
		f.up.rest = slices.Clone(first)
		l.dialFor(f, false)
		return
	}
	f.isOnSpare, f.replay = true, slices.Clone(first)
	f.up.rest = f.replay
	if k.stage == connecting {
		k.greets = false
	} else if k.greets {
		said := len(l.forwarder.Opening.Sent)
		f.up.rest = f.replay[said:]
		f.up.count.Add(int64(said))
		f.heard = k.answer
		f.down.rest = k.answer
		k.stage = open
	}
	l.attach(f, k)
	l.timers.set(&f.timer, time.Now().Add(ackLimit))
	if k.stage == open {
		l.timers.stop(&k.timer)
		l.carry(f)
	}
	l.refill()
}

// hasGreeted reports whether it makes a difference how a stream begins.
func (s *spares[C]) hasGreeted() bool {
	return slices.ContainsFunc(s.stock, func(have spare[C]) bool { return have.greeted })
}

func (l *loop) attach(f *flow, k *link) {
	f.link, k.flow = k, f
	f.up.dst, f.down.src = &k.socket, &k.socket
}

// dialFor gives the flow a fresh link.
func (l *loop) dialFor(f *flow, greets bool) {
	l.timers.stop(&f.timer)
	k, err := l.dial(greets)
	if err != nil {
		f.link = nil
		l.dialled(err)
		l.cut(f)
		return
	}
	k.report = true
	l.attach(f, k)
}

// redial gives the flow a fresh link in place of a spare that has failed. The
// client sees nothing of that, so what it has heard must be so again.
func (l *loop) redial(f *flow) {
	l.drop(l.spares.clear()) // they would be in its way
	l.hangUp(f.link, true)
	f.isOnSpare = false
	unsent := f.up.rest
	f.up.replaceRest(f.replay)
	f.up.done = false
	if len(f.heard) > 0 {
		f.up.rest = f.replay[len(l.forwarder.Opening.Sent):]
	}
	f.up.count.Add(int64(len(unsent) - len(f.up.rest))) // it is counted again
	l.dialFor(f, len(f.heard) > 0)
}

// redirect dials the new target for a flow whose link to the old one is not
// open yet.
func (l *loop) redirect(f *flow) {
	if len(f.heard) > 0 || !l.target.remote.IsValid() {
		l.cut(f)
		return
	}
	l.hangUp(f.link, true)
	f.isOnSpare = false
	l.dialFor(f, false)
}

// advance takes a link as far as it comes without waiting.
func (l *loop) advance(k *link) {
	switch k.stage {
	case connecting:
		if !k.writable {
			return
		}
		if errno, err := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
			l.failLink(k, syscall.Errno(errno))
			return
		}
		l.connected(k)
	case greeting:
		l.readAnswer(k)
	}
}

func (l *loop) connected(k *link) {
	l.timers.stop(&k.timer)
	if k.report {
		l.dialled(nil)
	}
	l.proven = l.proven || k.flow != nil
	switch {
	case k.greets:
		k.stage = greeting
		if n, err := write(&k.socket, l.forwarder.Opening.Sent); n < len(l.forwarder.Opening.Sent) {
			l.failLink(k, err)
			return
		}
		limit := answerLimit
		if k.flow != nil {
			limit = replacementLimit
		}
		l.timers.set(&k.timer, time.Now().Add(limit))
	case k.flow != nil:
		k.stage = open
		l.carry(k.flow)
	case k.hungUp:
		l.failLink(k, nil)
	default:
		k.stage = open
		l.timers.set(&k.timer, k.born.Add(spareLifetime))
	}
	l.refill()
}

// readAnswer reads the answer to the opening, and not a byte more.
func (l *loop) readAnswer(k *link) {
	want := l.forwarder.Opening.Answer
	more := l.batch.room()[:len(want)-len(k.answer)]
	n, err := read(&k.socket, more)
	if err == unix.EAGAIN {
		return
	}
	k.answer = append(k.answer, more[:max(n, 0)]...)
	switch {
	case err != nil, n == 0, string(k.answer) != string(want[:len(k.answer)]):
		l.failLink(k, err)
	case len(k.answer) < len(want):
	default:
		k.stage = open
		k.readable = true // a read that stops at the answer does not tell
		l.timers.stop(&k.timer)
		if f := k.flow; f != nil {
			f.down.rest = append(slices.Clone(f.down.rest), k.answer[len(f.heard):]...)
			l.carry(f)
		} else {
			l.timers.set(&k.timer, k.born.Add(spareLifetime))
		}
	}
}

// failLink deals with a link that did not become open, or not in time.
func (l *loop) failLink(k *link, err error) {
	f := k.flow
	switch {
	case f == nil:
		l.discard(k)
		l.spares.rest(time.Now())
	case f.isOnSpare:
		l.redial(f)
	default:
		if k.stage == connecting {
			l.dialled(err)
		}
		l.cut(f)
	}
}

// overdue deals with a link whose time is up.
func (l *loop) overdue(k *link) {
	if k.stage == open {
		l.discard(k)
	} else {
		l.failLink(k, context.DeadlineExceeded)
	}
}

// discard closes a spare.
func (l *loop) discard(k *link) {
	l.spares.remove(k)
	l.drop([]*link{k})
}

// drop closes links that are not spares any more, nor a flow's yet.
func (l *loop) drop(links []*link) {
	for _, k := range links {
		l.hangUp(k, false)
	}
}

// hangUp closes the link, with a reset if the remote is to see an error.
func (l *loop) hangUp(k *link, reset bool) {
	l.timers.stop(&k.timer)
	l.close(&k.socket, reset)
}

// dialled tells the outcome of a flow's own dial.
func (l *loop) dialled(err error) {
	if errno, ok := err.(syscall.Errno); ok {
		err = &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(l.target.remote), Err: errno}
	}
	l.proven = err == nil
	if err == nil || !backend.IsLocal(err) {
		l.forwarder.Dialled(l.target.remote, err)
	}
	if err != nil {
		l.forwarder.Log.Debug("dialling the remote failed", "remote", l.target.remote, "error", err)
	}
}

// note counts the flow among those who want spares.
func (l *loop) note(f *flow, opening bool) {
	f.isNoted = true
	l.spares.note(time.Now(), opening)
}

// sent takes note of what the client has sent.
func (l *loop) sent(f *flow, b []byte) {
	if f.isOnSpare {
		if len(f.replay)+len(b) > replayLimit {
			l.commit(f)
		} else {
			f.replay = append(f.replay, b...)
		}
	}
	if !f.isNoted {
		l.note(f, l.forwarder.Opening.begins(b))
		l.refill()
	}
}

// askedNothing reports whether the client has ended without having said what the
// remote would have to answer.
func (l *loop) askedNothing(f *flow) bool {
	answered := 0
	if len(f.heard) > 0 {
		answered = len(l.forwarder.Opening.Sent)
	}
	return f.up.ended && len(f.replay) == answered
}

// commit ends the time in which the flow can be given another link.
func (l *loop) commit(f *flow) {
	f.isOnSpare, f.replay, f.heard = false, nil, nil
	l.timers.stop(&f.timer)
}

// refill dials the spares that are lacking. The remote must have accepted a
// stream's own dial before.
func (l *loop) refill() {
	if !l.proven {
		return
	}
	greeted, dialled := l.spares.lacking(time.Now(), l.spareKind)
	for i := range greeted + dialled {
		k, err := l.dial(i < greeted)
		if err != nil {
			l.spares.rest(time.Now())
			return
		}
		l.spares.add(k.born, k, k.greets)
	}
}

// sockaddrPort is the address of a TCP socket; invalid if it is none.
func sockaddrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	default:
		return netip.AddrPort{}
	}
}
