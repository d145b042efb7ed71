package main

import (
	"context"
	"errors"

	"mycoproxy/backend/userservice"
)

// login is the [tray.Login] of the registered service. Its Uninstall is that of
// the manager, which leaves what the service remembers: the tray still needs it.
type login struct{ *userService }

// Status implements [tray.Login].
func (l login) Status(ctx context.Context) (atLogin, hasService bool, err error) {
	s, err := l.Manager.Status(ctx)
	if errors.Is(err, userservice.ErrNoManager) {
		return s.TrayAtLogin, false, nil // the tray does the work itself
	}
	return s.Installed && s.Enabled && s.TrayAtLogin, s.Installed, err
}

// starts reports whether the system starts a service by itself.
func (l login) starts(ctx context.Context) (bool, error) {
	s, err := l.Manager.Status(ctx)
	return err == nil && s.Installed && s.Enabled, err
}

// Install implements [tray.Login].
func (l login) Install(ctx context.Context) error {
	err := l.Manager.Install(ctx)
	if errors.Is(err, userservice.ErrNoManager) {
		return nil // the tray starts at login, and does the work itself
	}
	if err == nil {
		_, err = l.await(ctx)
	}
	return err
}

// Start implements [tray.Login].
func (l login) Start(ctx context.Context) error {
	_, err := l.startAndAwait(ctx)
	return err
}
