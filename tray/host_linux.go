package tray

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"mycoproxy/notify"
)

// The names of the StatusNotifierItem specification, as KDE's part of
// freedesktop.org has it. The watcher is where icons register; panels that show
// icons bring one.
const (
	watcherName     = "org.kde.StatusNotifierWatcher"
	watcherPath     = "/StatusNotifierWatcher"
	registerMethod  = "org.kde.StatusNotifierWatcher.RegisterStatusNotifierItem"
	registeredItems = "RegisteredStatusNotifierItems"
)

const (
	panelWait    = 5 * time.Second // for a panel that starts together with the tray
	registerWait = time.Second     // for systray to register the icon
	busLimit     = 3 * time.Second // for an answer over the bus
)

// host is what shows icons on this desktop. It has a connection of its own to
// the session bus: the one that systray shares must hear of nothing that
// systray does not expect.
type host struct {
	conn *dbus.Conn
	log  *slog.Logger
	err  error // why the tray had to end
}

// findHost fails unless there is a desktop session on which an icon can show
// now or later.
func findHost(ctx context.Context, log *slog.Logger) (*host, error) {
	ctx, cancel := context.WithTimeout(ctx, busLimit)
	defer cancel()
	if err := findBus(); err != nil {
		return nil, err
	}
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return nil, fmt.Errorf("%w: the session bus cannot be reached: %w", ErrNoDesktop, err)
	}
	h := &host{conn: conn, log: log}
	if !h.hasWatcher(ctx) && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		conn.Close()
		return nil, fmt.Errorf("%w: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)", ErrNoDesktop)
	}
	return h, nil
}

// findBus makes sure that the address of the session bus is known. Without one
// the library would start a bus of its own, on which nobody is.
func findBus() error {
	const variable = "DBUS_SESSION_BUS_ADDRESS"
	if a := os.Getenv(variable); a != "" && a != "autolaunch:" {
		return nil
	}
	folder := os.Getenv("XDG_RUNTIME_DIR")
	if folder == "" {
		folder = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	socket := filepath.Join(folder, "bus")
	if _, err := os.Stat(socket); err != nil {
		return fmt.Errorf("%w: there is no session bus (%s is not set, and %s is not there)", ErrNoDesktop, variable, socket)
	}
	return os.Setenv(variable, "unix:path="+socket)
}

func (h *host) hasWatcher(ctx context.Context) bool {
	var has bool
	err := h.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, watcherName).Store(&has)
	return err == nil && has
}

// watch registers the icon with each watcher that comes, and tells the user once if
// there is none. If the session bus ends, it calls lost.
func (h *host) watch(ctx context.Context, n *notify.Notifier, lost func()) {
	defer h.conn.Close()
	owners := make(chan *dbus.Signal, 8)
	h.conn.Signal(owners)
	if err := h.conn.AddMatchSignal(
		dbus.WithMatchInterface("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"),
		dbus.WithMatchArg(0, watcherName),
	); err != nil {
		h.log.Warn("the panel cannot be watched, so the icon may not come back after it restarts", "error", err)
	}
	hint, check := time.After(panelWait), time.After(registerWait)
	for {
		select {
		case s, ok := <-owners:
			if !ok {
				owners = nil // the connection is closed, and its context done
			} else if len(s.Body) == 3 && s.Body[2] != "" {
				check = time.After(registerWait)
			}
		case <-check:
			h.register(ctx)
		case <-hint:
			if !h.hasWatcher(ctx) {
				h.log.Warn("nothing on this desktop shows tray icons; the icon will appear as soon as something does")
				n.Tell(noPanel)
			}
		case <-h.conn.Context().Done():
			h.err = errors.New("the session bus ended, and the desktop session with it")
			lost()
			return
		case <-ctx.Done():
			return
		}
	}
}

var noPanel = notify.Notification{
	Kind:  notify.Notice,
	Title: "No place for Mycoproxy's icon",
	Body: "It runs, but nothing on this desktop shows tray icons. On GNOME, the extension AppIndicator does. " +
		"The icon appears as soon as there is one. Until then, use the command mycoproxy in a terminal.",
}

// register registers the icon with the watcher, if there is a watcher and it does
// not know the icon. Systray does so too, but misses a watcher that comes between
// its first attempt and its subscription to the signal, and after a signal that it
// does not expect it does so no more.
func (h *host) register(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, busLimit)
	defer cancel()
	name := fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", os.Getpid())
	var owner string
	if h.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner) != nil || !h.hasWatcher(ctx) {
		return
	}
	watcher := h.conn.Object(watcherName, watcherPath)
	isOurs := func(item string) bool { return strings.HasPrefix(item, owner) || strings.HasPrefix(item, name) }
	var items []string
	err := watcher.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, watcherName, registeredItems).Store(&items)
	if err == nil && slices.ContainsFunc(items, isOurs) {
		return
	}
	if err := watcher.CallWithContext(ctx, registerMethod, 0, name).Err; err != nil {
		h.log.Warn("the panel does not take the icon", "error", err)
	}
}
