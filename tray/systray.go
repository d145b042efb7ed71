//go:build cgo || !darwin

package tray

import (
	"cmp"
	"context"
	"sync"

	"fyne.io/systray"

	"mycoproxy/assets/icons"
)

// Run shows the tray until ctx is done or the user quits. It must be called
// from the main goroutine, and only once in the life of a process. It fails
// with an error that says what is missing if there can be no tray here.
func Run(ctx context.Context, c Config) error {
	host, err := findHost(ctx, c.Log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	i := &icon{
		clicked:  make(chan row, 16),
		menuOpen: make(chan struct{}, 1),
	}
	runIcon(i.makeRows, func() {
		var watching sync.WaitGroup
		watching.Go(func() { c.Notifier.Run(ctx) })
		watching.Go(func() { host.watch(ctx, c.Notifier, cancel) })
		err = run(ctx, c, i)
		cancel()
		watching.Wait()
	}, cancel)
	return cmp.Or(host.err, err)
}

// icon is the screen made with systray, which can neither remove nor insert rows.
type icon struct {
	items    [rowCount]*systray.MenuItem
	last     view
	clicked  chan row
	menuOpen chan struct{}
}

func (i *icon) clicks() <-chan row      { return i.clicked }
func (i *icon) opened() <-chan struct{} { return i.menuOpen }
func (i *icon) isOpen() bool            { return menuIsOpen() }

// makeRows makes all rows, hidden, and the picture for the time before the first
// view. It waits for clicks on each row: one that nobody waits for would be lost.
func (i *icon) makeRows() {
	i.last.icon = icons.Connecting
	setPicture(i.last.icon)
	for r := range rowCount {
		if separated[r] {
			systray.AddSeparator()
		}
		if r.checkable() {
			i.items[r] = systray.AddMenuItemCheckbox("", "", false)
		} else {
			i.items[r] = systray.AddMenuItem("", "")
		}
		i.items[r].Hide()
		clicks := i.items[r].ClickedCh
		go func() {
			for range clicks {
				i.clicked <- r
			}
		}()
	}
	go func() {
		for range systray.TrayOpenedCh {
			select {
			case i.menuOpen <- struct{}{}:
			default: // one that has not been read says the same
			}
		}
	}()
}

// show changes what differs from what is shown: at each change of a row the panel
// reads the whole menu again.
func (i *icon) show(v view) {
	if v.icon != i.last.icon {
		setPicture(v.icon)
	}
	if v.title != i.last.title {
		setTitle(v.title)
	}
	if v.tooltip != i.last.tooltip {
		systray.SetTooltip(shorten(v.tooltip))
	}
	for r := range rowCount {
		showRow(i.items[r], i.last.rows[r], v.rows[r])
	}
	i.last = v
}

func setPicture(s icons.State) {
	picture := icons.Tray(s)
	systray.SetTemplateIcon(picture, picture)
}

func showRow(m *systray.MenuItem, old, new item) {
	if new.label == "" {
		if old.label != "" {
			m.Hide() // and nothing else: on Windows that would bring the row back
		}
		return
	}
	if new.label != old.label {
		m.SetTitle(escape(new.label))
	}
	if isGray := new.do == (action{}); isGray && !m.Disabled() {
		m.Disable()
	} else if !isGray && m.Disabled() {
		m.Enable()
	}
	if new.checked && !m.Checked() {
		m.Check()
	} else if !new.checked && m.Checked() {
		m.Uncheck()
	}
	if old.label == "" {
		m.Show()
	}
}
