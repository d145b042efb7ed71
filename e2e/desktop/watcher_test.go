//go:build linux

package desktop

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	watcherName = "org.kde.StatusNotifierWatcher"
	watcherPath = "/StatusNotifierWatcher"
)

// watcher is where icons register: a panel that shows nothing.
type watcher struct {
	conn  *dbus.Conn
	mu    sync.Mutex
	items []string // all that ever registered, each as bus name and path
	asked int      // how often others looked which items there are
}

// watch starts a watcher.
func (s *session) watch() *watcher {
	s.t.Helper()
	w := &watcher{}
	w.conn = s.export(watcherName, watcherPath, map[string]any{watcherName: w, "org.freedesktop.DBus.Properties": watcherProperties{w, s}})
	return w
}

// export makes a service on the session bus, with a connection of its own.
func (s *session) export(name string, path dbus.ObjectPath, interfaces map[string]any) *dbus.Conn {
	s.t.Helper()
	conn, err := dbus.Connect("unix:path=" + s.folder + "/run/bus")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	for i, object := range interfaces {
		if err := conn.Export(object, path, i); err != nil {
			s.t.Fatal(err)
		}
	}
	if reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		s.t.Fatalf("%s: %v, %v", name, reply, err)
	}
	return conn
}

// RegisterStatusNotifierItem is called by items: with their path, or with their
// bus name. D-Bus passes the sender.
func (w *watcher) RegisterStatusNotifierItem(sender dbus.Sender, service string) *dbus.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(service, "/") {
		service = string(sender) + service
	} else {
		service += "/StatusNotifierItem"
	}
	w.items = append(w.items, service)
	return nil
}

// registered are all items that ever registered.
func (w *watcher) registered() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.items)
}

// wantOne waits until an item registers, and then until the tray has looked for
// its item: it would register a second one if it did not see the first.
func (w *watcher) wantOne(t *testing.T) {
	t.Helper()
	took := eventually(t, "the icon registers", 5*time.Second, func() bool { return len(w.registered()) > 0 })
	t.Logf("the icon registered after %v", took.Round(time.Millisecond))
	eventually(t, "the tray looks after its icon", 5*time.Second, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.asked > 0
	})
}

// stop ends the watcher, as when the panel crashes, and fails the test unless one
// item and no more has registered with it.
func (w *watcher) stop(t *testing.T) {
	t.Helper()
	if _, err := w.conn.ReleaseName(watcherName); err != nil { // at once, while the bus notices a closed connection later
		t.Error(err)
	}
	w.conn.Close()
	if items := w.registered(); len(items) != 1 {
		t.Errorf("registered: %q, want one item", items)
	}
}

type watcherProperties struct {
	w *watcher
	s *session
}

// Get is the D-Bus method.
func (p watcherProperties) Get(sender dbus.Sender, _, name string) (dbus.Variant, *dbus.Error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if string(sender) != p.s.conn.Names()[0] {
		p.w.asked++
	}
	switch name {
	case "RegisteredStatusNotifierItems":
		return dbus.MakeVariant(slices.Clone(p.w.items)), nil
	case "IsStatusNotifierHostRegistered":
		return dbus.MakeVariant(true), nil
	default:
		return dbus.MakeVariant(int32(0)), nil
	}
}
