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
	s := &icon{
		clicked:  make(chan row, 16),
		menuOpen: make(chan struct{}, 1),
	}
	var working sync.WaitGroup
	prepare()
	systray.Run(func() {
		// It must return soon: until then the menu cannot be opened.
		s.makeRows()
		working.Go(func() { host.watch(ctx, c.Notifier, cancel) })
		working.Go(func() {
			err = run(ctx, c, s)
			systray.Quit()
		})
	}, cancel)
	cancel()
	working.Wait()
	return cmp.Or(host.err, err)
}

// icon is the screen made with systray, whose rows can be neither removed nor
// inserted.
type icon struct {
	items    [rowCount]*systray.MenuItem
	last     view
	clicked  chan row
	menuOpen chan struct{}
}

func (i *icon) clicks() <-chan row      { return i.clicked }
func (i *icon) opened() <-chan struct{} { return i.menuOpen }
func (i *icon) isOpen() bool            { return menuIsOpen() }

// makeRows makes all rows, hidden, and listens to each: a click that nobody
// waits for would be lost.
func (i *icon) makeRows() {
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
			default: // it is known already
			}
		}
	}()
}

// show changes what differs from what is shown: each change costs the panel a
// new look at the whole menu.
func (i *icon) show(v view) {
	isFirst := i.last == (view{})
	if isFirst || v.icon != i.last.icon {
		picture := icons.Tray(v.icon)
		systray.SetTemplateIcon(picture, picture)
	}
	if v.tooltip != i.last.tooltip {
		systray.SetTooltip(shorten(v.tooltip))
	}
	for r := range rowCount {
		showRow(i.items[r], i.last.rows[r], v.rows[r])
	}
	i.last = v
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
