package engine

import (
	"net/netip"

	"mycoproxy/backend"
	"mycoproxy/backend/settings"
)

// recall does again what the last command was.
func (e *Engine) recall() {
	if !e.Memory.Connected {
		return
	}
	e.recalling = !e.Memory.Remote.IsValid()
	if err := e.refuse(e.Memory.Remote); err != nil {
		e.Log.Warn("not connecting again", "error", err)
		return
	}
	e.Log.Info("connecting again, as before", "remote", remoteName(e.Memory.Remote))
	e.startConnecting(&connecting{want: e.Memory.Remote, wait: true})
}

func remoteName(remote netip.AddrPort) string {
	if !remote.IsValid() {
		return "the fastest"
	}
	return remote.String()
}

// remember hands the last command to saveMemories, in place of an older one
// that still waits there.
func (e *Engine) remember(m settings.Memory) {
	select {
	case <-e.saves:
	default:
	}
	e.saves <- m
}

// saveMemories is the task that writes; the loop never waits for a disk.
func (e *Engine) saveMemories() {
	for m := range e.saves {
		if e.Remember == nil {
			continue
		}
		var trouble *backend.Error
		if err := e.Remember(m); err != nil {
			trouble = &backend.Error{Code: backend.StateUnsaved, Message: "Could not save the last command: " + err.Error()}
			e.Log.Warn("the last command was not saved", "error", err)
		}
		e.do(e.ctx, func() { e.saveError = trouble })
	}
}
