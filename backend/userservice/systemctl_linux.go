package userservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const unitName = "mycoproxy.service"

// The values of LoadState that are no failure.
const (
	unitLoaded = "loaded"
	unitMasked = "masked"
	unitAbsent = "not-found"
)

// loadedUnit is what the user manager knows of the unit. The library's own
// status takes a service that waits to be restarted for a running one.
type loadedUnit struct {
	load      string // systemd's LoadState
	enabled   bool   // starts at login
	active    bool   // runs, or is about to start or stop
	condition bool   // the program was there at the last start, as the unit demands
	pid       int    // 0: it does not run
	program   string
}

// showUnit asks the user manager. It fails with [ErrNoManager] if it cannot be asked.
func showUnit(ctx context.Context) (u loadedUnit, err error) {
	out, err := systemctl(ctx, "show", "--property=LoadState,UnitFileState,ActiveState,ConditionResult,MainPID,ExecStart", unitName)
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "LoadState":
			u.load = value
		case "UnitFileState":
			u.enabled = value == "enabled"
		case "ActiveState":
			u.active = value != "inactive" && value != "failed"
		case "ConditionResult":
			u.condition = value == "yes"
		case "MainPID":
			u.pid, _ = strconv.Atoi(value)
		case "ExecStart": // { path=… ; argv[]=… ; … }
			_, value, _ = strings.Cut(value, "path=")
			u.program, _, _ = strings.Cut(value, " ; argv[]=")
		}
	}
	return u, nil
}

// systemctl asks the user manager for something, and returns what it printed.
func systemctl(ctx context.Context, args ...string) (string, error) {
	findRuntimeFolder()
	out, err := exec.CommandContext(ctx, "systemctl", append([]string{"--user"}, args...)...).Output()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return string(out), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: systemctl is not there", ErrNoManager)
	case errors.As(err, &failed) && len(failed.Stderr) > 0:
		cause, _, _ := strings.Cut(string(failed.Stderr), "\n")
		return "", fmt.Errorf("%w: %s", ErrNoManager, cause)
	default:
		return "", fmt.Errorf("%w: systemctl: %w", ErrNoManager, err)
	}
}

// findRuntimeFolder sets the variable by which systemctl, which the library
// calls too, finds the user manager. su and cron leave it unset.
func findRuntimeFolder() {
	const name = "XDG_RUNTIME_DIR"
	folder := fmt.Sprintf("/run/user/%d", os.Getuid())
	if _, err := os.Stat(folder); err == nil && os.Getenv(name) == "" {
		os.Setenv(name, folder)
	}
}
