package engine

import (
	"context"
	"net/netip"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe"
)

// suspectAfter is how many dials in a row must fail before the remote is checked.
const suspectAfter = 3

// checking is the task that asks a suspect again.
type checking struct{ cancel context.CancelFunc }

// dialled hears of each dial of the remote, on the stream's goroutine.
func (e *Engine) dialled(remote netip.AddrPort, err error) {
	var suspicious bool
	if err != nil {
		suspicious = e.fails.Add(1) == suspectAfter
	} else {
		suspicious = e.fails.Swap(0) >= suspectAfter // perhaps it is back
	}
	if suspicious {
		e.tasks.Go(func() {
			e.do(e.ctx, func() {
				if e.remote != nil && e.remote.Address == remote {
					e.check()
				}
			})
		})
	}
}

// alive reports whether the verdict is that of a remote that does its work.
func alive(mode backend.Mode) func(backend.Verdict) bool {
	return func(v backend.Verdict) bool {
		return v == backend.Valid || mode == backend.Explicit && v == backend.AuthRequired
	}
}

// spares are the spare connections to keep: none while the remote is under
// suspicion or does not listen.
func (e *Engine) spares() pipe.Spares {
	switch {
	case !e.Warm, e.checking != nil, e.verdict == backend.NotListening:
		return pipe.NoSpares
	case e.verdict == backend.Valid:
		return pipe.GreetedSpares
	default:
		return pipe.DialledSpares
	}
}

// check starts the task that finds out whether the remote answers, unless one
// is under way.
func (e *Engine) check() {
	if e.checking != nil {
		return
	}
	ctx, cancel := context.WithCancel(e.ctx)
	t := &checking{cancel}
	e.checking = t
	remote := *e.remote
	e.tasks.Go(func() {
		defer cancel()
		r := e.prober.Confirm(ctx, remote.Address, alive(remote.Mode))
		e.do(e.ctx, func() {
			if e.checking == t {
				e.checking = nil
				e.table.Record(r)
				e.judge(r.Verdict)
			}
		})
	})
}

func (e *Engine) stopChecking() {
	if e.checking != nil {
		e.checking.cancel()
		e.checking = nil
	}
}

// judge takes a confirmed verdict on the remote.
func (e *Engine) judge(v backend.Verdict) {
	e.fails.Store(0)
	if v == backend.Unknown {
		return
	}
	e.verdict = v
	answering := alive(e.remote.Mode)(v)
	if !answering {
		e.fails.Store(suspectAfter) // so that the first dial that succeeds has it checked
	}
	if answering != e.remote.Answering {
		e.remote.Answering = answering
		if answering {
			e.Log.Info("the remote answers again", "remote", e.remote.Address)
		} else {
			e.Log.Warn("the remote does not answer", "remote", e.remote.Address, "verdict", v)
		}
	}
	if !answering {
		e.replace()
	}
}

// replace looks for another remote in place of one that does not answer, if
// the user left the choice to us.
func (e *Engine) replace() {
	if e.remote.Mode == backend.Auto && e.connecting == nil && len(e.table.Valid()) > 0 {
		e.startConnecting(&connecting{avoid: e.remote.Address})
	}
}

// probed takes what a scan found at one peer.
func (e *Engine) probed(address netip.AddrPort, v backend.Verdict) {
	switch {
	case v == backend.Unknown:
	case e.remote != nil && e.remote.Address == address:
		if alive(e.remote.Mode)(v) || !e.remote.Answering {
			e.judge(v)
		} else {
			e.check() // one failure is no proof
		}
	case v != backend.Valid:
	case e.remote != nil && !e.remote.Answering:
		e.replace()
	case e.recalling && e.connecting == nil:
		e.startConnecting(&connecting{})
	}
}
