// Package icons holds the pictures of the program. The SVG files beside it are
// their sources: "make icons" draws them anew.
package icons

import _ "embed"

// App is the icon of the program, a PNG of 64 pixels: some notification services show a
// picture as large as it is. It must not be changed.
//
//go:embed app/64.png
var App []byte

// State is what the tray icon shows.
type State int

// The states differ in shape and in colour.
const (
	Disconnected State = iota
	Connecting
	Connected
	Trouble
)

// Tray returns the tray icon for s in the format that systray takes on this
// system: ICO on Windows, PNG elsewhere. On macOS it is a template image, black
// and transparent, so hand it to systray.SetTemplateIcon, as both arguments; on
// the other systems that sets it like any other. It must not be changed. An
// unknown state is shown as Trouble.
func Tray(s State) []byte {
	switch s {
	case Disconnected:
		return disconnected
	case Connecting:
		return connecting
	case Connected:
		return connected
	default:
		return trouble
	}
}
