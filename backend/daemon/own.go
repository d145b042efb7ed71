package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mycoproxy/backend/control"
)

// servePause is the time before this process does the service's work again:
// either it could not, or another process wants to, which needs a moment.
const servePause = 3 * time.Second

// ServeError is why this process could not do the service's work.
type ServeError struct{ Err error }

// Error says that the work could not be done, and why.
func (e *ServeError) Error() string { return "do the service's work: " + e.Err.Error() }

// Unwrap returns why.
func (e *ServeError) Unwrap() error { return e.Err }

// ownService is the service's work, done in this process. Its methods are for
// one goroutine.
type ownService struct {
	serve   func(context.Context) error
	log     *slog.Logger
	ended   chan ending // takes how it ended; nil: it is not under way
	last    time.Time   // when it ended the last time; zero: never
	failure error       // a *ServeError, if it failed the last time
}

// ending is how serve ended, and when.
type ending struct {
	err error
	at  time.Time
}

// start has the work done until ctx is done, unless it is under way or has just
// ended. It returns why the work could not be done the last time, or nil.
func (o *ownService) start(ctx context.Context) error {
	select {
	case e := <-o.ended:
		o.note(e)
	default:
	}
	if o.ended == nil && (o.last.IsZero() || time.Since(o.last) >= servePause) {
		ended := make(chan ending, 1)
		go func() {
			err := o.serve(ctx)
			ended <- ending{err, time.Now()}
		}()
		o.ended = ended
	}
	return o.failure
}

// note remembers how the work ended, and logs what is new of that.
func (o *ownService) note(e ending) {
	before := o.failure
	o.ended, o.last, o.failure = nil, e.at, nil
	if e.err == nil || errors.Is(e.err, control.ErrAlreadyRunning) {
		return // it ended when it should, or another process was faster
	}
	o.failure = &ServeError{e.err}
	if before == nil || before.Error() != o.failure.Error() {
		o.log.Warn("the tray cannot do the service's work", "error", e.err)
	}
}

// wait returns when the work is no longer under way.
func (o *ownService) wait() {
	if o.ended != nil {
		<-o.ended
	}
}
