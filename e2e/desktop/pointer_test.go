//go:build linux

package desktop

import (
	"image"
	"strconv"
	"strings"
	"time"
)

const (
	menuClass   = "wrapper-2.0" // of the process that shows the panel's icons
	dialogClass = "zenity"
)

// What the theme draws in an open menu, in pixels.
const (
	menuEdge   = 4   // above the first row, and below the last
	menuLine   = 1   // between rows
	menuHeight = 100 // at least; tooltips are not so high
)

// clickAt moves the pointer and presses its first button.
func (d *desk) clickAt(p image.Point) {
	d.t.Helper()
	x, y := strconv.Itoa(p.X), strconv.Itoa(p.Y)
	d.do("xdotool", "mousemove", strconv.Itoa(p.X+2), y, "mousemove", x, y, "click", "1")
}

// openMenu clicks the icon. It returns where the menu is and how high its rows
// are, once they are those that the tray has.
func (d *desk) openMenu() (at image.Rectangle, rows []row, height int) {
	d.t.Helper()
	icon := image.Pt(d.scale*panelHeight/2, d.scale*panelHeight/2)
	d.clickAt(icon)
	clicked := time.Now()
	defer func() {
		if d.t.Failed() {
			d.shot("failed")
			d.t.Logf("the menu is at %v; its rows are %q", at, rows)
		}
	}()
	eventually(d.t, "the menu is open", 20*time.Second, func() bool {
		if time.Since(clicked) > 3*time.Second {
			if !at.Empty() {
				d.closeMenu() // it grew while it opened: GTK keeps it as high as it was, with arrows to scroll
			} // else the panel has not heard the click: it was busy with a new icon
			d.clickAt(icon)
			clicked = time.Now()
		}
		was := at
		at = d.window(menuClass, menuHeight*d.scale)
		if at.Empty() || at != was {
			return false
		}
		rows, _ = d.menu()
		inside := at.Dy() - 2*menuEdge*d.scale
		count := 0
		for _, r := range rows {
			if r.label == "" {
				inside -= menuLine * d.scale
			} else {
				count++
			}
		}
		height = inside / max(count, 1)
		return height >= 20*d.scale && height <= 30*d.scale && inside%count == 0
	})
	return at, rows, height
}

// closeMenu closes the menu without a click in it.
func (d *desk) closeMenu() {
	d.t.Helper()
	d.do("xdotool", "key", "Escape")
	d.untilNoMenu()
}

func (d *desk) untilNoMenu() {
	d.t.Helper()
	eventually(d.t, "the menu is closed", 5*time.Second, func() bool { return d.window(menuClass, menuHeight*d.scale).Empty() })
}

// pick opens the menu and clicks a row of it with the pointer.
func (d *desk) pick(begin string) {
	d.t.Helper()
	d.untilRow(begin)
	at, rows, height := d.openMenu()
	y := at.Min.Y + menuEdge*d.scale + height/2
	for _, r := range rows {
		if strings.HasPrefix(r.String(), begin) {
			d.clickAt(image.Pt(at.Min.X+at.Dx()/2, y))
			d.untilNoMenu()
			return
		}
		if r.label == "" {
			y += menuLine * d.scale
		} else {
			y += height
		}
	}
	d.t.Fatalf("the menu has no %s: %q", begin, rows)
}

// pictureOfMenu opens the menu, keeps a picture of the screen, and closes it.
func (d *desk) pictureOfMenu(name string) {
	d.t.Helper()
	d.openMenu()
	d.shot(name)
	d.closeMenu()
}
