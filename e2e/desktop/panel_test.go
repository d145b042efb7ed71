//go:build linux

package desktop

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

// The panel shows the icon within a second.
func TestIconShows(t *testing.T) {
	d := newDesk(t, "")
	d.startPanel()
	tray := d.mycoproxy()
	eventually(t, "the icon shows", time.Second, d.iconShows)
	t.Logf("the icon showed after %v", time.Since(tray.began).Round(time.Millisecond))
}

// Everything that a user can do with the menu, with the pointer on a real panel,
// while the tray does the work and while a service does.
func TestPanel(t *testing.T) {
	for _, withService := range []bool{false, true} {
		t.Run(fmt.Sprintf("service=%t", withService), func(t *testing.T) {
			t.Parallel()
			fast, _, slow, secret := proxies.Some(t)
			typed := proxies.Start(t, net.Listen, "127.0.0.1:0", proxies.Open, 0)
			d := newDesk(t, proxies.Addresses(fast, slow, secret))
			d.startPanel()
			d.startNotifier("xfce4-notifyd")
			if withService {
				d.serve()
			}
			tray := d.mycoproxy()
			d.untilIcon()
			d.shot("1-started")
			d.untilRow("[ ] " + slow.Addr().String())

			d.pick("Connect to the fastest")
			d.until("connected to the fastest", connectedTo(fast.Port))
			d.untilWindow(d.notifier)
			d.pictureOfMenu("2-connected")
			if d.isDrawn(1) {
				t.Error("there is something beside the icon") // such as its title
			}
			d.wantForwarding()
			d.pick("[ ] " + slow.Addr().String())
			d.until("connected to another", connectedTo(slow.Port))
			d.pictureOfMenu("3-another")
			d.pick("    Connect anyway…")
			d.until("connected to one that needs a password", connectedTo(secret.Port))
			d.pictureOfMenu("4-locked")

			d.pick("Copy proxy address")
			want := fmt.Sprintf("socks5h://127.0.0.1:%d", d.port)
			eventually(t, "the clipboard has "+want, 5*time.Second, func() bool {
				out, _ := d.command("xclip", "-o", "-selection", "clipboard").Output() // it fails while there is nothing
				return string(out) == want
			})
			d.pick("Connect to address…")
			d.untilWindow(dialogClass)
			d.shot("5-address")
			d.do("xdotool", "type", typed.Addr().String())
			d.do("xdotool", "key", "Return")
			d.until("connected to what was typed", connectedTo(typed.Port))

			d.pick("Disconnect")
			d.until("disconnected", disconnected)
			d.pick("Stop probing")
			d.until("probing is off", func(s backend.State) bool { return !s.Probing.On })
			d.pick("[ ] Share on local network")
			d.until("shared", func(s backend.State) bool { return s.Share == backend.ShareLAN })
			d.pick("[x] Notifications")
			d.pictureOfMenu("6-settings")
			d.pick("[ ] Notifications")
			d.untilRow("[x] Notifications")

			d.pick("Quit")
			tray.exits(0)
			eventually(t, "the icon is gone", 5*time.Second, func() bool { return !d.iconShows() })
			d.shot("7-quit")
			if state := d.state(); state.PID != 0 != withService {
				t.Errorf("the service runs as %d", state.PID)
			}
		})
	}
}

// wantForwarding wants an application to get through, to where there is a listener.
func (s *session) wantForwarding() {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	through, err := proxy.SOCKS5("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := through.Dial("tcp", l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	c.Close()
}
