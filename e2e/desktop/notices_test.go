//go:build linux

package desktop

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	notificationsName = "org.freedesktop.Notifications"
	notificationsPath = "/org/freedesktop/Notifications"
)

// notices is a notification service that shows nothing.
type notices struct {
	conn   *dbus.Conn
	mu     sync.Mutex
	all    []notice
	sender dbus.Sender // of the last one
}

type notice struct{ title, body string }

// takeNotices starts a notification service.
func (s *session) takeNotices() *notices {
	s.t.Helper()
	n := &notices{}
	n.conn = s.export(notificationsName, notificationsPath, map[string]any{notificationsName: n})
	return n
}

// GetCapabilities is the D-Bus method.
func (n *notices) GetCapabilities() ([]string, *dbus.Error) { return []string{"body"}, nil }

// Notify is the D-Bus method.
func (n *notices) Notify(sender dbus.Sender, _ string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all, n.sender = append(n.all, notice{title, body}), sender
	return uint32(len(n.all)), nil
}

// with returns those whose title or body contains the text.
func (n *notices) with(text string) (found []notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, each := range n.all {
		if strings.Contains(each.title, text) || strings.Contains(each.body, text) {
			found = append(found, each)
		}
	}
	return found
}

// closeAll tells the sender of the notifications, and nobody else, that they are
// closed. Some services do it so; others tell everybody.
func (n *notices) closeAll(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.all {
		body := []any{uint32(i + 1), uint32(1)}
		call := n.conn.Send(&dbus.Message{
			Type: dbus.TypeSignal,
			Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(notificationsPath)),
				dbus.FieldInterface:   dbus.MakeVariant(notificationsName),
				dbus.FieldMember:      dbus.MakeVariant("NotificationClosed"),
				dbus.FieldDestination: dbus.MakeVariant(string(n.sender)),
				dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
			},
			Body: body,
		}, nil)
		if call != nil && call.Err != nil {
			t.Fatal(call.Err)
		}
	}
}

// overhear listens to what is sent to the notification service of the session.
func (s *session) overhear() *notices {
	s.t.Helper()
	conn, err := dbus.Connect("unix:path=" + s.folder + "/run/bus")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	rule := []string{"type='method_call',interface='" + notificationsName + "',member='Notify'"}
	if err := conn.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rule, uint32(0)).Err; err != nil {
		s.t.Fatal(err)
	}
	n := &notices{}
	heard := make(chan *dbus.Message, 16)
	conn.Eavesdrop(heard)
	go func() {
		for m := range heard {
			if len(m.Body) == 8 {
				title, _ := m.Body[3].(string)
				body, _ := m.Body[4].(string)
				n.Notify("", "", 0, "", title, body, nil, nil, 0)
			}
		}
	}()
	return n
}

// until waits for a notification whose title or body contains the text.
func (n *notices) until(t *testing.T, text string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("told: %q", n.with(""))
		}
	}()
	eventually(t, "it is told: "+text, 15*time.Second, func() bool { return len(n.with(text)) > 0 })
}
