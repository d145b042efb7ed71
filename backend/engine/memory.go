package engine

import (
	"net/netip"

	"mycoproxy/backend"
)

// recall does again what the last command was.
func (e *Engine) recall() {
	if !e.LastCommand.Connected {
		return
	}
	e.recalling = !e.LastCommand.Remote.IsValid()
	if err := e.refuse(e.LastCommand.Remote); err != nil {
		e.Log.Warn("not connecting again", "error", err)
		return
	}
	e.Log.Info("connecting again, as before", "remote", remoteName(e.LastCommand.Remote))
	e.startConnecting(&connecting{want: e.LastCommand.Remote, wait: true})
}

func remoteName(remote netip.AddrPort) string {
	if !remote.IsValid() {
		return "the fastest"
	}
	return remote.String()
}

// remember hands the last command to saveMemories, in place of an older one
// that still waits there.
func (e *Engine) remember(m backend.LastCommand) {
	select {
	case <-e.saves:
	default:
	}
	e.saves <- m
}

// saveMemories is the task that writes; the loop never waits for a disk.
func (e *Engine) saveMemories() {
	for m := range e.saves {
		if e.SaveLastCommand == nil {
			continue
		}
		var trouble *backend.Error
		if err := e.SaveLastCommand(m); err != nil {
			trouble = &backend.Error{Code: backend.StateUnsaved, Message: "Could not save the last command: " + err.Error()}
			e.Log.Warn("the last command was not saved", "error", err)
		}
		e.do(e.ctx, func() { e.saveError = trouble })
	}
}
