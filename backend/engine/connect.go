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
	"mycoproxy/backend/scan"
)

// firstProxyWait is how long a connect waits for the first proxy of a scan.
const firstProxyWait = 6 * time.Second

// connecting is the task that finds a remote and forwards to it.
type connecting struct {
	want  netip.AddrPort // zero: the fastest
	avoid netip.AddrPort // not this one; zero: any
	wait  bool           // for a scan under way to find the first proxy
	user  bool           // commanded by the user: remember it

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed after the fields below are set
	got    netip.AddrPort
	err    error
}

// forwarding is the bound listener with what the engine knows of it.
type forwarding struct {
	*pipe.Forwarder
	reached []netip.AddrPort
	isReady bool
	ready   chan struct{} // closed when the listener serves
	closed  chan struct{} // closed when, after stopForwarding, no stream is left
}

// Connect implements [backend.Backend].
func (e *Engine) Connect(ctx context.Context, remote netip.AddrPort) (netip.AddrPort, error) {
	t := &connecting{want: remote, wait: true, user: true}
	var refused error
	err := e.do(ctx, func() {
		if refused = e.refuse(remote); refused == nil {
			e.recalling = false
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

// giveUp stops the task because nobody waits for it any more.
func (e *Engine) giveUp(t *connecting) {
	if e.connecting != t {
		return // it is done, or another took its place
	}
	e.stopConnecting()
	if e.forwarding != nil && !e.forwarding.isReady {
		e.stopForwarding()
	}
}

// refuse is the error of connecting to the engine's own listener, or nil.
func (e *Engine) refuse(remote netip.AddrPort) error {
	if remote.IsValid() && e.isOwn(remote, backend.LocalAddresses()) {
		return &backend.Error{Code: backend.OwnListener, Message: fmt.Sprintf("%s is where this service itself listens", remote)}
	}
	return nil
}

// isOwn reports whether this service itself listens at the address; local are
// the addresses of this machine.
func (e *Engine) isOwn(addr netip.AddrPort, local map[netip.Addr]bool) bool {
	return pipe.Listens(e.listening(), addr, local) ||
		slices.ContainsFunc(e.Own, func(own netip.AddrPort) bool { return pipe.Listens(own, addr, local) })
}

// listening is the address of the listener, bound or to be bound.
func (e *Engine) listening() netip.AddrPort {
	if e.forwarding != nil {
		return e.forwarding.Addr()
	}
	return e.Listen
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

// connect is the task itself.
func (e *Engine) connect(t *connecting) (netip.AddrPort, error) {
	addr, err := e.choose(t)
	if err == nil {
		err = e.listenFor(t, addr)
	}
	if stepErr := e.step(t, func() { e.settle(t, addr, err) }); stepErr != nil {
		return netip.AddrPort{}, stepErr
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addr, nil
}

// settle ends the task with its outcome.
func (e *Engine) settle(t *connecting, addr netip.AddrPort, err error) {
	e.connecting = nil
	if err == nil {
		e.lastError, e.recalling = nil, false
		if t.user {
			e.remember(backend.LastCommand{Connected: true, Remote: t.want})
		}
		return
	}
	e.Log.Info("connecting failed", "remote", remoteName(t.want), "error", err)
	if e.remote == nil {
		e.lastError = backend.AsError(err)
		e.recalling = e.recalling && e.lastError.Code == backend.NoValidProxy
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
		return pipe.Explain(e.Listen, bindErr) // takes its time, so not on the loop
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
	if e.remote != nil && e.remote.Address == addr {
		e.remote.Mode = mode
		return
	}
	e.stopChecking()
	e.fails.Store(0)
	e.remote = &backend.Remote{Address: addr, Mode: mode, Since: now(), Answering: true}
	e.verdict = e.table.Verdict(addr)
	e.forwarding.Switch(addr)
	e.Log.Info("forwarding", "remote", addr, "mode", mode)
	if mode == backend.Explicit {
		e.check() // it was not probed before
	}
}

// startForwarding binds the listener and serves it in a task.
func (e *Engine) startForwarding() error {
	l, err := e.Bind(e.Listen)
	if err != nil {
		return err
	}
	f := &forwarding{
		Forwarder: pipe.NewForwarder(l, pipe.Options{
			Share:    e.share,
			Dial:     e.Dial,
			Dialled:  e.dialled,
			Opening:  pipe.Opening{Sent: scan.Greeting, Answer: scan.Accepted},
			Counters: &e.counters,
			Log:      e.Log,
		}),
		ready:  make(chan struct{}),
		closed: make(chan struct{}),
	}
	if bound := f.Addr(); bound.Addr() != e.Listen.Addr() {
		e.Log.Warn("IPv6 is switched off on this machine, listening on IPv4 alone", "address", bound)
	}
	e.forwarding = f
	e.tasks.Go(func() { e.serve(f) })
	return nil
}

// serve is the task of a listener.
func (e *Engine) serve(f *forwarding) {
	reached := f.Reach()
	e.do(e.ctx, func() {
		f.reached, f.isReady = reached, true
		close(f.ready)
		e.Log.Info("listening", "address", f.Addr(), "reached", reached)
	})
	err := f.Serve()
	if errors.Is(err, net.ErrClosed) {
		return
	}
	e.do(e.ctx, func() {
		if e.forwarding == f {
			e.Log.Error("the listener ended by itself", "error", err)
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
	e.stopChecking()
	e.remote, e.forwarding = nil, nil
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
		e.recalling, e.lastError = false, nil
		e.stopConnecting()
		if closed = e.stopForwarding(); closed != nil {
			e.Log.Info("disconnected")
		}
		e.remember(backend.LastCommand{})
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
