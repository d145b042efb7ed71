package tray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
	"mycoproxy/notify"
)

const (
	// tick is how often the age of the last scan is looked at.
	tick = 15 * time.Second

	// openTick is how often an open menu is looked at: when it is closed, the rows
	// may move.
	openTick = 50 * time.Millisecond

	// keptAfterOpening is how long the rows keep their places after the menu was
	// opened. No system tells that it was closed without a click.
	keptAfterOpening = 2 * time.Minute
)

// ErrNoDesktop is the error of [Run] where there is no desktop to show a tray on.
var ErrNoDesktop = errors.New("no tray here")

// Config is what a tray is made of.
type Config struct {
	// Backend is what the tray shows and controls. While no service answers, its
	// Watch does not end but has a state whose phase is Offline.
	Backend backend.Backend
	// Notifier is told of states, and of clicks that fail. The tray runs it.
	Notifier *notify.Notifier

	// Notifications says whether they are on at first.
	Notifications bool
	// KeepNotifications saves a change of that; nil: it is forgotten.
	KeepNotifications func(on bool) error

	// Login changes what starts at login; nil: the menu does not offer it.
	Login Login

	// Desktop has the desktop's own dialogs and clipboard.
	Desktop Desktop

	// Log takes what an administrator wants to know.
	Log *slog.Logger
}

// Login decides whether service and tray start at login.
type Login interface {
	// Status reports whether they do, and whether there is a service that could be
	// started.
	Status(ctx context.Context) (atLogin, hasService bool, err error)
	// Install makes them start at login, and starts the service now. Uninstall
	// undoes both.
	Install(ctx context.Context) error
	Uninstall(ctx context.Context) error
	// Start starts a service that does not run.
	Start(ctx context.Context) error
}

// Desktop is what else the tray needs of the desktop. Its functions may take as
// long as the user does.
type Desktop struct {
	// Ask asks for one line of text; ok is false if the user wants none.
	Ask func(ctx context.Context, title, text, initial string) (answer string, ok bool, err error)
	// Choose asks for one of the rows, by its index.
	Choose func(ctx context.Context, title, text string, columns []string, rows [][]string) (row int, ok bool, err error)
	// Copy puts a text on the clipboard.
	Copy func(ctx context.Context, text string) error
}

// screen shows views to the user, and tells what the user does. One goroutine
// uses it.
type screen interface {
	show(view)
	clicks() <-chan row      // clicks on rows of the last view
	opened() <-chan struct{} // the menu was opened
	isOpen() bool            // the menu is known to be open now
}

// tray is the loop between the backend and the screen.
type tray struct {
	backend  backend.Backend
	notifier *notify.Notifier
	login    Login // nil: the menu does not offer it
	desktop  Desktop
	log      *slog.Logger
	screen   screen

	ctx    context.Context
	quit   context.CancelFunc
	tasks  sync.WaitGroup // what takes time and must not hold up the loop
	posts  chan func()    // results of tasks, to be run by the loop
	states chan backend.State

	keepNotifications func(on bool) error // nil: a change is forgotten
	keeping           sync.Mutex          // held while keepNotifications runs
	notificationsOn   atomic.Bool         // as the last click wants them

	// The fields below belong to the loop.

	model       model
	arrangement arrangement
	fixed       time.Time // until when the arrangement stays as it is
	showing     view
	asking      bool // a dialog is open
	logins      int  // how often Login.Status was called
}

// run works until ctx is done or the user quits. It fails when the backend cannot
// be watched any more.
func run(ctx context.Context, c Config, s screen) error {
	t := &tray{
		backend: c.Backend, notifier: c.Notifier, login: c.Login, desktop: c.Desktop, log: c.Log, screen: s,
		posts: make(chan func()), states: make(chan backend.State), keepNotifications: c.KeepNotifications,
		model: model{notifications: c.Notifications, canSetAtLogin: c.Login != nil},
	}
	t.ctx, t.quit = context.WithCancel(ctx)
	defer t.tasks.Wait()
	defer t.quit()
	watched := make(chan error, 1)
	t.tasks.Go(func() { watched <- t.watch() })
	t.askLogin()
	for {
		again := t.refresh()
		select {
		case s := <-t.states:
			if (s.Phase == backend.Offline) != (t.model.state.Phase == backend.Offline) {
				t.askLogin()
			}
			t.model.state = s
		case r := <-s.clicks():
			t.fixed = time.Time{} // a click closes the menu
			t.do(t.showing.rows[r].do)
		case <-s.opened():
			t.arrangement = arrange(t.model) // the pointer is not in the menu yet
			t.fixed = time.Now().Add(keptAfterOpening)
			t.askLogin()
		case f := <-t.posts:
			f()
		case <-time.After(again):
		case err := <-watched:
			if t.ctx.Err() == nil {
				return fmt.Errorf("follow the service: %w", err)
			}
			return nil
		case <-t.ctx.Done():
			return nil
		}
	}
}

// refresh shows the model as it is now, if that looks different. It returns when
// to do so again at the latest.
func (t *tray) refresh() (again time.Duration) {
	t.model.now, again = time.Now(), tick
	switch {
	case t.screen.isOpen():
		again = openTick
	case !t.model.now.Before(t.fixed):
		t.arrangement = arrange(t.model)
	}
	if v := render(t.model, t.arrangement); v != t.showing {
		t.screen.show(v)
		t.showing = v
	}
	return again
}

// watch follows the backend until its Watch ends, and with it the tray: to watch
// again is the backend's business.
func (t *tray) watch() error {
	return t.backend.Watch(t.ctx, func(s backend.State) {
		t.notifier.Update(s)
		select {
		case t.states <- s:
		case <-t.ctx.Done():
		}
	})
}

// post runs f on the loop.
func (t *tray) post(f func()) {
	select {
	case t.posts <- f:
	case <-t.ctx.Done():
	}
}

// askLogin finds out whether service and tray start at login.
func (t *tray) askLogin() {
	if t.login == nil {
		return
	}
	t.logins++
	question := t.logins
	t.tasks.Go(func() {
		atLogin, hasService, err := t.login.Status(t.ctx)
		if err != nil {
			t.log.Debug("asking what starts at login failed", "error", err)
		}
		t.post(func() {
			if question == t.logins { // else there is a later answer, or will be
				t.model.atLogin, t.model.canStart = atLogin, hasService
			}
		})
	})
}
