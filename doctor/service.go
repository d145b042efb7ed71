package doctor

import (
	"context"
	"errors"
	"os"

	"mycoproxy/backend"
)

const notRunning = "the service is not running"

func (s Subject) checkService(context.Context) Finding {
	switch {
	case errors.Is(s.StateError, backend.ErrNotRunning):
		return bad("Install and start it: mycoproxy service install    Or run it in a terminal: mycoproxy serve", "it is not running, and neither is a tray that does its work")
	case errors.Is(s.StateError, context.DeadlineExceeded):
		return bad("End it and start it again", "it runs, but does not answer")
	case s.StateError != nil:
		return bad("", "%v", s.StateError)
	case s.State.Version != s.Version:
		return bad("End it and start it again, so that the new one runs",
			"pid %d has version %s, and this program has %s", s.State.PID, s.State.Version, s.Version)
	case s.State.Tray:
		return ok("the tray does the work, version %s, pid %d", s.State.Version, s.State.PID)
	default:
		return ok("version %s, pid %d", s.State.Version, s.State.PID)
	}
}

func (s Subject) checkLogin(ctx context.Context) Finding {
	const install = "mycoproxy service install"
	got, err := s.Installed(ctx)
	switch {
	case err != nil:
		return note("", "%v", err)
	case !got.Installed:
		return note("Install it with: "+install, "the service is not installed, so it does not start at login")
	case !got.Enabled:
		return note("To let it start at login: "+install, "the service is installed, but does not start at login")
	}
	registered, err := os.Stat(got.Program)
	if err != nil {
		return bad("Install it again: "+install, "the service cannot start: %s: %v", got.Program, cause(err))
	}
	if this, err := os.Stat(s.Program); err == nil && !os.SameFile(this, registered) {
		return note("If that is not wanted: "+install, "another program starts at login: %s", got.Program)
	}
	return ok("%s starts at login", got.Program)
}
