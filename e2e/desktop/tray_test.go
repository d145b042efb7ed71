//go:build linux

package desktop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

// The icon registers within a second, and is what the specification wants.
func TestIcon(t *testing.T) {
	fast, middle, slow, secret := proxies.Some(t)
	s := newSession(t, proxies.Addresses(slow, secret, middle, fast))
	w := s.watch()
	tray := s.mycoproxy()
	eventually(t, "the icon registers", time.Second, func() bool { return len(w.registered()) > 0 })
	t.Logf("the icon was there after %v", time.Since(tray.began).Round(time.Millisecond))

	for name, want := range map[string]any{
		"Id": "Mycoproxy", "Status": "Active", "Category": "ApplicationStatus", "ItemIsMenu": true,
	} {
		if got := s.itemProperty(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	s.untilRow("[ ] " + slow.Addr().String())
	s.wantPicture()
	s.wantTooltip("Mycoproxy: not connected")
	s.wantMenu(
		"(Not connected)", "----",
		"Connect to the fastest", "----",
		"[ ] "+fast.Addr().String()+" · ", "[ ] "+middle.Addr().String()+" · ", "[ ] "+slow.Addr().String()+" · ",
		"[ ] ("+secret.Addr().String()+" · needs a password)", "    Connect anyway…", "----",
		"Connect to address…", "Scan now · 4 peers, ", "Stop probing", "----",
		"(Copy proxy address)", "[ ] Share on local network", "[ ] Start at login", "[x] Notifications", "----",
		"Quit", "Disconnect and quit",
	)
	s.click("[ ] " + middle.Addr().String())
	s.untilRow("[x] " + middle.Addr().String())
	s.wantTooltip("Mycoproxy: connected to " + middle.Addr().String() + " · ")
	w.wantOne(t)
	tray.end()
	w.stop(t)
}

// wantMenu wants the whole menu, each row beginning so.
func (s *session) wantMenu(want ...string) {
	s.t.Helper()
	var got []row
	defer func() {
		if s.t.Failed() {
			s.t.Logf("got  %q\nwant %q", got, want)
		}
	}()
	eventually(s.t, "the menu is as it should be", 10*time.Second, func() bool {
		got, _ = s.menu()
		return slices.EqualFunc(got, want, func(r row, begin string) bool { return strings.HasPrefix(r.String(), begin) })
	})
}

func (s *session) wantTooltip(begin string) {
	s.t.Helper()
	eventually(s.t, "the tooltip is "+begin, 10*time.Second, func() bool {
		var tip struct {
			Icon    string
			Pixmaps []struct {
				Width, Height int32
				Data          []byte
			}
			Title, Text string
		}
		return dbus.Store([]any{s.itemProperty("ToolTip")}, &tip) == nil && strings.HasPrefix(tip.Title, begin)
	})
}

// wantPicture wants an icon with something on it.
func (s *session) wantPicture() {
	s.t.Helper()
	var pictures []struct {
		Width, Height int32
		Data          []byte
	}
	if err := dbus.Store([]any{s.itemProperty("IconPixmap")}, &pictures); err != nil || len(pictures) == 0 {
		s.t.Fatalf("pictures: %v, %v", len(pictures), err)
	}
	p := pictures[0]
	if p.Width < 22 || p.Width != p.Height || int(4*p.Width*p.Height) != len(p.Data) {
		s.t.Errorf("the picture is %d x %d of %d bytes", p.Width, p.Height, len(p.Data))
	}
	if !slices.ContainsFunc(p.Data, func(b byte) bool { return b != 0 }) {
		s.t.Error("the picture is empty")
	}
}

// Screen readers say the title of the icon. It follows the state, and panels are
// told of each change. The Id, by which they know the icon, is always the same.
func TestTitle(t *testing.T) {
	t.Parallel()
	fast, _, _, _ := proxies.Some(t)
	s := newSession(t, proxies.Addresses(fast))
	w := s.watch()
	changes := make(chan *dbus.Signal, 64)
	s.conn.Signal(changes)
	if err := s.conn.AddMatchSignal(dbus.WithMatchInterface(itemInterface), dbus.WithMatchMember("NewTitle")); err != nil {
		t.Fatal(err)
	}
	until := func(title string) {
		t.Helper()
		var got any
		defer func() {
			if t.Failed() {
				t.Logf("the title is %v", got)
			}
		}()
		isTold := false
		eventually(t, "a change of the title, to "+title, 15*time.Second, func() bool {
			for len(changes) > 0 {
				change := <-changes
				isTold = isTold || change.Name == itemInterface+".NewTitle"
			}
			item, err := s.item()
			if !isTold || err != nil {
				return false
			}
			v, err := item.GetProperty(itemInterface + ".Title")
			got = v.Value()
			return err == nil && got == title
		})
		if id := s.itemProperty("Id"); id != "Mycoproxy" {
			t.Errorf("the Id is %v", id)
		}
	}
	s.serve()
	tray := s.mycoproxy()
	until("Mycoproxy: not connected")
	s.click("[ ] " + fast.Addr().String())
	until("Mycoproxy: connected to " + fast.Addr().String())
	tray.end()
	w.stop(t)
	s.watch()
	tray = s.mycoproxy()
	until("Mycoproxy: connected to " + fast.Addr().String())
	fast.Close()
	s.click("Scan now")
	until("Mycoproxy: trouble, " + fast.Addr().String() + " does not answer")
	s.click("Disconnect")
	until("Mycoproxy: not connected")
	tray.end()
}

// Every row does what it says, with the work done by the tray and by a service.
func TestClicks(t *testing.T) {
	for _, withService := range []bool{false, true} {
		t.Run(fmt.Sprintf("service=%t", withService), func(t *testing.T) {
			t.Parallel()
			fast, middle, slow, secret := proxies.Some(t)
			s := newSession(t, proxies.Addresses(fast, middle, slow, secret))
			w := s.watch()
			if withService {
				s.serve()
			}
			tray := s.mycoproxy()
			s.untilRow("[ ] " + slow.Addr().String())
			if state := s.state(); state.Tray == withService || state.PID == tray.Process.Pid == withService {
				t.Errorf("pid %d, in the tray: %t", state.PID, state.Tray)
			}

			s.click("Connect to the fastest")
			s.until("connected to the fastest", connectedTo(fast.Port))
			s.click("[ ] " + slow.Addr().String())
			s.until("connected to another", connectedTo(slow.Port))
			s.click("    Connect anyway…")
			s.until("connected to one that needs a password", connectedTo(secret.Port))
			s.untilRow("[x] (" + secret.Addr().String() + " · needs a password)")
			s.click("Disconnect")
			s.until("disconnected", disconnected)
			s.untilRow("Connect to the fastest")

			s.click("Stop probing")
			s.until("probing is off", func(s backend.State) bool { return !s.Probing.On })
			s.click("Start probing")
			s.until("probing is on", func(s backend.State) bool { return s.Probing.On })
			s.click("[ ] Share on local network")
			s.until("shared", func(s backend.State) bool { return s.Share == backend.ShareLAN })
			s.click("[x] Share on local network")
			s.until("not shared", func(s backend.State) bool { return s.Share == backend.ShareOff })
			s.click("[x] Notifications")
			s.click("[ ] Notifications")
			s.untilRow("[x] Notifications")

			s.click("[ ] " + middle.Addr().String())
			s.until("connected again", connectedTo(middle.Port))
			if withService {
				s.click("Quit")
				tray.exits(0)
				if state := s.state(); !connectedTo(middle.Port)(state) {
					t.Error("the service is not connected any more")
				}
			} else {
				s.click("Quit (nothing is forwarded then)")
				tray.exits(0)
				if state := s.state(); state.PID != 0 {
					t.Error("a service runs")
				}
			}
			w.stop(t)
		})
	}
}

// "Disconnect and quit" leaves a service that runs and is not connected.
func TestDisconnectAndQuit(t *testing.T) {
	t.Parallel()
	fast, _, _, _ := proxies.Some(t)
	s := newSession(t, proxies.Addresses(fast))
	s.watch()
	s.serve()
	tray := s.mycoproxy()
	s.click("[ ] " + fast.Addr().String())
	s.until("connected", connectedTo(fast.Port))
	s.click("Disconnect and quit")
	tray.exits(0)
	if state := s.state(); !disconnected(state) {
		t.Errorf("the service is %v", state.Phase)
	}
}

// A panel sends no clicks of rows that are gray, but others may.
func TestGrayRowsDoNothing(t *testing.T) {
	t.Parallel()
	_, _, _, secret := proxies.Some(t)
	s := newSession(t, proxies.Addresses(secret))
	s.watch()
	s.mycoproxy()
	s.event(s.untilRow("[ ] (" + secret.Addr().String() + " · needs a password)").id)
	s.event(s.untilRow("(Not connected)").id)
	s.click("Stop probing")
	state := s.until("probing is off", func(s backend.State) bool { return s.PID != 0 && !s.Probing.On })
	if state.Remote != nil || state.Phase != backend.Disconnected {
		t.Errorf("%v to %v", state.Phase, state.Remote)
	}
}

// What a click could not do, a notification tells.
func TestFailedClick(t *testing.T) {
	t.Parallel()
	fast, _, _, _ := proxies.Some(t)
	s := newSession(t, proxies.Addresses(fast))
	s.watch()
	n := s.takeNotices()
	s.mycoproxy()
	s.click("Connect to the fastest")
	s.until("connected", connectedTo(fast.Port))
	n.until(t, "Connected to "+fast.Addr().String())
	for row, want := range map[string]string{"Copy proxy address": "clipboard", "Connect to address…": "no desktop to show a dialog on"} {
		s.click(row) // there is no display
		n.until(t, want)
	}
}
