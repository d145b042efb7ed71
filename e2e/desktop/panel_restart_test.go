//go:build linux

package desktop

import (
	"image"
	"testing"

	"mycoproxy/e2e/proxies"
)

// The icon comes back after the panel has crashed, although notifications were
// shown and closed before, of whichever service.
func TestPanelRestart(t *testing.T) {
	for _, notifier := range []string{"dunst", "xfce4-notifyd"} {
		t.Run(notifier, func(t *testing.T) {
			t.Parallel()
			fast, _, _, _ := proxies.Some(t)
			d := newDesk(t, proxies.Addresses(fast))
			d.startPanel()
			d.startNotifier(notifier)
			d.mycoproxy()
			d.untilIcon()
			d.pick("Connect to the fastest")
			d.closeNotification("1-notification")

			for _, row := range []string{"[ ] " + fast.Addr().String(), "Connect to the fastest"} {
				d.killPanel()
				d.startPanel()
				d.untilIcon()
				d.pick("Disconnect")
				d.until("disconnected", disconnected)
				d.pick(row)
				d.until("connected", connectedTo(fast.Port))
				d.closeNotification("2-again")
			}
			d.pictureOfMenu("3-menu")
		})
	}
}

// closeNotification waits for a notification, keeps a picture and clicks it away.
func (d *desk) closeNotification(name string) {
	d.t.Helper()
	at := d.untilWindow(d.notifier)
	d.shot(name)
	d.clickAt(image.Pt((at.Min.X+at.Max.X)/2, (at.Min.Y+at.Max.Y)/2))
	d.untilNoWindow(d.notifier)
}

// Where there is no panel at the start, a notification says so, and the icon
// appears with the panel.
func TestNoPanel(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "")
	d.startNotifier("xfce4-notifyd")
	n := d.overhear()
	d.mycoproxy()
	n.until(t, "nothing on this desktop shows tray icons")
	d.closeNotification("1-told")
	d.startPanel()
	d.untilIcon()
	d.pictureOfMenu("2-menu")
	if told := n.with(""); len(told) != 1 {
		t.Errorf("told: %q", told)
	}
}
