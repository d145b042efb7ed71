package control

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

const lockName = "control.lock"

// lock makes the folder, and the caller the only service that has it until
// release is called or the process ends, however it ends.
func lock(folder string) (release func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(folder, lockName))
	first, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the control socket: %w", err)
	}
	if !first {
		return nil, ErrAlreadyRunning
	}
	return func() { l.Close() }, nil
}
