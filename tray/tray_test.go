package tray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
	"mycoproxy/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// user is the user of a tray, and all that the tray calls: screen, backend and
// login. It records what is called, and what the user is told.
type user struct {
	t      *testing.T
	states chan backend.State
	click  chan row
	open   chan struct{}
	inMenu atomic.Bool // where that is known

	mu        sync.Mutex
	view      view
	shows     int
	calls     []string
	told      []string
	err       error // of every call
	installed bool
	answers   []string // to dialogs; empty: cancelled
	asked     []string
	thinking  chan struct{} // until it is closed, dialogs stay open; nil: they do not
	ended     chan struct{}
	cancel    context.CancelFunc
}

func (u *user) record(format string, args ...any) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls = append(u.calls, fmt.Sprintf(format, args...))
	return u.err
}

func (u *user) State(context.Context) (backend.State, error)   { return backend.State{}, nil }
func (u *user) Peers(context.Context) ([]backend.Proxy, error) { return nil, nil }
func (u *user) Disconnect(context.Context) error               { return u.record("disconnect") }
func (u *user) StartProbe(context.Context) error               { return u.record("start probing") }
func (u *user) StopProbe(context.Context) error                { return u.record("stop probing") }
func (u *user) ProbeNow(context.Context) error                 { return u.record("scan") }
func (u *user) SetShare(_ context.Context, s backend.Share) error {
	return u.record("share %v", s)
}
func (u *user) Connect(_ context.Context, remote netip.AddrPort) (netip.AddrPort, error) {
	return remote, u.record("connect %v", remote)
}
func (u *user) Watch(ctx context.Context, fn func(backend.State)) error {
	for {
		select {
		case s := <-u.states:
			fn(s)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (u *user) Status(context.Context) (atLogin, hasService bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.installed, u.installed, nil
}
func (u *user) Install(context.Context) error   { return u.record("install") }
func (u *user) Uninstall(context.Context) error { return u.record("uninstall") }
func (u *user) Start(context.Context) error     { return u.record("start the service") }

func (u *user) show(v view) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.view = v
	u.shows++
}
func (u *user) clicks() <-chan row      { return u.click }
func (u *user) opened() <-chan struct{} { return u.open }
func (u *user) isOpen() bool            { return u.inMenu.Load() }

func (u *user) answer(question string) (string, bool, error) {
	if u.thinking != nil {
		<-u.thinking
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, question)
	if len(u.answers) == 0 {
		return "", false, nil
	}
	first := u.answers[0]
	u.answers = u.answers[1:]
	return first, true, nil
}

// withTray runs test with the user of a tray that shows the state.
func withTray(t *testing.T, s backend.State, test func(*testing.T, *user)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		u := &user{t: t, states: make(chan backend.State), click: make(chan row), open: make(chan struct{}), ended: make(chan struct{}), cancel: cancel}
		n := notify.New(notify.Config{Send: func(_ context.Context, n notify.Notification) error {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.told = append(u.told, n.Title+" / "+n.Body)
			return nil
		}})
		var wg sync.WaitGroup
		wg.Go(func() { n.Run(ctx) })
		wg.Go(func() {
			defer close(u.ended)
			run(ctx, Config{
				Backend: u, Notifier: n, Notifications: true, Login: u, Log: slog.New(slog.DiscardHandler),
				KeepNotifications: func(on bool) error { return u.record("keep notifications %v", on) },
				Desktop: Desktop{
					Ask: func(_ context.Context, _, text, initial string) (string, bool, error) {
						return u.answer(text + " [" + initial + "]")
					},
					Choose: func(_ context.Context, _, text string, _ []string, rows [][]string) (int, bool, error) {
						s, ok, err := u.answer(fmt.Sprintf("%s %d rows", text, len(rows)))
						return slices.IndexFunc(rows, func(r []string) bool { return r[0] == s }), ok, err
					},
					Copy: func(_ context.Context, text string) error { return u.record("copy %s", text) },
				},
			}, u)
		})
		u.publish(s)
		test(t, u)
		cancel()
		wg.Wait()
	})
}

// publish has the backend publish a state.
func (u *user) publish(s backend.State) {
	u.states <- s
	synctest.Wait()
}

// shown is the view of now, and how many there were.
func (u *user) shown() (view, int) {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.view, u.shows
}

// hasTold is what the user was told since the last call.
func (u *user) hasTold() []string {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	told := u.told
	u.told = nil
	return told
}

// find returns the row whose label begins so.
func (u *user) find(label string) row {
	u.t.Helper()
	v, _ := u.shown()
	for r, it := range v.rows {
		if it.label != "" && strings.HasPrefix(strings.TrimSpace(it.label), label) {
			return row(r)
		}
	}
	u.t.Fatalf("there is no row %q in\n%s", label, v.text())
	return 0
}

// press clicks a row and returns what was called then.
func (u *user) press(label string) []string {
	u.t.Helper()
	r := u.find(label)
	u.mu.Lock()
	u.calls = nil
	u.mu.Unlock()
	u.click <- r
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls
}

func (u *user) hasEnded() bool {
	select {
	case <-u.ended:
		return true
	default:
		return false
	}
}

func TestClicks(t *testing.T) {
	inTray := with(connected(addr(2)), func(s *backend.State) { s.Share = backend.ShareLAN })
	probingOff := with(disconnected(), func(s *backend.State) { s.Probing.On = false })
	for _, c := range []struct {
		state       backend.State
		label, call string // empty: none
	}{
		{disconnected(), "Connect to the fastest", "connect invalid AddrPort"},
		{disconnected(), "407:8451", "connect " + addr(1).String()},
		{disconnected(), "407:8453", "connect " + addr(3).String()},
		{disconnected(), "407:8454", ""}, // gray
		{disconnected(), "Connect anyway", "connect " + addr(4).String()},
		{disconnected(), "Scan now", "scan"},
		{disconnected(), "Stop probing", "stop probing"},
		{probingOff, "Start probing", "start probing"},
		{disconnected(), "Copy proxy address", ""}, // gray
		{disconnected(), "Share on local network", "share lan"},
		{disconnected(), "Start at login", "install"},
		{disconnected(), "Notifications", "keep notifications false"},
		{disconnected(), "Not connected", ""},
		{connected(addr(2)), "Disconnect", "disconnect"},
		{connected(addr(2)), "407:8451", "connect " + addr(1).String()},
		{connected(addr(2)), "Copy proxy address", "copy socks5h://127.0.0.1:1080"},
		{inTray, "Share on local network", "share off"},
		{backend.State{}, "Connect to the fastest", ""},
		{backend.State{}, "Disconnect and quit", ""},
	} {
		withTray(t, c.state, func(t *testing.T, u *user) {
			if calls := u.press(c.label); strings.Join(calls, "; ") != c.call {
				t.Errorf("%s calls %q, want %q", c.label, calls, c.call)
			}
			if u.hasEnded() {
				t.Errorf("%s ends the tray", c.label)
			}
			if told := u.hasTold(); len(told) > 0 {
				t.Errorf("%s tells %q", c.label, told)
			}
		})
	}
}

func TestFailedClickIsTold(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.err = errors.New("the moon is full")
		for _, label := range []string{"Connect to the fastest", "Scan now", "Share on", "Start at login", "Disconnect and quit"} {
			u.press(label)
			if told := u.hasTold(); len(told) != 1 || !strings.Contains(told[0], "the moon is full") {
				t.Errorf("after %s the user is told %q", label, told)
			}
			time.Sleep(time.Minute) // the same again at once would be an echo
		}
		if u.hasEnded() {
			t.Error("quit although it did not disconnect")
		}
	})
}

func TestQuit(t *testing.T) {
	withTray(t, connected(addr(1)), func(t *testing.T, u *user) {
		if calls := u.press("Quit"); len(calls) > 0 || !u.hasEnded() {
			t.Errorf("called %q, ended: %v", calls, u.hasEnded())
		}
	})
	withTray(t, connected(addr(1)), func(t *testing.T, u *user) {
		if calls := u.press("Disconnect and quit"); !slices.Equal(calls, []string{"disconnect"}) || !u.hasEnded() {
			t.Errorf("called %q, ended: %v", calls, u.hasEnded())
		}
	})
}

func TestConnectToAddress(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.answers = []string{"example.org", " 127.0.0.1:9050 "}
		if calls := u.press("Connect to address"); !slices.Equal(calls, []string{"connect 127.0.0.1:9050"}) {
			t.Errorf("called %q", calls)
		}
		if len(u.asked) != 2 || !strings.HasSuffix(u.asked[0], ": []") || !strings.HasSuffix(u.asked[1], "[example.org]") ||
			!strings.Contains(u.asked[1], "not an IP address") {
			t.Errorf("asked %q", u.asked)
		}
		if calls := u.press("Connect to address"); len(calls) > 0 { // cancelled
			t.Errorf("called %q", calls)
		}
	})
}

func TestOneDialogAtATime(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.thinking = make(chan struct{})
		u.press("Connect to address")
		u.press("Connect to address")
		close(u.thinking)
		synctest.Wait()
		if len(u.asked) != 1 {
			t.Errorf("asked %q", u.asked)
		}
		u.press("Connect to address")
		if len(u.asked) != 2 {
			t.Errorf("afterwards, asked %q", u.asked)
		}
	})
}

func TestChooseAnother(t *testing.T) {
	long := with(disconnected(), func(s *backend.State) { s.Proxies = proxies(60, 10) })
	withTray(t, long, func(t *testing.T, u *user) {
		u.answers = []string{addr(65).String()}
		if calls := u.press("Choose another"); !slices.Equal(calls, []string{"connect " + addr(65).String()}) {
			t.Errorf("called %q", calls)
		}
		if len(u.asked) != 1 || !strings.HasSuffix(u.asked[0], "70 rows") {
			t.Errorf("asked %q", u.asked)
		}
		if calls := u.press("Choose another"); len(calls) > 0 { // cancelled
			t.Errorf("called %q", calls)
		}
	})
}

func TestStartAtLogin(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.installed = true
		u.open <- struct{}{} // perhaps it was done in a terminal
		synctest.Wait()
		if v, _ := u.shown(); !v.rows[rowLogin].checked {
			t.Error("no tick")
		}
		u.publish(backend.State{Error: backend.ErrCrashed})
		u.open <- struct{}{}
		if calls := u.press("Start the service"); !slices.Equal(calls, []string{"start the service"}) {
			t.Errorf("called %q", calls)
		}
		if calls := u.press("Start at login"); !slices.Equal(calls, []string{"uninstall"}) {
			t.Errorf("called %q", calls)
		}
	})
}

func TestNotificationsOff(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.press("Notifications")
		u.publish(connected(addr(1)))
		told := u.hasTold()
		if v, _ := u.shown(); len(told) > 0 || v.rows[rowNotifications].checked {
			t.Errorf("told %q", told)
		}
		u.press("Notifications")
		u.publish(connected(addr(2)))
		time.Sleep(2 * time.Minute)
		told = u.hasTold()
		if v, _ := u.shown(); len(told) != 1 || !v.rows[rowNotifications].checked {
			t.Errorf("told %q", told)
		}
	})
}

// What is shown is changed only if it differs, and the rows keep their places
// for two minutes after the menu was opened, or until a click closes it.
func TestRowsStayWhileTheMenuIsOpen(t *testing.T) {
	other := with(disconnected(), func(s *backend.State) {
		s.Proxies = []backend.Proxy{s.Proxies[1], s.Proxies[0], s.Proxies[2]}
	})
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		first := func() string {
			v, _ := u.shown()
			return v.rows[rowValid].label
		}
		was := first()
		_, shows := u.shown()
		u.publish(disconnected())
		time.Sleep(time.Second)
		if _, now := u.shown(); now != shows {
			t.Error("shown again without a change")
		}
		u.open <- struct{}{}
		u.publish(other)
		time.Sleep(time.Minute)
		if first() != was {
			t.Errorf("the first was %q and is %q", was, first())
		}
		time.Sleep(time.Minute + tick)
		if first() == was {
			t.Error("the order stays although the menu is closed")
		}
		u.open <- struct{}{}
		u.publish(disconnected())
		u.open <- struct{}{}
		if first() != was {
			t.Error("opened again, it shows the order of the last time")
		}
		u.publish(other)
		u.press("Scan now")
		if first() == was {
			t.Error("the order stays after a click")
		}
	})
}

// Where it is known that the menu is open, the rows keep their places until it is
// closed, and no longer: who opens it again sees the new ones.
func TestRowsMoveWhenTheMenuIsClosed(t *testing.T) {
	withTray(t, disconnected(), func(t *testing.T, u *user) {
		u.inMenu.Store(true)
		u.publish(with(disconnected(), func(s *backend.State) { s.Proxies = proxies(4, 1) }))
		time.Sleep(10 * tick)
		if v, _ := u.shown(); v.rows[rowValid+3].label != "" {
			t.Error("there is a new row in the open menu")
		}
		u.inMenu.Store(false)
		time.Sleep(openTick)
		if v, _ := u.shown(); v.rows[rowValid+3].label == "" {
			t.Error("there is no new row in the menu after it was closed")
		}
	})
}

// A backend whose Watch ends also ends the tray: it does not watch again.
func TestEndOfWatchingEndsTheTray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := notify.New(notify.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { n.Run(ctx) })
		var b broken
		err := run(ctx, Config{Backend: &b, Notifier: n, Log: slog.New(slog.DiscardHandler)}, &user{t: t})
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("ended with %v", err)
		}
		if b.watches != 1 {
			t.Errorf("watched %d times", b.watches)
		}
		cancel()
		wg.Wait()
	})
}

// broken is a backend whose Watch ends at once.
type broken struct {
	backend.Backend
	watches int
}

func (b *broken) Watch(_ context.Context, f func(backend.State)) error {
	b.watches++
	f(disconnected())
	return errors.New("broken")
}
