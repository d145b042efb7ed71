//go:build unix && !darwin

package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/godbus/dbus/v5"
)

// SessionBus returns the function that reports whether somebody on the session
// bus offers a service. With startable it is enough that the bus can start one.
func SessionBus() func(ctx context.Context, service string, startable bool) (bool, error) {
	return offered
}

func offered(ctx context.Context, service string, startable bool) (bool, error) {
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("connect to it: %w", err)
	}
	defer conn.Close()
	if err := conn.Auth(nil); err != nil {
		return false, fmt.Errorf("log in to it: %w", err)
	}
	if err := conn.Hello(); err != nil {
		return false, fmt.Errorf("greet it: %w", err)
	}
	var owned bool
	if err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, service).Store(&owned); err != nil || owned || !startable {
		return owned, err
	}
	var names []string
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.ListActivatableNames", 0).Store(&names)
	return slices.Contains(names, service), err
}
