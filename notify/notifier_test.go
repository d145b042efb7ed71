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

// desk is a running notifier that keeps what it shows.
type desk struct {
	*Notifier
	began time.Time
	mu    sync.Mutex
	list  []told
}

// atDesk runs test on fake time.
func atDesk(t *testing.T, test func(*testing.T, *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{began: time.Now()}
		d.Notifier = New(Config{Send: func(_ context.Context, n Notification) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.list = append(d.list, told{time.Since(d.began), n})
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go d.Run(ctx)
		test(t, d)
		cancel()
		synctest.Wait()
		d.Update(backend.State{}) // waits for nobody any more
		d.Tell(Notification{Title: "too late"})
	})
}

// told returns what was told so far.
func (d *desk) told() []told {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func (d *desk) check(t *testing.T, what string, want ...Kind) {
	t.Helper()
	var got []Kind
	for _, n := range d.told() {
		got = append(got, n.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %+v, want the kinds %v", what, d.told(), want)
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
		atDesk(t, func(t *testing.T, d *desk) {
			d.Update(backend.State{})
			time.Sleep(time.Hour)
			d.Update(first)
			time.Sleep(time.Hour)
			d.check(t, "start")
		})
	}
}

func TestFlapping(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		for range 30 {
			d.Update(silentA)
			time.Sleep(2 * time.Second)
			d.Update(onA)
			time.Sleep(2 * time.Second)
		}
		all := d.told()
		if len(all) > 3 || len(all) < 2 {
			t.Fatalf("told %+v", all)
		}
		for i := range all[1:] {
			if between := all[i+1].after - all[i].after; between < gap {
				t.Errorf("%v between two", between)
			}
		}
		time.Sleep(time.Hour)
		if last := d.told()[len(d.told())-1]; last.Kind != Back {
			t.Errorf("the last word is %+v", last)
		}
	})
}

// The first word comes at once. What comes within the minute is held back, and
// told only if it still is so.
func TestHeldBackUntilTheMinuteIsOver(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(silentA)
		d.check(t, "at once", Gone)
		time.Sleep(10 * time.Second)
		d.Update(onA)
		time.Sleep(50*time.Second - 1)
		d.check(t, "within the minute", Gone)
		time.Sleep(time.Nanosecond)
		d.check(t, "after it", Gone, Back)
		time.Sleep(10 * time.Second)
		d.Update(silentA)
		time.Sleep(10 * time.Second)
		d.Update(onA)
		time.Sleep(time.Hour)
		d.check(t, "a passing failure", Gone, Back)
		d.Update(silentA)
		d.check(t, "an hour later", Gone, Back, Gone)
	})
}

func TestCommandsAreNotHeldBack(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(silentA)
		d.check(t, "gone", Gone)
		d.Update(onB)
		d.check(t, "the user chose another", Gone, Connected)
		time.Sleep(time.Second)
		d.Update(silentB)
		d.check(t, "another remote has a minute of its own", Gone, Connected, Gone)
		time.Sleep(time.Second)
		d.Update(onB)
		d.check(t, "held back", Gone, Connected, Gone)
		d.Update(idle)
		d.Update(state(backend.Disconnected, failing(taken)))
		d.check(t, "could not bind", Gone, Connected, Gone, CannotBind)
		time.Sleep(time.Hour)
		d.check(t, "what was held back is over", Gone, Connected, Gone, CannotBind)
	})
}

func TestDisconnectAndConnectAgain(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(idle)
		for range 3 {
			d.Update(onA)
			d.Update(idle)
			time.Sleep(echoGap)
		}
		d.check(t, "three times", Connected, Connected, Connected)
	})
}

// The loss of a remote is told together with what took its place.
func TestReplaced(t *testing.T) {
	valid, other := proxy(one, backend.Valid, 1), proxy(two, backend.Valid, 2)
	onA := state(backend.Connected, to(one, backend.Auto), valid, other)
	lost := state(backend.Connected, to(one, backend.Auto), silent, other)
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(lost)
		time.Sleep(5 * time.Second)
		d.Update(state(backend.Connected, to(two, backend.Auto), other))
		d.check(t, "replaced", Moved)
		if d.told()[0].Title != "407:8458:…:1 does not answer" {
			t.Errorf("told %+v", d.told())
		}
	})
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(lost)
		time.Sleep(replaceWait - 1)
		d.check(t, "not yet")
		time.Sleep(time.Nanosecond)
		d.check(t, "nobody took its place", Gone)
		time.Sleep(2 * time.Minute)
		d.Update(state(backend.Connected, to(two, backend.Auto), other))
		d.check(t, "later somebody did", Gone, Moved)
	})
	atDesk(t, func(t *testing.T, d *desk) { // two that take turns
		d.Update(onA)
		for range 15 {
			d.Update(state(backend.Connected, to(two, backend.Auto), other))
			time.Sleep(4 * time.Second)
			d.Update(state(backend.Connected, to(one, backend.Auto), valid, other))
			time.Sleep(4 * time.Second)
		}
		if len(d.told()) > 3 {
			t.Errorf("told %+v", d.told())
		}
	})
}

func TestServiceStops(t *testing.T) {
	again := state(backend.Connected, pid(2), to(one, backend.Explicit))
	connecting := state(backend.Connecting, pid(2))
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(crashed)
		time.Sleep(restartWait - 1)
		d.check(t, "it may come back")
		time.Sleep(time.Nanosecond)
		d.check(t, "it did not", ServiceStopped)
		time.Sleep(time.Hour)
		d.Update(connecting)
		d.Update(again)
		d.check(t, "back after an hour", ServiceStopped, Connected)
	})
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(crashed)
		time.Sleep(2 * time.Second)
		d.Update(connecting)
		time.Sleep(2 * time.Second)
		d.Update(again)
		time.Sleep(time.Hour)
		d.check(t, "back as it was")
	})
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(onA)
		d.Update(crashed)
		time.Sleep(2 * time.Second)
		d.Update(connecting)
		time.Sleep(3 * time.Second)
		d.check(t, "back, but it takes its time", ServiceStopped)
		d.Update(again)
		d.check(t, "connected", ServiceStopped, Connected)
	})
	atDesk(t, func(t *testing.T, d *desk) { // told to, by the user
		d.Update(onA)
		d.Update(backend.State{})
		time.Sleep(time.Hour)
		d.check(t, "ended in order")
		d.Update(connecting)
		d.Update(again)
		d.check(t, "started again", Connected)
	})
	atDesk(t, func(t *testing.T, d *desk) { // the tray leaves the work to a service
		d.Update(onA)
		d.Update(backend.State{})
		time.Sleep(2 * time.Second)
		d.Update(connecting)
		time.Sleep(time.Second)
		d.Update(again)
		time.Sleep(time.Hour)
		d.check(t, "another does the same work")
	})
	atDesk(t, func(t *testing.T, d *desk) { // it ends again and again
		d.Update(onA)
		for i := range 10 {
			d.Update(crashed)
			time.Sleep(8 * time.Second)
			d.Update(state(backend.Connected, pid(i+2), to(one, backend.Explicit)))
			time.Sleep(2 * time.Second)
		}
		if len(d.told()) > 4 {
			t.Errorf("told %+v", d.told())
		}
	})
}

func TestTell(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.Update(state(backend.Connecting))
		d.Update(state(backend.Disconnected, failing(taken)))
		d.Tell(Failed(taken))
		d.Tell(Notification{})
		d.check(t, "click and state tell of it once", CannotBind)
		time.Sleep(echoGap)
		d.Tell(Failed(taken))
		d.check(t, "another click, another word", CannotBind, CannotBind)
	})
}

func TestOnAndOff(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.SetOn(false)
		d.Update(idle)
		d.Update(onA)
		d.Update(silentA)
		d.Tell(Notification{Title: "notice"})
		time.Sleep(time.Hour)
		d.SetOn(true)
		time.Sleep(time.Hour)
		d.check(t, "off, and not told later")
		d.Update(onA)
		d.check(t, "on", Back)
	})
}

// A desktop that hangs holds up neither the caller nor what is decided, and one
// without the service is logged once.
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
