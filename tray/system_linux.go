package tray

import (
	"strings"

	"fyne.io/systray"
)

// escape makes a label of a text: an underscore marks the key of a menu item.
func escape(s string) string { return strings.ReplaceAll(s, "_", "__") }

// shorten makes a tooltip of a text.
func shorten(s string) string { return s }

// prepare is called before systray runs. The title set then is the item's Id,
// by which panels remember where the user wants it; without it the Id would be
// another at each start.
func prepare() { systray.SetTitle("Mycoproxy") }

// menuIsOpen is unknown here: of the menu only the opening is told.
func menuIsOpen() bool { return false }
