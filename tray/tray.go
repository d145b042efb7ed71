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

	// keptAfterOpening is how long the rows keep their places after the menu was
	// opened. No system tells when it is closed without a click.
	keptAfterOpening = 2 * time.Minute
)

// ErrNoDesktop is the error of [Run] where there is no desktop to show a tray on.
var ErrNoDesktop = errors.New("no tray here")

// Config is what a tray is made of.
type Config struct {
	// Backend is seen and controlled. Its Watch goes on when no service is
	// heard, with a state whose phase is Offline.
	Backend backend.Backend
	// Notifier takes states and what comes of clicks.
	Notifier *notify.Notifier

	// Notifications is whether there are any at first.
	Notifications bool
	// KeepNotifications keeps a change of that; nil: it is forgotten.
	KeepNotifications func(on bool) error

	// Login is how to start at login; nil: the menu does not offer it.
	Login Login

	// Desktop are the desktop's own dialogs and clipboard.
	Desktop Desktop

	// Log takes what an administrator wants to know.
	Log *slog.Logger
}

// Login starts service and tray at login.
type Login interface {
	// Status reports whether it is so now, and whether there is a service that
	// could be started.
	Status(ctx context.Context) (atLogin, hasService bool, err error)
	// Install makes it so, and Uninstall not so. The service is started and
	// stopped with it.
	Install(ctx context.Context) error
	Uninstall(ctx context.Context) error
	// Start starts a service that does not run.
	Start(ctx context.Context) error
}

// Desktop is what else the tray needs of the desktop. Its functions wait for the
// user, so they are called apart from everything else.
type Desktop struct {
	// Ask asks for one line of text; ok is false if the user wants none.
	Ask func(ctx context.Context, title, text, initial string) (answer string, ok bool, err error)
	// Choose asks for one of the rows, by its index.
	Choose func(ctx context.Context, title, text string, columns []string, rows [][]string) (row int, ok bool, err error)
	// Copy puts a text on the clipboard.
	Copy func(ctx context.Context, text string) error
}

// screen shows views and hears of the user. Views go to it from one goroutine.
type screen interface {
	show(view)
	clicks() <-chan row      // of rows as the last view has them
	opened() <-chan struct{} // the menu was opened
	isOpen() bool            // the menu is open now, as far as that is known
}

// tray is the loop between the backend and the screen.
type tray struct {
	Config
	screen  screen
	ctx     context.Context
	quit    context.CancelFunc
	posts   chan func() // results of tasks, to be run by the loop
	states  chan backend.State
	tasks   sync.WaitGroup
	keeping sync.Mutex // held while a setting is kept
	wanted  atomic.Bool

	// The fields below belong to the loop.

	model   model
	arr     arrangement
	keep    time.Time // until then the arrangement stays
	showing view
	asking  bool // a dialog is open
	logins  int  // questions asked about the login
}

// run works until ctx is done or the user quits. Its error is that of watching
// the backend.
func run(ctx context.Context, c Config, s screen) error {
	t := &tray{
		Config: c,
		screen: s,
		posts:  make(chan func()),
		states: make(chan backend.State),
		model:  model{notifications: c.Notifications, canSetAtLogin: c.Login != nil},
	}
	t.ctx, t.quit = context.WithCancel(ctx)
	defer t.tasks.Wait()
	defer t.quit()
	watched := make(chan error, 1)
	t.tasks.Go(func() { watched <- t.watch() })
	t.askLogin()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		t.refresh()
		select {
		case s := <-t.states:
			if (s.Phase == backend.Offline) != (t.model.state.Phase == backend.Offline) {
				t.askLogin()
			}
			t.model.state = s
		case r := <-s.clicks():
			t.keep = time.Time{} // a click closes the menu
			t.do(t.showing.rows[r].do)
		case <-s.opened():
			t.arr = arrange(t.model) // the pointer is not in the menu yet
			t.keep = time.Now().Add(keptAfterOpening)
			t.askLogin()
		case f := <-t.posts:
			f()
		case <-ticker.C:
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

// refresh shows the model of now, if that looks different.
func (t *tray) refresh() {
	t.model.now = time.Now()
	if !t.model.now.Before(t.keep) && !t.screen.isOpen() {
		t.arr = arrange(t.model)
	}
	if v := render(t.model, t.arr); v != t.showing {
		t.screen.show(v)
		t.showing = v
	}
}

// watch is the task that follows the backend.
func (t *tray) watch() error {
	return t.Backend.Watch(t.ctx, func(s backend.State) {
		t.Notifier.Update(s)
		select {
		case t.states <- s:
		case <-t.ctx.Done():
		}
	})
}

// task runs f apart from the loop.
func (t *tray) task(f func()) { t.tasks.Go(f) }

// post runs f on the loop.
func (t *tray) post(f func()) {
	select {
	case t.posts <- f:
	case <-t.ctx.Done():
	}
}

// askLogin finds out whether service and tray start at login.
func (t *tray) askLogin() {
	if t.Login == nil {
		return
	}
	t.logins++
	question := t.logins
	t.task(func() {
		atLogin, hasService, err := t.Login.Status(t.ctx)
		if err != nil {
			t.Log.Debug("asking what starts at login failed", "error", err)
		}
		t.post(func() {
			if question == t.logins { // else another was asked later
				t.model.atLogin, t.model.canStart = atLogin, hasService
			}
		})
	})
}
