package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/settings"
)

const (
	// attachPause is the time between two looks for a service.
	attachPause = 100 * time.Millisecond

	// installedPause is the time between two looks whether one is installed.
	installedPause = 2 * time.Second

	// attachWait is how long an installed service may take to answer before
	// something is wrong.
	attachWait = 3 * time.Second

	// servePause is the time before this process does the work again: it could
	// not, or another wants to.
	servePause = 3 * time.Second

	// troublePause is the time before a service that answers wrongly, or not at
	// all, is asked again.
	troublePause = time.Second
)

// attachment is the [backend.Backend] of the tray: whatever service has the
// control socket. Where none is installed and none runs, this process serves
// the socket itself, so that there is one way in all cases.
type attachment struct {
	*control.Client
	// installed reports whether there is a service that the system starts: then
	// it is waited for.
	installed func(context.Context) (bool, error)
	// serve does the service's work here, until ctx is done or another wants to.
	serve func(context.Context) error
	log   *slog.Logger

	running sync.WaitGroup // serve
	mu      sync.Mutex
	trouble *backend.Error // why serve ended; nil: it did not, or was asked to
	busy    bool           // serve is under way, or it is too soon for the next time
}

var errStopped = &backend.Error{Code: backend.NotRunning, Message: "It is installed, but does not run; its log may say why: " + settings.LogFile()}

// Watch implements [backend.Backend]. Unlike the client's it goes on when the
// service ends or fails, with states whose phase is Offline and whose error says
// why none answers, until ctx is done.
func (a *attachment) Watch(ctx context.Context, fn func(backend.State)) error {
	for ctx.Err() == nil {
		err := a.Client.Watch(ctx, fn)
		switch {
		case errors.Is(err, backend.ErrCrashed):
			err = a.find(ctx, backend.ErrCrashed, fn)
		case errors.Is(err, backend.ErrNotRunning):
			err = a.find(ctx, nil, fn)
		}
		if err != nil && ctx.Err() == nil {
			fn(backend.State{Error: backend.AsError(err)})
			pause(ctx, troublePause)
		}
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// find returns when a service answers, or when something else is wrong. Of the
// one before, trouble tells.
func (a *attachment) find(ctx context.Context, trouble *backend.Error, fn func(backend.State)) error {
	began := time.Now()
	var installed bool
	var asked time.Time
	for {
		if _, err := a.State(ctx); !errors.Is(err, backend.ErrNotRunning) {
			return err
		}
		if now := time.Now(); now.Sub(asked) >= installedPause {
			installed, _ = a.installed(ctx) // where that cannot be known there is nothing to wait for
			asked = now
		}
		if !installed {
			trouble = a.workHere(ctx)
		} else if trouble == nil && time.Since(began) >= attachWait {
			trouble = errStopped
		}
		fn(backend.State{Error: trouble})
		if pause(ctx, attachPause); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// workHere has this process do the work, and returns what stands against that.
func (a *attachment) workHere(ctx context.Context) *backend.Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.busy {
		a.busy = true
		a.running.Go(func() { a.work(ctx) })
	}
	return a.trouble
}

// work serves once.
func (a *attachment) work(ctx context.Context) {
	err := a.serve(ctx)
	var trouble *backend.Error
	if err != nil && !errors.Is(err, control.ErrAlreadyRunning) {
		trouble = &backend.Error{Code: backend.NotRunning, Message: "The service cannot run: " + err.Error()}
	}
	a.mu.Lock()
	if trouble != nil && (a.trouble == nil || *a.trouble != *trouble) {
		a.log.Warn("the tray cannot do the service's work", "error", err)
	}
	a.trouble = trouble
	a.mu.Unlock()
	pause(ctx, servePause)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy = false
}
