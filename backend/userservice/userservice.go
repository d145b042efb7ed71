package userservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	appID       = "org.mycoproxy.Mycoproxy"
	description = "Mycoproxy: browse through SOCKS5 proxies on the Mycelium overlay"
)

var (
	// ErrRoot is returned to root, whose login is not the one that the service is for.
	ErrRoot = errors.New("the service is registered for a user, and this is root")

	// ErrNoManager is returned where the system has no service manager for this
	// user, or none that can be reached from here. The cause follows it.
	ErrNoManager = errors.New("no service manager for this user")

	// ErrNotInstalled is returned if there is nothing to start.
	ErrNotInstalled = errors.New("the service is not installed")

	// ErrMasked is returned if the user has forbidden the service to start.
	ErrMasked = errors.New("the service is masked")
)

// Manager registers the service. Its zero value is ready, except on Windows.
type Manager struct {
	// Program is the absolute path of the binary to register; empty: this
	// program, by the path it was called by, which outlives an upgrade.
	Program string

	// Shutdown asks the running service to end. It is used on Windows alone,
	// where no service manager can do so.
	Shutdown func(context.Context) error

	// Running tells the process id of the running service, 0 if there is none.
	// It is used where the system does not tell: on Windows and macOS.
	Running func(context.Context) int
}

// Status is what is registered, and what runs.
type Status struct {
	Installed   bool   `json:"installed"`         // the service is registered
	Enabled     bool   `json:"enabled"`           // and starts at login; the user may have turned that off
	Running     bool   `json:"running"`           // it runs under the system's service manager
	PID         int    `json:"pid,omitempty"`     // 0: not running, or not known
	Program     string `json:"program,omitempty"` // the binary that is registered
	TrayAtLogin bool   `json:"tray_at_login"`
}

// Install registers the service and the tray, in place of an older
// registration, and starts the service. Installing twice is the same as once: a
// service that runs as it is registered is left alone.
//
// With [ErrNoManager] the tray is registered nevertheless.
func (m Manager) Install(ctx context.Context) error {
	if err := notRoot(); err != nil {
		return err
	}
	program, err := m.program()
	if err != nil {
		return err
	}
	return m.install(ctx, program)
}

// Uninstall stops the service and removes both registrations, with every
// folder that is empty then. If there is none it does nothing.
func (m Manager) Uninstall(ctx context.Context) error {
	if err := notRoot(); err != nil {
		return err
	}
	return m.uninstall(ctx)
}

// Start starts the service; one that runs is left alone. It fails with
// [ErrNotInstalled] if it is not registered.
func (m Manager) Start(ctx context.Context) error {
	if err := notRoot(); err != nil {
		return err
	}
	return m.start(ctx)
}

// Stop stops the service until it is started, or the next login. If it does not
// run, Stop does nothing.
func (m Manager) Stop(ctx context.Context) error {
	if err := notRoot(); err != nil {
		return err
	}
	return m.stop(ctx)
}

// Status asks the system. With [ErrNoManager], what does not need the manager
// is told nevertheless.
func (m Manager) Status(ctx context.Context) (Status, error) {
	if err := notRoot(); err != nil {
		return Status{}, err
	}
	return m.status(ctx)
}

func notRoot() error {
	if os.Geteuid() == 0 { // -1 on Windows
		return ErrRoot
	}
	return nil
}

// program is the path to register. A symbolic link is not resolved: one in the
// PATH goes on pointing to the program after an upgrade, when the file that it
// points to now may be gone.
func (m Manager) program() (string, error) {
	path := m.Program
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return "", fmt.Errorf("find this program: %w", err)
		}
		if called, err := exec.LookPath(os.Args[0]); err == nil && sameFile(called, path) {
			if path, err = filepath.Abs(called); err != nil {
				return "", err
			}
		}
	}
	if !filepath.IsAbs(path) || strings.ContainsAny(path, "\r\n") {
		return "", fmt.Errorf("register %q: not an absolute path in one line", path)
	}
	return path, nil
}

func sameFile(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}
