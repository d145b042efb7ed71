package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/warm"
	"mycoproxy/backend/scan"
)

// firstProxyWait is how long a connect waits for the first proxy of a scan.
const firstProxyWait = 6 * time.Second

// connecting is the task that finds a remote and forwards to it.
type connecting struct {
	want  netip.AddrPort // zero: the fastest
	avoid netip.AddrPort // not this one; zero: any
	wait  bool           // wait for a scan under way to find the first proxy
	user  bool           // the user commanded it, so it is saved

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed after the fields below are set
	got    netip.AddrPort
	err    error
}

// forwarding is the bound listener and the remote to which it forwards.
type forwarding struct {
	*pipe.Forwarder
	ready   chan struct{}    // closed when the listener serves
	reached []netip.AddrPort // set before ready is closed
	closed  chan struct{}    // closed when, after stopForwarding, no stream is left

	remote   backend.Remote
	verdict  backend.Verdict // the last one on the remote, which need not be in the table
	checking *checking       // nil: the remote is not under suspicion
}

func (f *forwarding) isReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// Connect implements [backend.Backend].
func (e *Engine) Connect(ctx context.Context, remote netip.AddrPort) (netip.AddrPort, error) {
	t := &connecting{want: remote, wait: true, user: true}
	var refused error
	err := e.do(ctx, func() {
		if refused = e.checkNotOwn(remote); refused == nil {
			e.restoring = false
			e.startConnecting(t)
		}
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	if refused != nil {
		return netip.AddrPort{}, refused
	}
	select {
	case <-t.done:
		return t.got, t.err
	case <-ctx.Done():
		e.do(e.ctx, func() { e.giveUp(t) })
		return netip.AddrPort{}, ctx.Err()
	}
}

// giveUp stops the task, because whoever commanded it does not wait any more.
func (e *Engine) giveUp(t *connecting) {
	if e.connecting != t {
		return // it has ended, or another has taken its place
	}
	e.stopConnecting()
	if e.forwarding != nil && !e.forwarding.isReady() {
		e.stopForwarding()
	}
}

// checkNotOwn returns an error if remote is where this service itself listens.
func (e *Engine) checkNotOwn(remote netip.AddrPort) error {
	if remote.IsValid() && e.isOwn(remote, backend.LocalAddresses()) {
		return &backend.Error{Code: backend.OwnListener, Message: fmt.Sprintf("%s is where this service itself listens", remote)}
	}
	return nil
}

// isOwn reports whether this service itself listens at the address; local are
// the addresses of this machine.
func (e *Engine) isOwn(addr netip.AddrPort, local map[netip.Addr]bool) bool {
	return listen.Listens(e.listening(), addr, local) ||
		slices.ContainsFunc(e.config.Own, func(own netip.AddrPort) bool { return listen.Listens(own, addr, local) })
}

// listening returns the address of the listener, whether it is bound yet or not.
func (e *Engine) listening() netip.AddrPort {
	if e.forwarding != nil {
		return e.forwarding.Addr()
	}
	return e.config.Listen
}

// startConnecting starts the task in place of another that may be under way.
func (e *Engine) startConnecting(t *connecting) {
	e.stopConnecting()
	t.ctx, t.cancel = context.WithCancel(e.ctx)
	t.done = make(chan struct{})
	e.connecting = t
	e.tasks.Go(func() {
		defer t.cancel()
		defer close(t.done)
		t.got, t.err = e.connect(t)
	})
}

func (e *Engine) stopConnecting() {
	if e.connecting != nil {
		e.connecting.cancel()
		e.connecting = nil
	}
}

// step runs f on the loop if the task has not been replaced.
func (e *Engine) step(t *connecting, f func()) error {
	current := false
	err := e.do(e.ctx, func() {
		if current = e.connecting == t; current {
			f()
		}
	})
	switch {
	case err != nil:
		return errStopped
	case !current:
		return backend.ErrSuperseded
	default:
		return nil
	}
}

// connect does the task's work, and returns the address of the remote.
func (e *Engine) connect(t *connecting) (netip.AddrPort, error) {
	addr, err := e.choose(t)
	if err == nil {
		err = e.listenFor(t, addr)
	}
	if stepErr := e.step(t, func() { e.finish(t, addr, err) }); stepErr != nil {
		return netip.AddrPort{}, stepErr
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addr, nil
}

// finish ends the task with its outcome.
func (e *Engine) finish(t *connecting, addr netip.AddrPort, err error) {
	e.connecting = nil
	if err == nil {
		e.lastError, e.restoring = nil, false
		if t.user {
			e.saveCommand(backend.LastCommand{Connected: true, Remote: t.want})
		}
		return
	}
	e.log.Info("connecting failed", "remote", remoteName(t.want), "error", err)
	if e.forwarding == nil {
		e.lastError = backend.AsError(err)
		e.restoring = e.restoring && e.lastError.Code == backend.NoValidProxy
	}
}

// choose returns the remote that the task is to connect to.
func (e *Engine) choose(t *connecting) (netip.AddrPort, error) {
	if t.want.IsValid() {
		return t.want, nil
	}
	limit := time.After(firstProxyWait)
	for {
		var valid []netip.AddrPort
		scanning := false
		_, changed := e.latest.load()
		if err := e.step(t, func() {
			valid = slices.DeleteFunc(e.table.Valid(), func(a netip.AddrPort) bool { return a == t.avoid })
			scanning = e.probing != nil && e.probing.scanning
		}); err != nil {
			return netip.AddrPort{}, err
		}
		if len(valid) > 0 {
			return e.prober.Race(t.ctx, valid)
		}
		if !t.wait || !scanning {
			return netip.AddrPort{}, backend.ErrNoValidProxy
		}
		select {
		case <-changed:
		case <-limit:
			return netip.AddrPort{}, backend.ErrNoValidProxy
		case <-t.ctx.Done():
			return netip.AddrPort{}, backend.ErrSuperseded
		}
	}
}

// listenFor binds the listener if it is not bound, makes addr the remote, and
// returns when connections are served.
func (e *Engine) listenFor(t *connecting, addr netip.AddrPort) error {
	var f *forwarding
	var bindErr error
	if err := e.step(t, func() {
		if e.forwarding == nil {
			bindErr = e.startForwarding()
		}
		if bindErr == nil {
			f = e.forwarding
			e.setRemote(addr, t.mode())
		}
	}); err != nil {
		return err
	}
	if bindErr != nil {
		return listen.Explain(e.config.Listen, bindErr) // takes its time, so not on the loop
	}
	select {
	case <-f.ready:
		return nil
	case <-t.ctx.Done():
		return backend.ErrSuperseded
	}
}

func (t *connecting) mode() backend.Mode {
	if t.want.IsValid() {
		return backend.Explicit
	}
	return backend.Auto
}

// setRemote switches to addr. If it is the remote already, its streams go on.
func (e *Engine) setRemote(addr netip.AddrPort, mode backend.Mode) {
	f := e.forwarding
	if f.remote.Address == addr {
		f.remote.Mode = mode
		return
	}
	f.stopChecking()
	e.dials.Store(&dials{remote: addr})
	f.remote = backend.Remote{Address: addr, Mode: mode, Since: now(), Answering: true}
	f.verdict = e.table.Verdict(addr)
	f.Switch(addr)
	e.log.Info("forwarding", "remote", addr, "mode", mode)
	if mode == backend.Explicit {
		e.check() // it need not have been probed before
	}
}

// startForwarding binds the listener and serves it in a task.
func (e *Engine) startForwarding() error {
	l, err := e.config.Bind(e.config.Listen)
	if err != nil {
		return err
	}
	f := &forwarding{
		Forwarder: pipe.New(l, pipe.Config{
			Share: e.share,
			Remote: warm.Config{
				Dial:      e.config.Dial,
				Dialled:   e.dialled,
				Handshake: warm.Handshake{Greeting: scan.Greeting, Answer: scan.Accepted},
			},
			Counters: &e.counters,
			Log:      e.log,
		}),
		ready:  make(chan struct{}),
		closed: make(chan struct{}),
	}
	if bound := f.Addr(); bound.Addr() != e.config.Listen.Addr() {
		e.log.Warn("IPv6 is switched off on this machine, listening on IPv4 alone", "address", bound)
	}
	e.forwarding = f
	e.tasks.Go(func() { e.serve(f) })
	return nil
}

// serve is the task of a listener.
func (e *Engine) serve(f *forwarding) {
	reached := f.SelfTest()
	e.do(e.ctx, func() {
		f.reached = reached
		close(f.ready)
		e.log.Info("listening", "address", f.Addr(), "reached", reached)
	})
	err := f.Serve()
	if errors.Is(err, net.ErrClosed) {
		return
	}
	e.do(e.ctx, func() {
		if e.forwarding == f {
			e.log.Error("the listener ended by itself", "error", err)
			e.stopConnecting()
			e.stopForwarding()
			e.lastError = &backend.Error{Code: backend.ListenerLost, Message: fmt.Sprintf("The listener on %s ended: %v", f.Addr(), err)}
		}
	})
}

// stopForwarding closes the listener, so that the port is free, and every
// stream. The channel is closed when none is left; nil: there was nothing to stop.
func (e *Engine) stopForwarding() <-chan struct{} {
	f := e.forwarding
	if f == nil {
		return nil
	}
	f.stopChecking()
	e.forwarding = nil
	f.Close()
	e.tasks.Go(func() {
		f.Wait()
		close(f.closed)
	})
	return f.closed
}

// Disconnect implements [backend.Backend].
func (e *Engine) Disconnect(ctx context.Context) error {
	var closed <-chan struct{}
	if err := e.do(ctx, func() {
		e.restoring, e.lastError = false, nil
		e.stopConnecting()
		if closed = e.stopForwarding(); closed != nil {
			e.log.Info("disconnected")
		}
		e.saveCommand(backend.LastCommand{})
	}); err != nil || closed == nil {
		return err
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
