package engine

import (
	"context"
	"net/netip"
	"sync/atomic"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/warm"
)

// suspectAfter is how many dials in a row must fail before the remote is checked.
const suspectAfter = 3

// checking is the task that finds out whether a remote under suspicion answers.
type checking struct{ cancel context.CancelFunc }

// dials counts the dials of a remote that failed in a row.
type dials struct {
	remote netip.AddrPort
	failed atomic.Int32
}

// dialled is called after each dial of a remote, on the stream's goroutine. A
// dial that ends after a switch, and one that fails for want of something on this
// machine, say nothing of the remote.
func (e *Engine) dialled(remote netip.AddrPort, err error) {
	d := e.dials.Load()
	if d.remote != remote || err != nil && backend.IsLocal(err) {
		return
	}
	var wantCheck bool
	if err != nil {
		wantCheck = d.failed.Add(1) == suspectAfter
	} else {
		wantCheck = d.failed.Swap(0) >= suspectAfter // it may be back
	}
	if wantCheck {
		e.tasks.Go(func() {
			e.do(e.ctx, func() {
				if e.isRemote(remote) {
					e.check()
				}
			})
		})
	}
}

// isAlive returns which verdicts are those of a remote that can be used. Whoever
// names a remote that needs a password is taken to know it.
func isAlive(mode backend.Mode) func(backend.Verdict) bool {
	return func(v backend.Verdict) bool {
		return v == backend.Valid || mode == backend.Explicit && v == backend.AuthRequired
	}
}

// idleKind returns which idle upstreams to keep: none while the remote is under
// suspicion or does not listen.
func (e *Engine) idleKind(f *forwarding) warm.Kind {
	switch {
	case !e.config.Warm, f.checking != nil, f.verdict == backend.NotListening:
		return warm.None
	case f.verdict == backend.Valid:
		return warm.Greeted
	default:
		return warm.Dialled
	}
}

// check starts the task that finds out whether the remote answers, unless it is
// under way.
func (e *Engine) check() {
	f := e.forwarding
	if f.checking != nil {
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	t := &checking{cancel}
	f.checking = t
	remote := f.remote
	e.tasks.Go(func() {
		defer cancel()
		r := e.prober.Confirm(ctx, remote.Address, isAlive(remote.Mode))
		e.do(e.ctx, func() {
			if f.checking == t {
				f.checking = nil
				e.table.Record(r)
				e.setVerdict(r.Verdict)
			}
		})
	})
}

func (f *forwarding) stopChecking() {
	if f.checking != nil {
		f.checking.cancel()
		f.checking = nil
	}
}

// setVerdict takes a verdict on the remote that needs no further check.
func (e *Engine) setVerdict(v backend.Verdict) {
	f := e.forwarding
	e.dials.Load().failed.Store(0)
	if v == backend.Unknown {
		return
	}
	f.verdict = v
	answering := isAlive(f.remote.Mode)(v)
	if !answering {
		e.dials.Load().failed.Store(suspectAfter) // so that the first dial that succeeds has it checked
	}
	if answering != f.remote.Answering {
		f.remote.Answering = answering
		if answering {
			e.log.Info("the remote answers again", "remote", f.remote.Address)
		} else {
			e.log.Warn("the remote does not answer", "remote", f.remote.Address, "verdict", v)
		}
	}
	if !answering {
		e.replace()
	}
}

// replace looks for another remote in place of one that does not answer, unless
// the user named it.
func (e *Engine) replace() {
	remote := e.forwarding.remote
	if remote.Mode == backend.Auto && e.connecting == nil && len(e.table.Valid()) > 0 {
		e.startConnecting(&connecting{avoid: remote.Address})
	}
}

// probed takes what a scan found at one peer.
func (e *Engine) probed(address netip.AddrPort, v backend.Verdict) {
	f := e.forwarding
	switch {
	case v == backend.Unknown:
	case e.isRemote(address):
		if isAlive(f.remote.Mode)(v) || !f.remote.Answering {
			e.setVerdict(v)
		} else {
			e.check() // one failure is no proof
		}
	case v != backend.Valid:
	case f != nil && !f.remote.Answering:
		e.replace()
	case e.restoring && e.connecting == nil:
		e.startConnecting(&connecting{})
	}
}
