package daemon

import (
	"context"
	"fmt"
	"time"

	"mycoproxy/backend"
)

const (
	awaitLimit = 5 * time.Second       // for a service to answer after it was started
	awaitPause = 50 * time.Millisecond // between two questions
	askLimit   = time.Second           // for the answer to one of them
)

// ErrSilent is the error of [Await] if nothing answers.
var ErrSilent = fmt.Errorf("the service was started, but does not answer within %v", awaitLimit)

// OtherError is the error of [Await] if what answers is not the service that was
// started.
type OtherError struct{ PID int }

// Error says which process answers.
func (e *OtherError) Error() string {
	return fmt.Sprintf("the service was started, but another mycoproxy runs already (pid %d)", e.PID)
}

// Await waits until a service that was started answers, and returns its state.
// The process to answer is the one that the system's service manager runs;
// registered tells its id, 0 if it does not run.
func Await(ctx context.Context, service backend.Backend, registered func(context.Context) (pid int, err error)) (backend.State, error) {
	limited, cancel := context.WithTimeout(ctx, awaitLimit)
	defer cancel()
	var other int
	for {
		if state, err := askState(limited, service); err == nil {
			if pid, err := registered(limited); err == nil && pid != 0 && pid == state.PID {
				return state, nil
			}
			other = state.PID
		}
		if pause(limited, awaitPause) == nil {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return backend.State{}, ctx.Err()
		case other != 0:
			return backend.State{}, &OtherError{other}
		default:
			return backend.State{}, ErrSilent
		}
	}
}

// askState asks once. A service that is about to start or to end may take the
// question and never answer it.
func askState(ctx context.Context, service backend.Backend) (backend.State, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return service.State(ctx)
}
