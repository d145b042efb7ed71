package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is what was shown, and when after the beginning.
type told struct {
	after time.Duration
	Notification
}

// recorder is a running notifier that records what it shows.
type recorder struct {
	*Notifier
	began time.Time
	mu    sync.Mutex
	list  []told
}

// record runs test with a recorder, on fake time.
func record(t *testing.T, test func(*testing.T, *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{began: time.Now()}
		r.Notifier = New(Config{Send: func(_ context.Context, n Notification) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.list = append(r.list, told{time.Since(r.began), n})
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		test(t, r)
		cancel()
		synctest.Wait()
		r.Update(backend.State{}) // returns although nobody receives it
		r.Tell(Notification{Title: "too late"})
	})
}

// told returns what was told so far.
func (r *recorder) told() []told {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *recorder) check(t *testing.T, what string, want ...Kind) {
	t.Helper()
	var got []Kind
	for _, n := range r.told() {
		got = append(got, n.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %+v, want the kinds %v", what, r.told(), want)
	}
}

var (
	onA     = state(backend.Connected, to(one, backend.Explicit))
	silentA = state(backend.Connected, to(one, backend.Explicit), silent)
	onB     = state(backend.Connected, to(two, backend.Explicit))
	silentB = state(backend.Connected, to(two, backend.Explicit), silent)
	idle    = state(backend.Disconnected)
	crashed = backend.State{Error: backend.ErrCrashed}
)

func TestNothingAtTheStart(t *testing.T) {
	for _, first := range []backend.State{onA, silentA, idle, state(backend.Disconnected, failing(taken))} {
		record(t, func(t *testing.T, r *recorder) {
			r.Update(backend.State{})
			time.Sleep(time.Hour)
			r.Update(first)
			time.Sleep(time.Hour)
			r.check(t, "start")
		})
	}
}

func TestFlapping(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		for range 30 {
			r.Update(silentA)
			time.Sleep(2 * time.Second)
			r.Update(onA)
			time.Sleep(2 * time.Second)
		}
		all := r.told()
		if len(all) > 3 || len(all) < 2 {
			t.Fatalf("told %+v", all)
		}
		for i := range all[1:] {
			if between := all[i+1].after - all[i].after; between < gap {
				t.Errorf("%v between two", between)
			}
		}
		time.Sleep(time.Hour)
		if last := r.told()[len(r.told())-1]; last.Kind != Back {
			t.Errorf("the last one is %+v", last)
		}
	})
}

// The first notification comes at once. What happens within the next minute is
// told after it, and only if it still is so.
func TestHeldBackUntilTheMinuteIsOver(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(silentA)
		r.check(t, "at once", Gone)
		time.Sleep(10 * time.Second)
		r.Update(onA)
		time.Sleep(50*time.Second - 1)
		r.check(t, "within the minute", Gone)
		time.Sleep(time.Nanosecond)
		r.check(t, "after it", Gone, Back)
		time.Sleep(10 * time.Second)
		r.Update(silentA)
		time.Sleep(10 * time.Second)
		r.Update(onA)
		time.Sleep(time.Hour)
		r.check(t, "a passing failure", Gone, Back)
		r.Update(silentA)
		r.check(t, "an hour later", Gone, Back, Gone)
	})
}

func TestCommandsAreNotHeldBack(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(silentA)
		r.check(t, "gone", Gone)
		r.Update(onB)
		r.check(t, "the user chose another", Gone, Connected)
		time.Sleep(time.Second)
		r.Update(silentB)
		r.check(t, "another remote has a minute of its own", Gone, Connected, Gone)
		time.Sleep(time.Second)
		r.Update(onB)
		r.check(t, "held back", Gone, Connected, Gone)
		r.Update(idle)
		r.Update(state(backend.Disconnected, failing(taken)))
		r.check(t, "could not bind", Gone, Connected, Gone, CannotBind)
		time.Sleep(time.Hour)
		r.check(t, "what was held back is over", Gone, Connected, Gone, CannotBind)
	})
}

func TestDisconnectAndConnectAgain(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.Update(idle)
		for range 3 {
			r.Update(onA)
			r.Update(idle)
			time.Sleep(echoGap)
		}
		r.check(t, "three times", Connected, Connected, Connected)
	})
}

// The loss of a remote is told together with what took its place.
func TestReplaced(t *testing.T) {
	valid, other := proxy(one, backend.Valid, 1), proxy(two, backend.Valid, 2)
	onA := state(backend.Connected, to(one, backend.Auto), valid, other)
	lost := state(backend.Connected, to(one, backend.Auto), silent, other)
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(lost)
		time.Sleep(5 * time.Second)
		r.Update(state(backend.Connected, to(two, backend.Auto), other))
		r.check(t, "replaced", Moved)
		if r.told()[0].Title != "407:8458:…:1 does not answer" {
			t.Errorf("told %+v", r.told())
		}
	})
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(lost)
		time.Sleep(replaceWait - 1)
		r.check(t, "not yet")
		time.Sleep(time.Nanosecond)
		r.check(t, "nobody took its place", Gone)
		time.Sleep(2 * time.Minute)
		r.Update(state(backend.Connected, to(two, backend.Auto), other))
		r.check(t, "later somebody did", Gone, Moved)
	})
	record(t, func(t *testing.T, r *recorder) { // two that take turns
		r.Update(onA)
		for range 15 {
			r.Update(state(backend.Connected, to(two, backend.Auto), other))
			time.Sleep(4 * time.Second)
			r.Update(state(backend.Connected, to(one, backend.Auto), valid, other))
			time.Sleep(4 * time.Second)
		}
		if len(r.told()) > 3 {
			t.Errorf("told %+v", r.told())
		}
	})
}

func TestServiceStops(t *testing.T) {
	again := state(backend.Connected, pid(2), to(one, backend.Explicit))
	connecting := state(backend.Connecting, pid(2))
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(crashed)
		time.Sleep(restartWait - 1)
		r.check(t, "it may come back")
		time.Sleep(time.Nanosecond)
		r.check(t, "it did not", ServiceStopped)
		time.Sleep(time.Hour)
		r.Update(connecting)
		r.Update(again)
		r.check(t, "back after an hour", ServiceStopped, Connected)
	})
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(crashed)
		time.Sleep(2 * time.Second)
		r.Update(connecting)
		time.Sleep(2 * time.Second)
		r.Update(again)
		time.Sleep(time.Hour)
		r.check(t, "back as it was")
	})
	record(t, func(t *testing.T, r *recorder) {
		r.Update(onA)
		r.Update(crashed)
		time.Sleep(2 * time.Second)
		r.Update(connecting)
		time.Sleep(3 * time.Second)
		r.check(t, "back, but it takes its time", ServiceStopped)
		r.Update(again)
		r.check(t, "connected", ServiceStopped, Connected)
	})
	record(t, func(t *testing.T, r *recorder) { // told to, by the user
		r.Update(onA)
		r.Update(backend.State{})
		time.Sleep(time.Hour)
		r.check(t, "ended in order")
		r.Update(connecting)
		r.Update(again)
		r.check(t, "started again", Connected)
	})
	record(t, func(t *testing.T, r *recorder) { // the tray leaves the work to a service
		r.Update(onA)
		r.Update(backend.State{})
		time.Sleep(2 * time.Second)
		r.Update(connecting)
		time.Sleep(time.Second)
		r.Update(again)
		time.Sleep(time.Hour)
		r.check(t, "another does the same work")
	})
	record(t, func(t *testing.T, r *recorder) { // it ends again and again
		r.Update(onA)
		for i := range 10 {
			r.Update(crashed)
			time.Sleep(8 * time.Second)
			r.Update(state(backend.Connected, pid(i+2), to(one, backend.Explicit)))
			time.Sleep(2 * time.Second)
		}
		if len(r.told()) > 4 {
			t.Errorf("told %+v", r.told())
		}
	})
}

func TestTell(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.Update(state(backend.Connecting))
		r.Update(state(backend.Disconnected, failing(taken)))
		r.Tell(Failed(taken))
		r.Tell(Notification{})
		r.check(t, "click and state together tell it once", CannotBind)
		time.Sleep(echoGap)
		r.Tell(Failed(taken))
		r.check(t, "a later click tells it again", CannotBind, CannotBind)
	})
}

func TestOnAndOff(t *testing.T) {
	record(t, func(t *testing.T, r *recorder) {
		r.SetOn(false)
		r.Update(idle)
		r.Update(onA)
		r.Update(silentA)
		r.Tell(Notification{Title: "notice"})
		time.Sleep(time.Hour)
		r.SetOn(true)
		time.Sleep(time.Hour)
		r.check(t, "off, and not told later")
		r.Update(onA)
		r.check(t, "on", Back)
	})
}

// A desktop that hangs delays neither the caller nor the notifier. That one cannot
// show notifications is logged once.
func TestDesktopInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var shown []string
		var fault error
		free := make(chan struct{})
		n := New(Config{
			Log: slog.New(slog.NewTextHandler(&log, nil)),
			Send: func(_ context.Context, n Notification) error {
				<-free
				shown = append(shown, n.Title)
				return fault
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go n.Run(ctx)
		for i := range 100 { // more than there is room for, and none waits
			n.Tell(Notification{Title: string(rune('A' + i))})
			synctest.Wait()
		}
		close(free)
		synctest.Wait()
		if len(shown) != queueSize+1 || shown[0] != "A" {
			t.Errorf("shown: %v", shown)
		}
		log.Reset()
		fault = errors.New("no service")
		for i := range 5 {
			n.Tell(Notification{Title: string(rune('a' + i))})
			synctest.Wait()
		}
		if strings.Count(log.String(), "no service") != 1 {
			t.Errorf("logged:\n%s", &log)
		}
	})
}
