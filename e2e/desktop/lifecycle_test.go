//go:build linux

package desktop

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/settings"
	"mycoproxy/e2e/proxies"
)

// A panel that crashes and comes back gets the icon again, although notifications
// were closed in between.
func TestIconComesBack(t *testing.T) {
	t.Parallel()
	fast, _, _, _ := proxies.Some(t)
	s := newSession(t, proxies.Addresses(fast))
	n := s.takeNotices()
	w := s.watch()
	tray := s.mycoproxy()
	w.wantOne(t)
	s.click("Connect to the fastest")
	n.until(t, "Connected to")
	n.closeAll(t)

	for range 2 {
		w.stop(t)
		w = s.watch()
		w.wantOne(t)
		s.click("Disconnect")
		s.until("disconnected", disconnected)
		s.click("Connect to the fastest")
		s.until("connected", connectedTo(fast.Port))
	}
	tray.end()
	w.stop(t)
}

// Where there is no panel at the start, the user is told once, and the icon
// appears when there is one.
func TestPanelComesLate(t *testing.T) {
	t.Parallel()
	s := newSession(t, "")
	s.env = append(s.env, "DISPLAY=:nowhere") // without a display there will be no panel
	n := s.takeNotices()
	tray := s.mycoproxy()
	n.until(t, "nothing on this desktop shows tray icons")
	w := s.watch()
	w.wantOne(t)
	s.untilRow("(Not connected)")
	w.stop(t)
	w = s.watch()
	w.wantOne(t)
	tray.end()
	w.stop(t)
	if told := n.with(""); len(told) != 1 {
		t.Errorf("told: %q", told)
	}
	if log := tray.printed(); strings.Count(log, "shows tray icons") != 1 {
		t.Errorf("logged: %s", log)
	}
}

// A second tray says that there is one already, and makes no second icon.
func TestSecondTray(t *testing.T) {
	t.Parallel()
	s := newSession(t, "")
	n := s.takeNotices()
	w := s.watch()
	tray := s.mycoproxy()
	w.wantOne(t)
	second := s.mycoproxy()
	second.exits(0)
	if said := second.printed(); !strings.Contains(said, "already running") {
		t.Errorf("it says %q", said)
	}
	if told := n.with("already running"); len(told) != 1 {
		t.Errorf("told: %q", told)
	}
	tray.end()
	w.stop(t)
}

// Where there can be no tray, a sentence says why.
func TestNoDesktop(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for _, c := range []struct {
		name, want string
		env        []string
	}{
		{"no session bus", "there is no session bus", []string{"DBUS_SESSION_BUS_ADDRESS=", "XDG_RUNTIME_DIR=" + empty}},
		{"a bus that is not there", "session bus cannot be reached", []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus"}},
		{"no display", "there is no display", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(t, "")
			s.env = append(s.env, c.env...)
			tray := s.mycoproxy()
			tray.exits(1)
			said := tray.printed()
			if !strings.Contains(said, c.want) || !strings.HasPrefix(said, "mycoproxy: ") || !strings.Contains(said, "mycoproxy serve") || strings.Contains(said, "goroutine") {
				t.Errorf("it says %s", said)
			}
			t.Log(said)
		})
	}
}

// When the session bus ends, so does the tray.
func TestBusDies(t *testing.T) {
	t.Parallel()
	s := newSession(t, "")
	w := s.watch()
	tray := s.mycoproxy()
	w.wantOne(t)
	s.bus.kill()
	tray.exits(1)
	if said := tray.printed(); !strings.Contains(said, "mycoproxy: the session bus ended") || strings.Contains(said, "goroutine") {
		t.Errorf("it says %s", said)
	}
}

// However a service comes and goes, the menu works: while there is none, the tray
// does the work.
func TestServiceComesAndGoes(t *testing.T) {
	t.Parallel()
	fast, _, slow, _ := proxies.Some(t)
	s := newSession(t, proxies.Addresses(fast, slow))
	w := s.watch()
	tray := s.mycoproxy()
	inTray := func(state backend.State) bool { return state.Tray && state.PID == tray.Process.Pid }
	works := func() {
		t.Helper()
		s.click("[ ] " + slow.Addr().String())
		s.until("connected", connectedTo(slow.Port))
		s.untilRow("[x] " + slow.Addr().String())
		s.click("Disconnect")
		s.until("disconnected", disconnected)
		s.untilRow("(Not connected)")
	}
	s.until("the tray does the work", inTray)
	works()

	service := s.serve() // takes over
	s.untilRow("Connect to the fastest")
	works()
	eventually(t, "the command is on disk", 5*time.Second, func() bool {
		c, err := settings.LoadLastCommand(filepath.Join(s.folder, "state", "mycoproxy"))
		return err == nil && c == backend.LastCommand{}
	})
	service.kill()
	s.until("the tray does the work", inTray)
	works()

	service = s.serve()
	works()
	s.click("Connect to the fastest")
	s.until("connected", connectedTo(fast.Port))
	service.end()
	s.until("the tray does the work, and is connected as before", func(state backend.State) bool {
		return inTray(state) && connectedTo(fast.Port)(state)
	})
	s.untilRow("[x] " + fast.Addr().String())
	tray.end()
	w.stop(t)
}
