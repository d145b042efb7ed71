package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/settings"
)

// is reports whether f has the outcome, and text and cure contain the parts, which
// a bar separates. What is in order or skipped has no cure.
func (f Finding) is(outcome Outcome, parts string) bool {
	text, cure, _ := strings.Cut(parts, "|")
	return f.Outcome == outcome && strings.Contains(f.Text, text) && strings.Contains(f.Cure, cure) &&
		(f.Outcome != Skipped && f.Outcome != OK || f.Cure == "")
}

func TestRun(t *testing.T) {
	s := Subject{Settings: settings.Default(), StateFolder: t.TempDir(), StateError: backend.ErrNotRunning, Addresses: backend.LocalAddresses}
	if err := s.Settings.Set("node", ""); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range Run(t.Context(), s) {
		names = append(names, r.Name)
		if r.Text == "" {
			t.Errorf("%s says nothing", r.Name)
		}
	}
	const want = "settings, state folder, service, node, routes, overlay, port, listener, remote, connect"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("checks are %s", got)
	}
	s.Installed = func(context.Context) (Installation, error) { return Installation{}, nil }
	s.Offered = func(context.Context, string, bool) (bool, error) { return true, nil }
	if got := len(Run(t.Context(), s)); got != len(names)+3 {
		t.Errorf("%d checks with all there is", got)
	}
}

func TestChecksRunTogetherAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forGood := make(chan struct{})
		defer close(forGood)
		slow := func(context.Context) Finding { time.Sleep(limit - time.Second); return ok("slow") }
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		got := runAll(ctx, []check{
			{"a", slow},
			{"b", slow},
			{"c", func(ctx context.Context) Finding { <-ctx.Done(); return ok("in time") }},
			{"d", func(context.Context) Finding { <-forGood; return ok("too late") }},
		})
		if took := time.Since(start); took != limit+grace {
			t.Errorf("took %v", took)
		}
		for i, want := range []string{"slow", "slow", "in time", "the check did not end within 5s"} {
			if got[i].Text != want {
				t.Errorf("%s: %+v", got[i].Name, got[i])
			}
		}
	})
}

func TestJSON(t *testing.T) {
	got, err := json.Marshal([]Result{{"node", ok("a")}, {"port", bad("c", "b")}, {"tray", skipped("d")}, {"login", note("", "e")}})
	const want = `[{"name":"node","outcome":"ok","text":"a"},{"name":"port","outcome":"bad","text":"b","cure":"c"},` +
		`{"name":"tray","outcome":"skipped","text":"d"},{"name":"login","outcome":"note","text":"e"}]`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	s := Subject{ConfigFile: file}
	if got := s.checkSettings(t.Context()); !got.is(OK, "there is no "+file) {
		t.Errorf("without a file: %+v", got)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.checkSettings(t.Context()); !got.is(OK, file+" is in order") {
		t.Errorf("with a file: %+v", got)
	}
	s.SettingsError = errors.New("config.toml:2: there is no setting \"port\"")
	if got := s.checkSettings(t.Context()); !got.is(Bad, "config.toml:2: there is no|config example") {
		t.Errorf("with a bad one: %+v", got)
	}
}

func TestStateFolder(t *testing.T) {
	folder := t.TempDir()
	for _, there := range []string{folder, filepath.Join(folder, "not", "yet")} {
		if got := (Subject{StateFolder: there}).checkStateFolder(t.Context()); !got.is(OK, there+" can be written") {
			t.Errorf("%s: %+v", there, got)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, blocked := range []string{file, filepath.Join(file, "below")} {
		if got := (Subject{StateFolder: blocked}).checkStateFolder(t.Context()); !got.is(Bad, blocked+" cannot be written: |writable") {
			t.Errorf("%s: %+v", blocked, got)
		}
	}
}

func TestService(t *testing.T) {
	for name, c := range map[string]struct {
		subject Subject
		outcome Outcome
		want    string
	}{
		"not running": {Subject{StateError: backend.ErrNotRunning}, Bad, "not running|mycoproxy serve"},
		"silent":      {Subject{StateError: context.DeadlineExceeded}, Bad, "does not answer|start it again"},
		"not ours":    {Subject{StateError: &backend.Error{Code: backend.Internal, Message: "The control socket in /x is not yours"}}, Bad, "is not yours"},
		"same":        {Subject{Version: "2", State: backend.State{Version: "2", PID: 7}}, OK, "version 2, pid 7"},
		"other":       {Subject{Version: "3", State: backend.State{Version: "2", PID: 7}}, Bad, "pid 7 has version 2, and this program has 3|start it again"},
		"tray":        {Subject{Version: "2", State: backend.State{Version: "2", Tray: true}}, OK, "the tray does the work"},
	} {
		if got := c.subject.checkService(t.Context()); !got.is(c.outcome, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLogin(t *testing.T) {
	this, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "mycoproxy")
	if err := os.WriteFile(other, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	for name, c := range map[string]struct {
		got     Installation
		err     error
		outcome Outcome
		want    string
	}{
		"not installed": {Installation{}, nil, Note, "not installed|service install"},
		"turned off":    {Installation{Installed: true, Program: this}, nil, Note, "does not start at login|service install"},
		"this program":  {Installation{true, true, this}, nil, OK, this + " starts at login"},
		"another":       {Installation{true, true, other}, nil, Note, "another program starts at login: " + other},
		"gone":          {Installation{true, true, gone}, nil, Bad, gone + ": |service install"},
		"no manager":    {Installation{}, errors.New("no manager"), Note, "no manager"},
	} {
		s := Subject{Program: this, Installed: func(context.Context) (Installation, error) { return c.got, c.err }}
		if got := s.checkLogin(t.Context()); !got.is(c.outcome, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDesktop(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		desktop, there     bool
		err                error
		tray, notification Outcome
		want               string
	}{
		"all there":  {desktop: true, there: true, tray: OK, notification: OK, want: "this desktop shows"},
		"none there": {desktop: true, tray: Bad, notification: Bad, want: "this desktop shows no|nstall"},
		"no bus":     {desktop: true, err: broken, tray: Bad, notification: Bad, want: "cannot be asked: broken|desktop session"},
		"no desktop": {err: broken, tray: Skipped, notification: Skipped, want: "no desktop"},
	} {
		s := Subject{Desktop: c.desktop, Settings: settings.Default()}
		s.Offered = func(_ context.Context, service string, startable bool) (bool, error) {
			if want := service == "org.freedesktop.Notifications"; startable != want {
				t.Errorf("%s: startable is %v for %s", name, startable, service)
			}
			return c.there, c.err
		}
		if got := s.checkTray(t.Context()); !got.is(c.tray, c.want) {
			t.Errorf("%s: tray: %+v", name, got)
		}
		if got := s.checkNotifications(t.Context()); !got.is(c.notification, c.want) {
			t.Errorf("%s: notifications: %+v", name, got)
		}
		s.Settings.Notifications = false
		if got := s.checkNotifications(t.Context()); !got.is(Skipped, "turned off") {
			t.Errorf("%s: notifications, turned off: %+v", name, got)
		}
	}
}

func addrs(texts ...string) (list []netip.AddrPort) {
	for _, t := range texts {
		list = append(list, netip.MustParseAddrPort(t))
	}
	return list
}
