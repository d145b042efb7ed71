package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
)

// stub is a service that does nothing but exist.
type stub struct {
	backend.Backend
	state backend.State
}

func (s stub) State(context.Context) (backend.State, error) { return s.state, nil }
func (s stub) Watch(ctx context.Context, fn func(backend.State)) error {
	fn(s.state)
	<-ctx.Done()
	return ctx.Err()
}

// serveStub has the control socket in folder until ctx is done or it is told to end.
func serveStub(ctx context.Context, folder string, state backend.State) error {
	l, release, err := control.Listen(folder)
	if err != nil {
		return err
	}
	defer release()
	ctx, end := context.WithCancel(ctx)
	defer end()
	return control.Serve(ctx, l, control.NewHandler(stub{state: state}, end), slog.New(slog.DiscardHandler))
}

// TestAttachment has services come and go while a tray watches.
func TestAttachment(t *testing.T) {
	folder, err := os.MkdirTemp("", "mpt") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	client := control.NewClient(folder)
	defer client.Close()
	var installed, broken atomic.Bool
	a := &attachment{
		Client:    client,
		log:       slog.New(slog.DiscardHandler),
		installed: func(context.Context) (bool, error) { return installed.Load(), nil },
		serve: func(ctx context.Context) error {
			if broken.Load() {
				return fmt.Errorf("no way")
			}
			return serveStub(ctx, folder, backend.State{Phase: backend.Disconnected, Tray: true})
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	states := make(chan backend.State)
	watched := make(chan error, 1)
	go func() {
		watched <- a.Watch(ctx, func(s backend.State) {
			select {
			case states <- s:
			case <-ctx.Done():
			}
		})
	}()
	// until reads states until one is as wanted, and fails if another comes
	// that may not come before it.
	until := func(what string, wanted, allowed func(backend.State) bool) {
		t.Helper()
		for limit := time.After(10 * time.Second); ; {
			select {
			case s := <-states:
				if wanted(s) {
					return
				}
				if !allowed(s) {
					t.Fatalf("before %s: %+v", what, s)
				}
			case <-limit:
				t.Fatalf("no %s", what)
			}
		}
	}
	isWaiting := func(s backend.State) bool { return s.Phase == backend.Offline && s.Error == nil }
	isOwn := func(s backend.State) bool { return s.Tray }
	isService := func(s backend.State) bool { return s.PID == 7 }
	failed := func(code backend.Code) func(backend.State) bool {
		return func(s backend.State) bool {
			return s.Phase == backend.Offline && s.Error != nil && s.Error.Code == code
		}
	}

	until("own engine", isOwn, isWaiting)

	// A service comes, and this process leaves the work to it.
	if err := client.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	installed.Store(true)
	service, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		for { // until the tray has let go
			err := serveStub(service, folder, backend.State{Phase: backend.Disconnected, PID: 7})
			if err == nil || service.Err() != nil {
				served <- err
				return
			}
		}
	}()
	until("service", isService, func(s backend.State) bool { return isWaiting(s) || isOwn(s) })

	// It stops, and stays stopped: that is seen, and nothing is done about it.
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	until("stopped service", failed(backend.NotRunning), isWaiting)

	// It is uninstalled, so this process does the work again; but it cannot.
	broken.Store(true)
	installed.Store(false)
	until("trouble", func(s backend.State) bool {
		return s.Error != nil && s.Error.Message == "The service cannot run: no way"
	},
		func(s backend.State) bool { return isWaiting(s) || failed(backend.NotRunning)(s) })
	broken.Store(false)
	until("own engine after trouble", isOwn, func(s backend.State) bool { return s.Phase == backend.Offline })

	cancel()
	if err := <-watched; err != context.Canceled {
		t.Errorf("Watch ended with %v", err)
	}
	a.running.Wait()
}

// TestAttachmentToABrokenService has a tray see that the service fails, and
// follow the one that takes its place.
func TestAttachmentToABrokenService(t *testing.T) {
	folder, err := os.MkdirTemp("", "mpt")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	l, release, err := control.Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	broken, repair := context.WithCancel(ctx)
	var services sync.WaitGroup
	services.Go(func() {
		control.Serve(broken, l, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		release()
		serveStub(ctx, folder, backend.State{Phase: backend.Disconnected, PID: 7})
	})
	client := control.NewClient(folder)
	defer client.Close()
	a := &attachment{Client: client, installed: func(context.Context) (bool, error) { return true, nil }}
	var trouble string
	err = a.Watch(ctx, func(s backend.State) {
		switch {
		case s.PID == 7:
			cancel()
		case s.Error != nil && broken.Err() == nil:
			trouble = s.Error.Message
			repair()
		}
	})
	if err != context.Canceled || trouble != "The service answered 404 Not Found" {
		t.Errorf("Watch ended with %v; the trouble was %q", err, trouble)
	}
	services.Wait()
}
