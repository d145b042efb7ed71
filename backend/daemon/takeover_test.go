package daemon

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
)

// holder is whoever has the control socket.
type holder struct {
	state    backend.State
	err      error         // of State
	refusal  error         // of Shutdown
	lingers  time.Duration // after Shutdown, before the socket is free
	has      bool
	free     time.Time // the socket is; zero: not told to end yet
	shutdown int       // calls
}

func (h *holder) State(context.Context) (backend.State, error) { return h.state, h.err }

func (h *holder) Shutdown(context.Context) error {
	h.shutdown++
	if h.refusal == nil || h.refusal == backend.ErrNotRunning {
		h.err = backend.ErrNotRunning
		h.free = time.Now().Add(h.lingers)
	}
	return h.refusal
}

// open opens the socket, as [control.Listen] does.
func (h *holder) open() (net.Listener, func(), error) {
	if h.has && (h.free.IsZero() || time.Now().Before(h.free)) {
		return nil, nil, control.ErrAlreadyRunning
	}
	return nil, func() {}, nil
}

func TestTakeOver(t *testing.T) {
	silent := &backend.Error{Code: backend.Internal, Message: "The service does not answer within 10s"}
	for what, c := range map[string]struct {
		holder
		want string // the error; empty: the socket is ours
		took time.Duration
	}{
		"nobody":                       {},
		"a tray":                       {holder: holder{has: true, state: backend.State{Tray: true, PID: 7}}},
		"a tray that takes its time":   {holder: holder{has: true, state: backend.State{Tray: true, PID: 7}, lingers: time.Second}, took: time.Second},
		"a tray that just ends":        {holder: holder{has: true, state: backend.State{Tray: true, PID: 7}, refusal: backend.ErrNotRunning, lingers: time.Second}, took: time.Second},
		"a tray that does not go":      {holder: holder{has: true, state: backend.State{Tray: true, PID: 7}, lingers: time.Hour}, want: "already running", took: takeOverLimit},
		"a tray that refuses":          {holder: holder{has: true, state: backend.State{Tray: true, PID: 7}, refusal: silent}, want: "take over from the tray (pid 7): " + silent.Message},
		"a service":                    {holder: holder{has: true, state: backend.State{PID: 7}}, want: "already running (pid 7)"},
		"a service that is silent":     {holder: holder{has: true, err: silent}, want: "already running: " + silent.Message},
		"one that does not answer yet": {holder: holder{has: true, err: backend.ErrNotRunning}, want: "already running", took: takeOverLimit},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, release, err := takeOver(t.Context(), c.open, &c.holder)
				if took := time.Since(began); took < c.took || took > c.took+takeOverPause {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if (err == nil) != (release != nil) || c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if c.shutdown > 1 || c.shutdown == 1 && !c.state.Tray {
					t.Errorf("it was told to end %d times", c.shutdown)
				}
			})
		})
	}
}

func TestTakeOverIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := &holder{has: true, err: backend.ErrNotRunning}
		if _, _, err := takeOver(ctx, h.open, h); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
