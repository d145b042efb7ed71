//go:build linux

package desktop

import (
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/armon/go-socks5"
	"golang.org/x/sys/unix"

	"mycoproxy/e2e/proxies"
)

// The pictures of the README: the menu while connected, and a notification, with
// addresses such as the overlay has.
func TestPictures(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		miss(t, "root, for network namespaces")
	}
	need(t, "ip")
	laptop, overlay := newOverlay(t)
	var peers []string
	for i := range 42 { // that do not listen
		peers = append(peers, fmt.Sprintf("5%02x:%x::1", 6*i, 0xffff-i))
	}
	for _, p := range []struct {
		address string
		config  socks5.Config
		delay   time.Duration
	}{
		{"407:8458:dbf5:4ed7::1", proxies.Open, 41 * time.Millisecond},
		{"54f:b680:ba6e:7ced::1", proxies.Open, 57 * time.Millisecond},
		{"433:90ab:12cd:34ef::5", proxies.Open, 63 * time.Millisecond},
		{"46c:dead:42:9e07::2", proxies.Open, 118 * time.Millisecond},
		{"41f:aa01:7c3e:9d20::1", proxies.Locked, 49 * time.Millisecond},
	} {
		runIP(t, "-n %s addr add %s/128 dev lo nodad", overlay, p.address)
		proxies.Start(t, overlay.listen, "["+p.address+"]:1080", p.config, p.delay)
		peers = append(peers, p.address)
	}
	d := newScaledDesk(t, strings.Join(peers, ","), 2)
	d.prefix = []string{"ip", "netns", "exec", string(laptop)}
	d.env = append(d.env, "MYCOPROXY_LISTEN=[::]:1080")
	d.startPanel()
	d.startNotifier("xfce4-notifyd")
	d.serve()
	d.mycoproxy()
	d.untilIcon()
	d.untilRow("[ ] 46c:dead:…:2 · ")
	d.untilRow("[ ] (41f:aa01:…:1 · ")
	d.pick("Connect to the fastest")
	const margin = 24
	d.keep("notification", d.untilWindow(d.notifier).Inset(-margin))
	at, _, _ := d.openMenu()
	d.keep("menu", image.Rect(0, 0, at.Max.X+margin, at.Max.Y+margin))
}

// netns is a network namespace, by name.
type netns string

// newOverlay makes two machines with a cable between them. All addresses of the
// overlay are those of the second.
func newOverlay(t *testing.T) (laptop, overlay netns) {
	t.Helper()
	laptop, overlay = netns(fmt.Sprintf("mpd%d-laptop", os.Getpid())), netns(fmt.Sprintf("mpd%d-overlay", os.Getpid()))
	for _, n := range []netns{laptop, overlay} {
		runIP(t, "netns add %s", n)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", string(n)).Run() })
		runIP(t, "-n %s link set lo up", n)
	}
	runIP(t, "-n %s link add cable type veth peer name cable netns %s", laptop, overlay)
	for i, n := range []netns{laptop, overlay} {
		runIP(t, "-n %s addr add fd00::%d/64 dev cable nodad", n, i+1)
		runIP(t, "-n %s link set cable up", n)
	}
	runIP(t, "-n %s -6 route add local 400::/7 dev lo", overlay)
	runIP(t, "-n %s -6 route add 400::/7 via fd00::2", laptop)
	return laptop, overlay
}

// runIP runs the program ip.
func runIP(t *testing.T, args string, values ...any) {
	t.Helper()
	args = fmt.Sprintf(args, values...)
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// listen is net.Listen in the namespace.
func (n netns) listen(network, address string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		var f *os.File
		if f, err = os.Open("/run/netns/" + string(n)); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen(network, address)
		}
	}()
	<-done
	return l, err
}
