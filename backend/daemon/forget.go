package daemon

import (
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"

	"mycoproxy/backend/control"
	"mycoproxy/backend/settings"
)

// ErrTrayRunning is returned while a tray of this user runs.
var ErrTrayRunning = errors.New("another tray is running")

// LockTray makes the caller's the only tray of this user until release is
// called. If there is one already, the error is [ErrTrayRunning].
func LockTray() (release func(), err error) {
	if err := os.MkdirAll(settings.ControlFolder(), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(settings.TrayLock())
	first, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("find out whether a tray is running: %w", err)
	}
	if !first {
		return nil, ErrTrayRunning
	}
	return func() { lock.Close() }, nil
}

// Forget removes what the program itself has written down, as
// [settings.Forget] does. It does nothing while something still needs that: the
// error is [ErrTrayRunning] then, or [control.ErrAlreadyRunning].
func Forget() error {
	releaseTray, err := LockTray()
	if err != nil {
		return err
	}
	defer releaseTray()
	socket, release, err := control.Listen(settings.ControlFolder())
	if err != nil {
		return err
	}
	return settings.Forget(func() {
		socket.Close()
		release()
		releaseTray()
	})
}
