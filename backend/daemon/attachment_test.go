package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
)

var discard = slog.New(slog.DiscardHandler)

// machine has a control socket in memory, which one service at a time can have.
// As a Backend it is a client of that service.
type machine struct {
	backend.Backend
	mu        sync.Mutex
	installed bool
	broken    error           // why the tray cannot serve; nil: it can
	state     backend.State   // of the service that has the socket
	life      context.Context // of that service; nil: nobody has the socket
	end       context.CancelCauseFunc
}

// change changes the machine.
func (m *machine) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// serve has the socket until ctx is done or the service ends, and returns why
// that was.
func (m *machine) serve(ctx context.Context, state backend.State) error {
	life, end := context.WithCancelCause(ctx)
	taken := false
	m.change(func() {
		if taken = m.life != nil; !taken {
			m.state, m.life, m.end = state, life, end
		}
	})
	if taken {
		return control.ErrAlreadyRunning
	}
	<-life.Done()
	m.change(func() { m.life = nil })
	return nil
}

// stop ends the service that has the socket; err is what its watchers see.
func (m *machine) stop(err error) { m.change(func() { m.end(err) }) }

// Watch shows the state of the service that has the socket until that ends.
func (m *machine) Watch(ctx context.Context, fn func(backend.State)) error {
	m.mu.Lock()
	state, life := m.state, m.life
	m.mu.Unlock()
	if life == nil {
		return backend.ErrNotRunning
	}
	fn(state)
	select {
	case <-life.Done():
		return context.Cause(life)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attach returns an attachment to the machine whose own service has this state.
func (m *machine) attach(own backend.State) *Attachment {
	return Attach(AttachConfig{
		Service: m,
		Installed: func(context.Context) (installed bool, err error) {
			m.change(func() { installed = m.installed })
			return installed, nil
		},
		Serve: func(ctx context.Context) error {
			var broken error
			m.change(func() { broken = m.broken })
			if broken != nil {
				return broken
			}
			return m.serve(ctx, own)
		},
		Explain: explain,
		Log:     discard,
	})
}

// explain tells the reasons apart by their codes.
func explain(err error) *backend.Error {
	var failed *ServeError
	switch {
	case errors.Is(err, ErrStopped):
		return &backend.Error{Code: backend.NotRunning, Message: err.Error()}
	case errors.As(err, &failed):
		return &backend.Error{Code: backend.CannotBind, Message: failed.Err.Error()}
	case errors.Is(err, backend.ErrCrashed):
		return backend.ErrCrashed
	default:
		return &backend.Error{Code: backend.Internal, Message: err.Error()}
	}
}

// TestAttachment has services come and go while a tray watches.
func TestAttachment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			own     = backend.State{Phase: backend.Disconnected, Tray: true}
			service = backend.State{Phase: backend.Disconnected, PID: 7}
			waiting = backend.State{}
			failed  = func(err error) backend.State { return backend.State{Error: explain(err)} }
			m       machine
			shown   []backend.State
			watched = make(chan error)
		)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			watched <- m.attach(own).Watch(ctx, func(s backend.State) {
				m.change(func() { shown = append(shown, s) })
			})
		}()
		// after checks what was shown in the time since it was last called, with
		// each state once where it was shown several times in a row.
		after := func(d time.Duration, what string, want ...backend.State) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			var got []string
			m.change(func() { got, shown = slices.Compact(describe(shown)), nil })
			if want := describe(want); !slices.Equal(got, want) {
				t.Errorf("%s: shown were %q, want %q", what, got, want)
			}
		}
		start := func() { go m.serve(ctx, service) }

		after(attemptPause, "no service", waiting, own)

		m.stop(backend.ErrNotRunning) // because a service asked for that
		m.change(func() { m.installed = true })
		after(3*attemptPause/2, "a service that is about to start", waiting)
		start()
		after(attemptPause, "a service", service)

		m.stop(backend.ErrNotRunning)
		after(installedWait/2, "an installed service that was stopped", waiting)
		after(installedWait, "the same, later", waiting, failed(ErrStopped))

		start()
		after(attemptPause, "the same service again", service)
		m.stop(backend.ErrCrashed)
		after(time.Minute, "a crash", failed(backend.ErrCrashed))
		start()
		after(attemptPause, "the service after the crash", service)
		m.stop(backend.ErrCrashed)
		time.Sleep(attemptPause / 2)
		start()
		after(time.Second, "a service that is there again at once", service)
		m.stop(errors.New("nonsense"))
		after(troublePause/2, "a service that answers with nonsense", failed(errors.New("nonsense")))
		start()
		after(troublePause, "the service after the nonsense", service)

		broken := errors.New("no way")
		m.change(func() { m.installed, m.broken = false, broken })
		m.stop(backend.ErrNotRunning)
		after(time.Second, "a tray that cannot serve", waiting, failed(&ServeError{broken}))
		m.change(func() { m.broken = nil })
		after(servePause, "a tray that can serve again", failed(&ServeError{broken}), own)

		cancel()
		if err := <-watched; err != context.Canceled {
			t.Errorf("Watch ended with %v", err)
		}
		m.change(func() {
			if m.life != nil {
				t.Error("the tray's own service still runs")
			}
		})
	})
}

// describe is what the states say about who serves, or what is wrong.
func describe(states []backend.State) (list []string) {
	for _, s := range states {
		switch {
		case s.Tray:
			list = append(list, "own service")
		case s.PID != 0:
			list = append(list, "service")
		case s.Error != nil:
			list = append(list, s.Error.Message)
		default:
			list = append(list, "waiting")
		}
	}
	return list
}

// hasty is a service that ends whatever watches it at once.
type hasty struct {
	backend.Backend
	says    []backend.State
	err     error
	watches int
}

func (h *hasty) State(context.Context) (backend.State, error) { return backend.State{PID: 7}, nil }
func (h *hasty) Watch(ctx context.Context, fn func(backend.State)) error {
	if h.watches++; h.watches == 10_000 {
		<-ctx.Done() // it is enough to show, and time would never pass
	}
	for _, s := range h.says {
		fn(s)
	}
	return h.err
}

// However a service ends what watches it, and however the tray's own work ends,
// the next attempt comes after a pause.
func TestAttachmentDoesNotSpin(t *testing.T) {
	const length = 10 * time.Second
	for what, h := range map[string]*hasty{
		"ends":                {err: backend.ErrNotRunning},
		"ends after a state":  {err: backend.ErrNotRunning, says: []backend.State{{PID: 7}}},
		"dies":                {err: backend.ErrCrashed},
		"dies after a state":  {err: backend.ErrCrashed, says: []backend.State{{PID: 7}}},
		"fails":               {err: errors.New("nonsense")},
		"fails after a state": {err: errors.New("nonsense"), says: []backend.State{{PID: 7}}},
		"stops":               {err: &backend.Error{Code: backend.NotRunning, Message: "The service is stopping"}},
	} {
		for _, installed := range []bool{true, false} {
			for _, served := range []error{nil, control.ErrAlreadyRunning, errors.New("no way")} {
				synctest.Test(t, func(t *testing.T) {
					h.watches = 0
					serves, asked := 0, 0
					a := Attach(AttachConfig{
						Service: h,
						Installed: func(context.Context) (bool, error) {
							asked++
							return installed, nil
						},
						Serve: func(context.Context) error {
							serves++
							return served
						},
						Explain: explain,
						Log:     discard,
					})
					ctx, cancel := context.WithTimeout(t.Context(), length)
					defer cancel()
					if err := a.Watch(ctx, func(backend.State) {}); err != context.DeadlineExceeded {
						t.Errorf("Watch ended with %v", err)
					}
					for of, c := range map[string]struct {
						count int
						pause time.Duration
					}{
						"watches": {h.watches, attemptPause}, "own services": {serves, servePause}, "looks for an installed one": {asked, installedPause},
					} {
						if most := 1 + int(length/c.pause); c.count > most {
							t.Errorf("a service that %s, installed %v, own one %v: %d %s, want %d at most", what, installed, served, c.count, of, most)
						}
					}
				})
			}
		}
	}
}
