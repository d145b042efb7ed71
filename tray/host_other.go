//go:build windows || (darwin && cgo)

package tray

import (
	"context"
	"log/slog"
	"sync"

	"fyne.io/systray"

	"mycoproxy/notify"
)

// host is what shows icons; these systems always have it.
type host struct{ err error }

func findHost(context.Context, *slog.Logger) (*host, error) { return &host{}, nil }

func (*host) watch(context.Context, *notify.Notifier, func()) {}

// runIcon shows an icon until work is done or the system ends the program. It
// calls makeRows first, and ended when the icon is gone.
func runIcon(makeRows, work, ended func()) {
	var working sync.WaitGroup
	systray.Run(func() {
		makeRows() // must return soon: until then the menu cannot be opened
		working.Go(func() {
			work()
			systray.Quit()
		})
	}, ended)
	working.Wait()
}

// setTitle does nothing: on macOS a title is text beside the icon, and Windows has
// none. There a screen reader says the tooltip.
func setTitle(string) {}
