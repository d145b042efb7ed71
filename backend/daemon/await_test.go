package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
)

// starting is a service that answers from some time on.
type starting struct {
	backend.Backend
	from  time.Time
	state backend.State
}

// State takes the question, and answers it or never does.
func (s starting) State(ctx context.Context) (backend.State, error) {
	if time.Now().Before(s.from) {
		<-ctx.Done()
		return backend.State{}, ctx.Err()
	}
	return s.state, nil
}

func TestAwait(t *testing.T) {
	for what, c := range map[string]struct {
		after      time.Duration // until it answers
		registered int           // process that the service manager runs
		err        error         // of the service manager
		want       error
		took       time.Duration // at most
	}{
		"one that runs":         {registered: 7},
		"one that starts":       {registered: 7, after: 2500 * time.Millisecond, took: 3 * (askLimit + awaitPause)},
		"another one":           {registered: 8, want: &OtherError{7}, took: awaitLimit},
		"one that is not ours":  {registered: 0, want: &OtherError{7}, took: awaitLimit},
		"nobody knows":          {registered: 7, err: errors.New("no manager"), want: &OtherError{7}, took: awaitLimit},
		"one that never starts": {registered: 7, after: time.Hour, want: ErrSilent, took: awaitLimit},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := starting{from: began.Add(c.after), state: backend.State{PID: 7}}
				state, err := Await(t.Context(), s, func(context.Context) (int, error) { return c.registered, c.err })
				if c.want == nil && (err != nil || state.PID != 7) || c.want != nil && (err == nil || err.Error() != c.want.Error()) {
					t.Errorf("%+v, %v; want %v", state, err, c.want)
				}
				if took := time.Since(began); took > c.took {
					t.Errorf("it took %v, want %v at most", took, c.took)
				}
			})
		})
	}
}

func TestAwaitIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s := starting{from: time.Now().Add(time.Hour)}
		if _, err := Await(ctx, s, func(context.Context) (int, error) { return 7, nil }); err != context.DeadlineExceeded {
			t.Errorf("%v", err)
		}
	})
}
