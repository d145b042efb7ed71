package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
)

// silence is a service that takes requests and answers none.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Whatever is asked of a service that hangs, the user reads a sentence, after a
// while, and never what a context says.
func TestServiceThatDoesNotAnswer(t *testing.T) {
	c := &Client{http.Client{Transport: silence{}}}
	for what, do := range map[string]func(context.Context) error{
		"State":      func(ctx context.Context) error { _, err := c.State(ctx); return err },
		"Peers":      func(ctx context.Context) error { _, err := c.Peers(ctx); return err },
		"Watch":      func(ctx context.Context) error { return c.Watch(ctx, func(backend.State) {}) },
		"Connect":    func(ctx context.Context) error { _, err := c.Connect(ctx, netip.AddrPort{}); return err },
		"Disconnect": c.Disconnect,
		"SetShare":   func(ctx context.Context) error { return c.SetShare(ctx, backend.ShareLAN) },
		"StartProbe": c.StartProbe,
		"StopProbe":  c.StopProbe,
		"ProbeNow":   c.ProbeNow,
		"Shutdown":   c.Shutdown,
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				var known *backend.Error
				if err := do(ctx); !errors.As(err, &known) || known.Code != backend.Internal {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := do(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("when the caller waits no longer: %v", err)
				}
			})
		})
	}
}

// stubborn is a service that agrees to end, and then goes on.
type stubborn struct{}

func (stubborn) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == pathEnd {
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
	}
	body, stream := io.Pipe()
	context.AfterFunc(r.Context(), func() { stream.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
}

func TestShutdownOfAServiceThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{http.Client{Transport: stubborn{}}}
		err := c.Shutdown(t.Context())
		if want := "The service does not end within 10s"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}
