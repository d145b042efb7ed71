package engine

import (
	"net/netip"

	"mycoproxy/backend"
)

// restore does the last command of the service before this one again.
func (e *Engine) restore() {
	last := e.config.LastCommand
	if !last.Connected {
		return
	}
	e.restoring = !last.Remote.IsValid()
	if err := e.checkNotOwn(last.Remote); err != nil {
		e.log.Warn("not connecting again", "error", err)
		return
	}
	e.log.Info("connecting again, as before", "remote", remoteName(last.Remote))
	e.startConnecting(&connecting{want: last.Remote, wait: true})
}

func remoteName(remote netip.AddrPort) string {
	if !remote.IsValid() {
		return "the fastest"
	}
	return remote.String()
}

// saveCommand hands the last command to saveCommands, in place of an older one
// that is not saved yet.
func (e *Engine) saveCommand(c backend.LastCommand) {
	select {
	case <-e.saves:
	default:
	}
	e.saves <- c
}

// saveCommands is the task that writes; the loop never waits for a disk.
func (e *Engine) saveCommands() {
	for c := range e.saves {
		if e.config.SaveLastCommand == nil {
			continue
		}
		var failed *backend.Error
		if err := e.config.SaveLastCommand(c); err != nil {
			failed = &backend.Error{Code: backend.StateUnsaved, Message: "Could not save the last command: " + err.Error()}
			e.log.Warn("the last command was not saved", "error", err)
		}
		e.do(e.ctx, func() { e.saveError = failed })
	}
}
