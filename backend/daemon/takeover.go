package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
)

const (
	takeOverLimit = 5 * time.Second       // for a tray to leave the work to a service
	takeOverPause = 20 * time.Millisecond // between two attempts to open the socket
)

// RunningError is the error of [TakeOver] if another service has the socket.
type RunningError struct {
	PID int   // its process; 0: it does not tell
	Err error // why it does not tell; nil: it has not been asked
}

// Error says that there is another service, and which.
func (e *RunningError) Error() string {
	switch {
	case e.PID != 0:
		return fmt.Sprintf("already running (pid %d)", e.PID)
	case e.Err != nil:
		return "already running: " + e.Err.Error()
	default:
		return "already running"
	}
}

// Unwrap returns why the other service does not tell its process.
func (e *RunningError) Unwrap() error { return e.Err }

// TakeOver opens the control socket in folder. A tray that has it, because it
// does the service's work itself, is asked to leave that to us; if another
// service has it, the error is a [*RunningError]. No other service can have the
// socket before release is called.
func TakeOver(ctx context.Context, folder string) (socket net.Listener, release func(), err error) {
	client := control.NewClient(folder)
	defer client.Close()
	return takeOver(ctx, func() (net.Listener, func(), error) { return control.Listen(folder) }, client)
}

// predecessor is who has the socket before us, as [control.Client] sees it.
type predecessor interface {
	State(context.Context) (backend.State, error)
	Shutdown(context.Context) error
}

func takeOver(ctx context.Context, open func() (net.Listener, func(), error), other predecessor) (socket net.Listener, release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	for {
		socket, release, err = open()
		if err == nil {
			return socket, release, nil
		}
		if !errors.Is(err, control.ErrAlreadyRunning) {
			return nil, nil, fmt.Errorf("open the control socket: %w", err)
		}
		if err := askToLeave(ctx, other); err != nil {
			return nil, nil, err
		}
		if pause(limited, takeOverPause) != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			return nil, nil, &RunningError{}
		}
	}
}

// askToLeave ends a tray's service. That nobody answers is no error: a service
// that has just ended, or is about to answer, still has the socket.
func askToLeave(ctx context.Context, other predecessor) error {
	state, err := other.State(ctx)
	switch {
	case errors.Is(err, backend.ErrNotRunning):
		return nil
	case err != nil:
		return &RunningError{Err: err}
	case !state.Tray:
		return &RunningError{PID: state.PID}
	}
	if err := other.Shutdown(ctx); err != nil && !errors.Is(err, backend.ErrNotRunning) {
		return fmt.Errorf("take over from the tray (pid %d): %w", state.PID, err)
	}
	return nil
}

// pause waits for d, or until ctx is done: then it returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
