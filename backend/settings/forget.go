package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
)

// Forget removes what the program itself has written down: the last command, the
// logs, the locks, what is left of the control socket, and the folders that are
// empty then. The settings file stays, since the user wrote it. The caller has
// the control socket and the tray's lock, so that nobody needs any of it;
// release gives them back, since Windows removes no file that is in use.
func Forget(release func()) error {
	written := remove(
		filepath.Join(StateFolder(), lastCommandFile),
		strings.TrimSuffix(LogFile(), ".log")+"*.log", // with the tray's, and the older ones
		filepath.Join(ControlFolder(), "control.sock"),
	)
	release()
	locks := remove(filepath.Join(ControlFolder(), "control.lock"), TrayLock(), ConfigFile()+lockSuffix)
	RemoveEmpty(StateFolder())
	RemoveEmpty(ControlFolder())
	return errors.Join(written, locks)
}

// RemoveEmpty removes the folder, and those above it in the user's home, as long
// as they are empty or not there.
func RemoveEmpty(folder string) {
	for strings.HasPrefix(folder, xdg.Home+string(filepath.Separator)) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		folder = filepath.Dir(folder)
	}
}

// remove removes the files that match the patterns.
func remove(patterns ...string) error {
	var all []error
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		all = append(all, err)
		for _, file := range files {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
}
