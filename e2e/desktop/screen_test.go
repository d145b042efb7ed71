//go:build linux

package desktop

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// desk is a session with a screen: a window manager, a panel whose only content
// is the tray, and a notification service.
type desk struct {
	*session
	scale    int // pixels of the screen for each that is meant
	panel    *process
	notifier string // class of the windows of the notification service
	shots    string // what the names of screenshots begin with
}

const panelHeight = 40

// screen is all of the screen.
func (d *desk) screen() image.Rectangle { return image.Rect(0, 0, d.scale*1024, d.scale*768) }

// panelConfig is a panel at the top of the screen.
const panelConfig = `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="40"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
`

// newDesk makes a session with a screen, without a panel at first.
func newDesk(t *testing.T, peers string) *desk { return newScaledDesk(t, peers, 1) }

func newScaledDesk(t *testing.T, peers string, scale int) *desk {
	t.Helper()
	need(t, "Xvfb", "xfce4-panel", "xfwm4", "xsetroot", "xdotool", "import", "xclip", "zenity", "dunst")
	xfconfd := needPart(t, "xfconf", "/usr/lib/*/xfce4/xfconf/xfconfd")
	d := &desk{session: newSession(t, peers), scale: scale, shots: strings.NewReplacer("Test", "", "/", "-", "=", "-").Replace(t.Name())}
	channels := filepath.Join(d.folder, "config", "xfce4", "xfconf", "xfce-perchannel-xml")
	if err := os.MkdirAll(channels, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(channels, "xfce4-panel.xml"), []byte(panelConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	x := d.start("Xvfb", "Xvfb", "-displayfd", "1", "-screen", "0", fmt.Sprintf("%dx%dx24", d.screen().Dx(), d.screen().Dy()), "-nolisten", "tcp", "-noreset")
	t.Cleanup(func() { // so that it takes its socket away; if it does not, it is killed next
		x.Process.Signal(syscall.SIGTERM)
		select {
		case <-x.ended:
		case <-time.After(2 * time.Second):
		}
	})
	var display []string
	eventually(t, "the X server has a display", 10*time.Second, func() bool {
		display = regexp.MustCompile(`(?m)^(\d+)$`).FindStringSubmatch(x.printed())
		return display != nil
	})
	d.env = append(d.env, "DISPLAY=:"+display[1], "XDG_CURRENT_DESKTOP=XFCE", "XDG_SESSION_TYPE=x11", "GDK_BACKEND=x11", fmt.Sprintf("GDK_SCALE=%d", scale),
		"GTK_THEME=Adwaita", "GTK_A11Y=none", "NO_AT_BRIDGE=1", "GSETTINGS_BACKEND=memory", "GSK_RENDERER=cairo", "LIBGL_ALWAYS_SOFTWARE=1")
	d.do("xsetroot", "-solid", "#a9cbc6")
	d.start("xfconfd", xfconfd)
	d.untilOwned("org.xfce.Xfconf")
	d.start("xfwm4", "xfwm4", "--compositor=off", "--vblank=off")
	return d
}

// needPart skips the test unless a package's file is there that is in no PATH.
func needPart(t *testing.T, name, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		miss(t, name)
	}
	return found[0]
}

// untilOwned waits until a service is on the session bus.
func (s *session) untilOwned(name string) {
	s.t.Helper()
	eventually(s.t, name+" is there", 15*time.Second, func() bool { return s.isOwned(name) })
}

func (s *session) isOwned(name string) (has bool) {
	s.t.Helper()
	if err := s.conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&has); err != nil {
		s.t.Fatal(err)
	}
	return has
}

// killPanel ends the panel as a crash would, and waits until the bus knows.
func (d *desk) killPanel() {
	d.t.Helper()
	d.panel.kill()
	eventually(d.t, "the panel is gone", 5*time.Second, func() bool { return !d.isOwned(watcherName) })
}

// startPanel starts the panel, and waits until it is drawn: not of the colour of
// the screen below.
func (d *desk) startPanel() {
	d.t.Helper()
	d.panel = d.start("xfce4-panel", "xfce4-panel", "--disable-wm-check")
	d.untilOwned(watcherName)
	eventually(d.t, "the panel is drawn", 10*time.Second, func() bool {
		side := d.scale * panelHeight
		strip := d.picture(image.Rect(3*side, 0, 4*side, 2*side))
		return strip.At(side/2, side/2) != strip.At(side/2, side+side/2)
	})
}

// startNotifier starts a notification service, dunst or xfce4-notifyd.
func (d *desk) startNotifier(name string) {
	d.t.Helper()
	program := name
	if name == "xfce4-notifyd" {
		program = needPart(d.t, name, "/usr/lib/*/xfce4/notifyd/xfce4-notifyd")
	}
	d.start(name, program)
	d.notifier = name
	d.untilOwned(notificationsName)
}

// do runs a program of the session to its end, and returns what it printed.
func (d *desk) do(program string, args ...string) string {
	d.t.Helper()
	c := d.command(program, args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		d.t.Fatalf("%s %q: %v: %s", program, args, err, errs.String())
	}
	return string(out)
}

// picture is a part of the screen as it looks now.
func (d *desk) picture(part image.Rectangle) image.Image {
	d.t.Helper()
	picture, err := png.Decode(strings.NewReader(d.pixels(part)))
	if err != nil {
		d.t.Fatal(err)
	}
	return picture
}

// shot keeps a picture of the whole screen.
func (d *desk) shot(name string) {
	d.t.Helper()
	d.keep(d.shots+"-"+name, d.screen())
}

// keep writes a picture of a part of the screen into the folder screenshots, once
// nothing changes there any more.
func (d *desk) keep(name string, part image.Rectangle) {
	d.t.Helper()
	if err := os.MkdirAll("screenshots", 0o755); err != nil {
		d.t.Fatal(err)
	}
	last, now := "", d.pixels(part)
	for end := time.Now().Add(3 * time.Second); now != last && time.Now().Before(end); {
		last, now = now, d.pixels(part)
	}
	if err := os.WriteFile(filepath.Join("screenshots", name+".png"), []byte(now), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// pixels is a part of the screen as a PNG without the time.
func (d *desk) pixels(part image.Rectangle) string {
	d.t.Helper()
	return d.do("import", "-window", "root", "-crop", crop(part), "+repage", "-define", "png:exclude-chunks=date,time", "png:-")
}

func crop(r image.Rectangle) string {
	return fmt.Sprintf("%dx%d+%d+%d", r.Dx(), r.Dy(), r.Min.X, r.Min.Y)
}

// window is a visible window of the class, at least so high; empty: there is none.
func (d *desk) window(class string, height int) image.Rectangle {
	c := d.command("xdotool", "search", "--onlyvisible", "--class", class)
	ids, _ := c.Output() // it fails where there is none
	for id := range strings.FieldsSeq(string(ids)) {
		geometry, err := d.command("xdotool", "getwindowgeometry", "--shell", id).Output()
		if err != nil {
			continue // it is gone
		}
		value := map[string]int{}
		for line := range strings.Lines(string(geometry)) {
			name, number, _ := strings.Cut(strings.TrimSpace(line), "=")
			value[name], _ = strconv.Atoi(number)
		}
		if value["HEIGHT"] >= height {
			return image.Rect(0, 0, value["WIDTH"], value["HEIGHT"]).Add(image.Pt(value["X"], value["Y"]))
		}
	}
	return image.Rectangle{}
}

// untilWindow waits for a window of the class.
func (d *desk) untilWindow(class string) (at image.Rectangle) {
	d.t.Helper()
	eventually(d.t, "a window of "+class, 10*time.Second, func() bool {
		at = d.window(class, 2)
		return !at.Empty()
	})
	return at
}

// untilNoWindow waits until no window of the class is shown.
func (d *desk) untilNoWindow(class string) {
	d.t.Helper()
	eventually(d.t, "no window of "+class, 15*time.Second, func() bool { return d.window(class, 2).Empty() })
}

// isDrawn reports whether there is something in a square of the panel, of which
// the icon has the first: more than the edge of a frame around the icon looks
// otherwise than in the third square, where there is nothing.
func (d *desk) isDrawn(square int) bool {
	d.t.Helper()
	side := d.scale * panelHeight
	strip := d.picture(image.Rect(0, 0, 3*side, side))
	differ := 0
	for y := range side {
		for x := range side {
			if strip.At(square*side+x, y) != strip.At(2*side+x, y) {
				differ++
			}
		}
	}
	return differ > 50
}

// iconShows reports whether there is an icon in the panel.
func (d *desk) iconShows() bool {
	d.t.Helper()
	return d.isDrawn(0)
}

// untilIcon waits until the panel knows one icon and shows it.
func (d *desk) untilIcon() {
	d.t.Helper()
	eventually(d.t, "the icon shows", 10*time.Second, func() bool { return len(d.items()) == 1 && d.iconShows() })
}
