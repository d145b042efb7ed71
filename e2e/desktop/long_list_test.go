//go:build linux

package desktop

import (
	"image"
	"net"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

// With 60 open proxies and 10 that need a password, the menu fits the screen,
// and what has no row is to be had from "Choose another…".
func TestLongList(t *testing.T) {
	const nOpen, nLocked = 60, 10
	t.Parallel()
	var all []*proxies.Server
	for range nLocked {
		all = append(all, proxies.Start(t, net.Listen, "127.0.0.1:0", proxies.Locked, 0))
	}
	for range nOpen - 1 {
		all = append(all, proxies.Start(t, net.Listen, "127.0.0.1:0", proxies.Open, 0))
	}
	last := proxies.Start(t, net.Listen, "127.0.0.1:0", proxies.Open, 700*time.Millisecond)
	d := newDesk(t, proxies.Addresses(append(all, last)...))
	d.startPanel()
	d.startNotifier("xfce4-notifyd")
	d.mycoproxy()
	d.untilIcon()
	d.until("all are known", func(s backend.State) bool { return len(s.Proxies) == nOpen+nLocked })
	d.untilRow("Choose another… (70 found)")

	at, rows, _ := d.openMenu()
	t.Logf("the menu is %d x %d, and ends at %d", at.Dx(), at.Dy(), at.Max.Y)
	if !at.In(d.screen()) {
		t.Errorf("the menu is at %v, not on the screen", at)
	}
	if bottom := rows[len(rows)-1].label; bottom != "Disconnect and quit" {
		t.Errorf("the last row is %s", bottom)
	}
	d.shot("1-menu")
	d.closeMenu()

	d.pick("Choose another…")
	list := d.untilWindow(dialogClass)
	d.shot("2-choose")
	if !list.In(d.screen()) {
		t.Errorf("the list is at %v, not on the screen", list)
	}
	d.clickAt(image.Pt((list.Min.X+list.Max.X)/2, (list.Min.Y+list.Max.Y)/2))
	d.do("xdotool", append([]string{"key", "End"}, strings.Fields(strings.Repeat("Up ", nLocked))...)...)
	d.shot("3-chosen")
	d.do("xdotool", "key", "Return")
	d.until("connected to the last open proxy", connectedTo(last.Port))
	d.untilRow("[x] " + last.Addr().String())
	at, _, _ = d.openMenu()
	if !at.In(d.screen()) {
		t.Errorf("the menu is at %v, not on the screen", at)
	}
	d.shot("4-connected")
}
