package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/scan"
)

// probing is the task that scans again and again.
type probing struct {
	cancel   context.CancelFunc
	done     chan struct{}
	now      chan struct{} // has an element while a scan is wanted at once
	scanning bool
	last     time.Time // start of the newest scan
	next     time.Time
}

// StartProbe implements [backend.Backend].
func (e *Engine) StartProbe(ctx context.Context) error {
	return e.do(ctx, e.startProbing)
}

// ProbeNow implements [backend.Backend].
func (e *Engine) ProbeNow(ctx context.Context) error {
	return e.do(ctx, func() {
		if e.probing == nil {
			e.startProbing()
			return
		}
		select {
		case e.probing.now <- struct{}{}:
		default: // one is wanted already
		}
	})
}

// StopProbe implements [backend.Backend].
func (e *Engine) StopProbe(ctx context.Context) error {
	var p *probing
	if err := e.do(ctx, func() {
		if p = e.probing; p != nil {
			p.cancel()
			e.probing = nil
			e.log.Info("probing stopped")
		}
	}); err != nil || p == nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) startProbing() {
	if e.probing != nil {
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	p := &probing{cancel: cancel, done: make(chan struct{}), now: make(chan struct{}, 1)}
	e.probing = p
	p.begin()
	e.log.Info("probing started")
	e.tasks.Go(func() {
		defer close(p.done)
		e.probe(ctx, p)
	})
}

// begin notes that a scan begins now.
func (p *probing) begin() {
	p.scanning, p.last = true, now()
	p.next = p.last.Add(scan.Interval)
}

// probe does the task's work: one scan after another, until ctx is done.
func (e *Engine) probe(ctx context.Context, p *probing) {
	gap := scan.ForegroundGap
	for ctx.Err() == nil {
		due := time.Now().Add(scan.Interval)
		e.do(ctx, p.begin)
		if !e.scan(ctx, p, gap) {
			gap = scan.ForegroundGap
			continue
		}
		e.do(ctx, func() { p.scanning = false })
		select {
		case <-time.After(time.Until(due)):
			gap = scan.BackgroundGap
		case <-p.now:
			gap = scan.ForegroundGap
		case <-ctx.Done():
		}
	}
}

// scan makes one scan. It returns false if ProbeNow broke it off, so that another
// is to begin at once.
func (e *Engine) scan(ctx context.Context, p *probing, gap time.Duration) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := make(chan []netip.AddrPort, 2) // what is known, then what is new
	e.do(ctx, func() { in <- e.targets() })
	done := make(chan struct{})
	e.tasks.Go(func() {
		defer close(in)
		if e.config.Routes == nil {
			return
		}
		addrs, err := e.config.Routes(ctx)
		if ctx.Err() == nil {
			e.do(ctx, func() { in <- e.setRoutes(addrs, err) })
		}
	})
	go func() {
		defer close(done)
		e.prober.Round(ctx, in, gap, func(r scan.Result) {
			e.do(ctx, func() {
				e.table.Record(r)
				e.probed(r.Address, r.Verdict)
			})
		})
	}()
	select {
	case <-done:
		return true
	case <-p.now:
		cancel()
		<-done
		return false
	}
}

// isRemote reports whether addr is the address of the remote.
func (e *Engine) isRemote(addr netip.AddrPort) bool {
	return e.forwarding != nil && e.forwarding.remote.Address == addr
}

// targets returns the known peers in the order of a scan. The remote comes
// first, even if it is no peer.
func (e *Engine) targets() []netip.AddrPort {
	order := e.table.Order()
	if e.forwarding == nil {
		return order
	}
	return slices.Insert(slices.DeleteFunc(order, e.isRemote), 0, e.forwarding.remote.Address)
}

// setRoutes takes the node's answer, and returns the peers that are new.
func (e *Engine) setRoutes(addrs []netip.Addr, err error) []netip.AddrPort {
	message := ""
	if err != nil {
		message = err.Error()
	}
	if message != e.nodeError {
		e.nodeError = message
		if message != "" {
			e.log.Warn(message)
		} else {
			e.log.Info("the node answers", "routes", len(addrs))
		}
	}
	if addrs == nil {
		return nil // what is known from before stays
	}
	e.routes = make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		e.routes[i] = netip.AddrPortFrom(a, backend.DefaultPort)
	}
	wasPeer := e.forwarding != nil && e.table.Has(e.forwarding.remote.Address)
	fresh := e.table.Set(e.scannable())
	if wasPeer && !e.table.Has(e.forwarding.remote.Address) {
		e.check() // without a route it is probably gone itself
	}
	return fresh
}

// scannable returns the addresses to scan: the user's peers, without this
// service's own listeners, then those of the routes.
func (e *Engine) scannable() []netip.AddrPort {
	local := backend.LocalAddresses() // read once: there may be thousands of peers
	own := func(a netip.AddrPort) bool { return e.isOwn(a, local) }
	return append(slices.DeleteFunc(slices.Clone(e.config.Peers), own), e.routes...)
}
