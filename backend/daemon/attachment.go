package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mycoproxy/backend"
)

const (
	// attemptPause is the time between two attempts to follow a service.
	attemptPause = 100 * time.Millisecond

	// troublePause is the time before a service is tried again that answers
	// wrongly, or not at all.
	troublePause = time.Second

	// installedPause is the time between two looks whether a service is installed.
	installedPause = 2 * time.Second

	// installedWait is how long an installed service may be away before that is
	// an error.
	installedWait = 3 * time.Second
)

// ErrStopped is given to Explain if a service is installed but does not run.
var ErrStopped = errors.New("the installed service does not run")

// AttachConfig is what an [Attachment] is made of.
type AttachConfig struct {
	// Service is the service that has the control socket, whichever it is.
	Service backend.Backend

	// Installed reports whether there is a service that the system starts: then
	// that one is waited for.
	Installed func(context.Context) (bool, error)

	// Serve does the service's work in this process, where none is installed,
	// until ctx is done or another process wants to do it.
	Serve func(context.Context) error

	// Explain makes an error for users of why there is no service: of
	// [ErrStopped], of a [*ServeError], or of what following the service ended with.
	Explain func(error) *backend.Error

	// Log takes what an administrator wants to know.
	Log *slog.Logger
}

// Attachment is the [backend.Backend] of a tray: the service that has the
// control socket, one after the other. Where none is installed and none runs,
// this process serves the socket itself and is its own client.
type Attachment struct {
	backend.Backend
	config AttachConfig
}

// Attach returns an attachment. It does nothing before its Watch is called.
func Attach(c AttachConfig) *Attachment { return &Attachment{c.Service, c} }

// Watch implements [backend.Backend]. It goes on when the service ends or fails,
// until ctx is done: while there is none, fn is called with states whose phase is
// Offline, and whose error, if there is one, says why. What this process does of
// the service's work has ended when Watch returns.
func (a *Attachment) Watch(ctx context.Context, fn func(backend.State)) error {
	own := ownService{serve: a.config.Serve, log: a.config.Log}
	defer own.wait()
	gone := absence{began: time.Now()}
	for {
		heard := false
		err := a.Backend.Watch(ctx, func(s backend.State) {
			heard = true
			fn(s)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		crashed := errors.Is(err, backend.ErrCrashed)
		wait := attemptPause
		switch {
		case !crashed && !errors.Is(err, backend.ErrNotRunning):
			fn(a.offline(err))
			gone, wait = absence{began: time.Now()}, troublePause
		case heard:
			// It is too soon to say that there is none: this service, which answers
			// until it has ended, or the next one may be heard at once.
			gone = absence{began: time.Now(), crashed: crashed}
		default:
			gone.crashed = gone.crashed || crashed
			fn(a.offline(a.reason(ctx, &gone, &own)))
		}
		// There is a pause whatever the reason, since a service that is about to
		// end ends each Watch at once.
		if pause(ctx, wait) != nil {
			return ctx.Err()
		}
	}
}

// offline is the state while there is no service for this reason; nil: there is
// nothing wrong yet.
func (a *Attachment) offline(reason error) backend.State {
	if reason == nil {
		return backend.State{}
	}
	return backend.State{Error: a.config.Explain(reason)}
}

// absence is the time without a service.
type absence struct {
	began     time.Time
	crashed   bool      // the last service ended by itself
	asked     time.Time // when it was last asked whether a service is installed
	installed bool      // what the answer was
}

// reason is why there is no service. If none is installed, this process begins
// to do the work.
func (a *Attachment) reason(ctx context.Context, gone *absence, own *ownService) error {
	if now := time.Now(); gone.asked.IsZero() || now.Sub(gone.asked) >= installedPause {
		gone.installed, _ = a.config.Installed(ctx) // where nobody can tell, there is none to wait for
		gone.asked = now
	}
	switch {
	case !gone.installed:
		return own.start(ctx)
	case gone.crashed:
		return backend.ErrCrashed
	case time.Since(gone.began) >= installedWait:
		return ErrStopped
	default:
		return nil
	}
}
