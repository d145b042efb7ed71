//go:build linux

package wine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

// The rows that the tests click.
const (
	connection    = "Connect to the fastest, or Disconnect"
	firstProxy    = "the fastest"
	lastProxy     = "the slowest"
	connectAnyway = "Connect anyway…"
	address       = "Connect to address…"
	probing       = "Stop probing, or start"
	copyProxy     = "Copy proxy address"
	share         = "Share on local network"
	login         = "Start at login"
	quit          = "Quit"
)

// theRows are those of the menu with three proxies and a locked one, from top to
// bottom.
var theRows = []string{
	"the state", "", connection, "", firstProxy, "the next", lastProxy, "a locked one", connectAnyway, "",
	address, "Scan now", probing, "", copyProxy, share, login, "Notifications", "", quit, "Disconnect and quit",
}

// rowsWithError have the row that tells what went wrong.
var rowsWithError = slices.Insert(slices.Clone(theRows), 1, "the error")

// state is what "mycoproxy status --json" says; zero if no service answers.
func (w *windows) state(t *testing.T) (state backend.State) {
	t.Helper()
	stdout, stderr, code := w.cli(t, "status", "--json")
	if code == 3 { // not running
		return state
	}
	if err := json.Unmarshal([]byte(stdout), &state); err != nil || code != 0 {
		t.Fatalf("status: exit code %d, %v: %s", code, err, stderr)
	}
	return state
}

// until waits until the state is as it should be, and returns it.
func (w *windows) until(t *testing.T, what string, ok func(backend.State) bool) (state backend.State) {
	t.Helper()
	defer func() {
		if t.Failed() {
			text, _ := json.Marshal(state)
			t.Logf("the state is %s", text)
		}
	}()
	eventually(t, what, 30*time.Second, func() bool {
		state = w.state(t)
		return ok(state)
	})
	return state
}

// connectedTo reports that of a state.
func connectedTo(s *proxies.Server) func(backend.State) bool {
	return func(state backend.State) bool {
		return state.Phase == backend.Connected && state.Remote != nil && int(state.Remote.Address.Port()) == s.Port
	}
}

// startTray starts the tray, and waits for its icon.
func (w *windows) startTray(t *testing.T, program string, env ...string) {
	t.Helper()
	began := time.Now()
	if err := w.start(env, program); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the icon", 20*time.Second, func() bool { return w.icon(t) != nil })
	t.Logf("the icon was there after %v", time.Since(began).Round(100*time.Millisecond))
}

// logged waits until the program's log has the text.
func (w *windows) logged(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log has "+text, 10*time.Second, func() bool {
		log, _ := os.ReadFile(filepath.Join(w.local(), "mycoproxy-tray.log"))
		return strings.Contains(string(log), text)
	})
}

// TestTray clicks its way through the menu. The tray does the work itself at
// first, and then leaves it to a service.
func TestTray(t *testing.T) {
	w := needWindows(t)
	fast, middle, slow, secret := proxies.Some(t)
	port := proxies.FreePort(t)
	holder, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	w.startTray(t, w.program(), "MYCOPROXY_PEERS="+proxies.Addresses(fast, middle, slow, secret),
		fmt.Sprintf("MYCOPROXY_LISTEN=[::]:%d", port), "MYCOPROXY_NOTIFICATIONS=false") // balloons hide the menu
	w.until(t, "all proxies are found", func(s backend.State) bool { return len(s.Proxies) == 4 && s.Tray })
	for _, button := range []int{1, 3} {
		w.openMenu(t, button, theRows)
		w.shot(t, fmt.Sprintf("menu-button%d", button))
		w.closeMenu(t)
	}
	disconnected := w.icon(t)

	w.click(t, theRows, connection)
	w.until(t, "the port is taken", func(s backend.State) bool { return s.Error != nil && s.Error.Code == backend.PortInUse })
	w.openMenu(t, 1, rowsWithError)
	w.shot(t, "menu-trouble")
	w.closeMenu(t)
	if slices.Equal(w.icon(t), disconnected) {
		t.Error("the icon does not show trouble")
	}
	holder.Close()

	w.click(t, rowsWithError, connection)
	w.until(t, "connected to the fastest", connectedTo(fast))
	w.openMenu(t, 1, theRows)
	w.shot(t, "menu-connected")
	w.closeMenu(t)
	if slices.Equal(w.icon(t), disconnected) {
		t.Error("the icon does not show the connection")
	}
	w.click(t, theRows, lastProxy)
	w.until(t, "connected to the slowest", connectedTo(slow))
	w.click(t, theRows, connectAnyway)
	w.until(t, "connected to the locked one", connectedTo(secret))
	w.openMenu(t, 1, theRows)
	w.shot(t, "menu-anyway")
	w.closeMenu(t)

	w.click(t, theRows, copyProxy)
	want := fmt.Sprintf("socks5h://127.0.0.1:%d", port)
	eventually(t, "the clipboard has the proxy's address", 5*time.Second, func() bool {
		text, _, _ := w.run(t.Context(), nil, "xclip", "-selection", "clipboard", "-o")
		return text == want
	})
	w.click(t, theRows, probing)
	w.until(t, "probing is off", func(s backend.State) bool { return !s.Probing.On })
	w.click(t, theRows, probing)
	w.until(t, "probing is on", func(s backend.State) bool { return s.Probing.On })
	w.click(t, theRows, share)
	w.until(t, "shared", func(s backend.State) bool { return s.Share == backend.ShareLAN })
	w.click(t, theRows, share)
	w.until(t, "not shared", func(s backend.State) bool { return s.Share == backend.ShareOff })
	w.click(t, theRows, address)
	w.logged(t, "powershell.exe is missing")

	w.click(t, theRows, connection)
	w.until(t, "disconnected", func(s backend.State) bool { return s.Phase == backend.Disconnected && s.Tray })
	w.click(t, theRows, firstProxy)
	w.until(t, "connected again", connectedTo(fast))
	w.atLogin(t, fast)
}

// atLogin continues with a tray that is connected to a proxy, has a service
// installed, and quits.
func (w *windows) atLogin(t *testing.T, remote *proxies.Server) {
	t.Helper()
	tray := w.state(t).PID
	w.click(t, theRows, login)
	w.until(t, "the service is connected", func(s backend.State) bool { return !s.Tray && connectedTo(remote)(s) })
	for value, command := range map[string]string{"Mycoproxy": "tray", "Mycoproxy service": "serve"} {
		if got := w.registered(t, value); !strings.HasSuffix(got, fmt.Sprintf(`\a b\mycoproxy.exe" %s`, command)) || got[:1] != `"` {
			t.Errorf("at login starts %s", got)
		}
	}
	if stdout, _, code := w.cli(t, "service", "status"); code != 0 || !strings.Contains(stdout, "installed, starts at login") {
		t.Errorf("service status: exit code %d: %s", code, stdout)
	}
	w.openMenu(t, 1, theRows)
	w.shot(t, "menu-service")
	w.closeMenu(t)

	w.click(t, theRows, login) // off again: the tray does the work
	w.until(t, "the tray is back at work", func(s backend.State) bool { return s.Tray && s.PID == tray })
	if got := w.registered(t, "Mycoproxy"); got != "" {
		t.Errorf("at login still starts %s", got)
	}
	w.click(t, theRows, login)
	w.until(t, "the service is connected again", func(s backend.State) bool { return !s.Tray && connectedTo(remote)(s) })
	w.click(t, theRows, quit)
	eventually(t, "the tray is gone", 10*time.Second, func() bool { return len(w.running()) == 1 })
	eventually(t, "the icon is gone", 10*time.Second, func() bool { return w.icon(t) == nil })
	if state := w.state(t); !connectedTo(remote)(state) {
		t.Errorf("after the tray has quit: %+v", state)
	}
	w.uninstall(t)
}

// uninstall ends the service, and leaves nothing.
func (w *windows) uninstall(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		command string
		code    int
	}{{"stop", 0}, {"status", 3}, {"start", 0}, {"install", 0}, {"status", 0}, {"uninstall", 0}, {"uninstall", 0}, {"status", 3}, {"start", 1}} {
		if stdout, stderr, code := w.cli(t, "service", c.command); code != c.code {
			t.Fatalf("service %s: exit code %d, want %d\n%s%s", c.command, code, c.code, stdout, stderr)
		}
	}
	w.nothingLeft(t)
}

func (w *windows) nothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, "no process is left", 5*time.Second, func() bool { return len(w.running()) == 0 })
	for _, value := range []string{"Mycoproxy", "Mycoproxy service"} {
		if got := w.registered(t, value); got != "" {
			t.Errorf("at login still starts %s", got)
		}
	}
	os.Remove(filepath.Join(w.local(), "config.toml")) // the settings stay, if a test has clicked one
	if err := os.Remove(w.local()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// registered is what a value under the Run key starts at login.
func (w *windows) registered(t *testing.T, value string) string {
	t.Helper()
	const key = `HKCU\Software\Microsoft\Windows\CurrentVersion\Run`
	stdout, _, err := w.run(t.Context(), nil, "wine", "reg", "query", key, "/v", value)
	if err != nil {
		return "" // there is none
	}
	_, command, _ := strings.Cut(stdout, "REG_SZ")
	return strings.TrimSpace(command)
}
