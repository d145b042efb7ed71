//go:build linux

package wine

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const desktop = "/desktop=test,1024x768"

// What Wine draws in a menu, in pixels.
const (
	menuEdge = 3  // above the first row, and below the last
	menuRow  = 17 // a row, with the font that make setup-ci installs
	menuLine = 9  // a line between rows
)

// theIcon is where the taskbar shows the last icon.
var theIcon = image.Rect(1006, 750, 1022, 766)

func (w *windows) startScreen() error {
	log := filepath.Join(w.folder, "display")
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	defer file.Close()
	w.xvfb = exec.Command("Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	w.xvfb.Stdout = file
	if err := w.xvfb.Start(); err != nil {
		return err
	}
	var number string
	isUp := poll(context.Background(), 10*time.Second, func() bool {
		text, _ := os.ReadFile(log)
		number = strings.TrimSpace(string(text))
		return strings.HasSuffix(string(text), "\n")
	})
	if !isUp {
		return fmt.Errorf("the X server has no display")
	}
	w.env = append(w.env, "DISPLAY=:"+number)
	return nil
}

// startDesktop starts a desktop with a taskbar, which stays until tearDown.
func (w *windows) startDesktop() error {
	if err := w.start(nil, "cmd", "/c", "ping -n 3600 127.0.0.1"); err != nil {
		return err
	}
	isUp := poll(context.Background(), 30*time.Second, func() bool {
		tree, _, err := w.run(context.Background(), nil, "xwininfo", "-root", "-tree")
		return err == nil && strings.Contains(tree, "Wine desktop")
	})
	if !isUp {
		return fmt.Errorf("there is no desktop")
	}
	return nil
}

// shot keeps a picture of the screen.
func (w *windows) shot(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll("screenshots", 0o755); err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs("screenshots")
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := w.run(t.Context(), nil, "import", "-window", "root", filepath.Join(folder, name+".png")); err != nil {
		t.Fatalf("take a picture: %v: %s", err, stderr)
	}
}

// icon is how the last icon of the taskbar looks; nil: there is none.
func (w *windows) icon(t *testing.T) []uint32 {
	t.Helper()
	pixels := w.pixels(t, theIcon)
	if slices.Max(pixels) == slices.Min(pixels) {
		return nil
	}
	return pixels
}

// pixels are the colours of a part of the screen, each as 0xRRGGBB.
func (w *windows) pixels(t *testing.T, part image.Rectangle) (colours []uint32) {
	t.Helper()
	crop := fmt.Sprintf("%dx%d+%d+%d", part.Dx(), part.Dy(), part.Min.X, part.Min.Y)
	picture, err := png.Decode(strings.NewReader(w.raw(t, "import", "-window", "root", "-crop", crop, "+repage", "png:-")))
	if err != nil {
		t.Fatal(err)
	}
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours = append(colours, r>>8<<16|g>>8<<8|b>>8)
		}
	}
	return colours
}

// raw is what a program of the host prints, as it is.
func (w *windows) raw(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = w.env
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

var geometry = regexp.MustCompile(`(?s)Absolute upper-left X:\s+(\d+).*upper-left Y:\s+(\d+).*Width: (\d+).*Height: (\d+)`)

// menu is where the open menu is; empty: none is open.
func (w *windows) menu(t *testing.T) image.Rectangle {
	t.Helper()
	ids, _, _ := w.run(t.Context(), nil, "xdotool", "search", "--onlyvisible", "--class", "mycoproxy.exe")
	for id := range strings.FieldsSeq(ids) {
		info, _, err := w.run(t.Context(), nil, "xwininfo", "-id", id)
		m := geometry.FindStringSubmatch(info)
		if err != nil || m == nil {
			continue // it is gone
		}
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1])
		}
		if at := image.Rect(0, 0, n[2], n[3]).Add(image.Pt(n[0], n[1])); at.Max.X > 1000 && at.Max.Y > 700 && n[3] > 100 {
			return at // neither a balloon nor a tooltip
		}
	}
	return image.Rectangle{}
}

// closeMenu clicks beside the menu.
func (w *windows) closeMenu(t *testing.T) {
	t.Helper()
	w.clickAt(t, image.Pt(300, 600), 1)
	eventually(t, "the menu is closed", 5*time.Second, func() bool { return w.menu(t).Empty() })
}

// openMenu clicks the icon with a button, until the menu that opens is as high as
// with these rows. It returns where the menu is.
func (w *windows) openMenu(t *testing.T, button int, rows []string) (at image.Rectangle) {
	t.Helper()
	want := menuEdge + heightOf(rows) + menuEdge
	eventually(t, fmt.Sprintf("a menu %d pixels high", want), 20*time.Second, func() bool {
		w.clickAt(t, theIcon.Min.Add(theIcon.Size().Div(2)), button)
		if !poll(t.Context(), 2*time.Second, func() bool { at = w.menu(t); return !at.Empty() }) {
			return false
		}
		if at.Dy() == want {
			return true
		}
		t.Logf("the menu is %d pixels high", at.Dy())
		w.closeMenu(t)
		return false
	})
	return at
}

// heightOf is how high the rows are together.
func heightOf(rows []string) (height int) {
	for _, r := range rows {
		if r == "" {
			height += menuLine
		} else {
			height += menuRow
		}
	}
	return height
}

// click opens the menu and clicks one of its rows, which are from top to bottom
// as given, those that are lines empty.
func (w *windows) click(t *testing.T, rows []string, row string) {
	t.Helper()
	at := w.openMenu(t, 1, rows)
	above := heightOf(rows[:slices.Index(rows, row)])
	w.clickAt(t, image.Pt(at.Min.X+at.Dx()/2, at.Min.Y+menuEdge+above+menuRow/2), 1)
	eventually(t, "the menu is closed by a click on "+row, 5*time.Second, func() bool { return w.menu(t).Empty() })
}

func (w *windows) clickAt(t *testing.T, p image.Point, button int) {
	t.Helper()
	x, y := strconv.Itoa(p.X), strconv.Itoa(p.Y)
	w.ok(t, "xdotool", "mousemove", strconv.Itoa(p.X-2), y, "mousemove", x, y, "click", strconv.Itoa(button))
}
