package tray

import (
	"strings"

	"fyne.io/systray"
)

// escape makes a label of a text: a single underscore would underline the letter
// after it, as the key for the row.
func escape(s string) string { return strings.ReplaceAll(s, "_", "__") }

// shorten makes a tooltip of a text; here it can have any length.
func shorten(s string) string { return s }

// runIcon shows an icon until work is done. It calls makeRows first, and ended
// when the icon is gone.
//
// The title set before systray starts becomes the item's Id, by which panels
// remember where the user wants the icon; without one the Id would be another at
// each start. Work, which sets other titles, begins when that Id is on the bus.
func runIcon(makeRows, work, ended func()) {
	systray.SetTitle("Mycoproxy")
	made := make(chan struct{})
	start, end := systray.RunWithExternalLoop(func() {
		makeRows()
		close(made)
	}, ended)
	start()
	<-made
	work()
	end()
}

// setTitle sets what screen readers say of the icon. Panels do not show it.
func setTitle(s string) { systray.SetTitle(s) }

// menuIsOpen is always false: panels tell only when the menu opens.
func menuIsOpen() bool { return false }
