//go:build linux

package desktop

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"mycoproxy/e2e/proxies"
)

// What a user should know of and did not ask for, notifications tell.
func TestNotifications(t *testing.T) {
	t.Parallel()
	fast, _, _, _ := proxies.Some(t)
	slow := proxies.Start(t, net.Listen, fmt.Sprintf("127.0.0.1:%d", proxies.FreePort(t)), proxies.Open, 80*time.Millisecond) // it comes back to its port
	d := newDesk(t, proxies.Addresses(fast, slow))
	d.startPanel()
	d.startNotifier("xfce4-notifyd")
	n := d.overhear()
	d.serve()

	holder, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", d.port))
	if err != nil {
		t.Fatal(err)
	}
	tray := d.mycoproxy()
	d.untilIcon()
	d.untilRow("[ ] " + slow.Addr().String()) // the panel scrolls a menu that grows while it is open
	d.pick("Connect to the fastest")
	n.until(t, fmt.Sprintf("by desktop.test, pid %d", os.Getpid()))
	d.closeNotification("1-port-taken")
	d.pictureOfMenu("1-port-taken-menu")
	holder.Close()

	d.pick("Connect to the fastest")
	n.until(t, "The fastest of 2 proxies")
	d.closeNotification("2-connected")
	fast.Close()
	d.pick("Scan now")
	n.until(t, "Connected to "+slow.Addr().String()+" instead")
	d.closeNotification("3-moved")
	tray.end() // with it ends the minute in which there are no more such notifications

	tray = d.mycoproxy()
	d.untilIcon()
	d.pick("[x] " + slow.Addr().String()) // now it is the user's choice
	slow.Close()
	d.pick("Scan now")
	n.until(t, "It is kept, because you chose it")
	d.closeNotification("4-gone")
	d.pictureOfMenu("4-gone-menu")
	tray.end()

	d.mycoproxy()
	d.untilIcon()
	proxies.Start(t, net.Listen, slow.Addr().String(), proxies.Open, 0)
	d.pick("Scan now")
	n.until(t, "answers again")
	d.closeNotification("5-back")
}
