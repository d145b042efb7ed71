//go:build linux

package desktop

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	itemInterface = "org.kde.StatusNotifierItem"
	menuInterface = "com.canonical.dbusmenu"
)

// row is a row of the menu that is shown.
type row struct {
	id          int32
	label       string // empty: a line between rows
	enabled     bool
	isCheckable bool
	isChecked   bool
}

// String is the row as the tests write it: with [x] for a tick, and in parentheses
// if it is gray.
func (r row) String() string {
	text := r.label
	if !r.enabled {
		text = "(" + text + ")"
	}
	switch {
	case r.label == "":
		return "----"
	case r.isChecked:
		return "[x] " + text
	case r.isCheckable:
		return "[ ] " + text
	default:
		return text
	}
}

// items are the icons that the panel knows, each as bus name and path.
func (s *session) items() (items []string) {
	v, err := s.conn.Object(watcherName, watcherPath).GetProperty(watcherName + ".RegisteredStatusNotifierItems")
	if err == nil {
		v.Store(&items)
	}
	return items
}

// item is the icon, which must be the only one.
func (s *session) item() (dbus.BusObject, error) {
	items := s.items()
	if len(items) != 1 {
		return nil, fmt.Errorf("the panel has %d icons: %q", len(items), items)
	}
	name, path, _ := strings.Cut(items[0], "/")
	return s.conn.Object(name, dbus.ObjectPath("/"+path)), nil
}

// itemProperty is a property of the icon.
func (s *session) itemProperty(name string) any {
	s.t.Helper()
	item, err := s.item()
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := item.GetProperty(itemInterface + "." + name)
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return v.Value()
}

// menuObject is the menu of the icon.
func (s *session) menuObject() (dbus.BusObject, error) {
	item, err := s.item()
	if err != nil {
		return nil, err
	}
	v, err := item.GetProperty(itemInterface + ".Menu")
	if err != nil {
		return nil, err
	}
	path, _ := v.Value().(dbus.ObjectPath)
	return s.conn.Object(item.Destination(), path), nil
}

// layout is how dbusmenu sends a row and what is below it.
type layout struct {
	ID       int32
	Props    map[string]dbus.Variant
	Children []dbus.Variant
}

// menu reads the rows that are shown. It tells the tray nothing of that: the menu
// does not open.
func (s *session) menu() ([]row, error) {
	menu, err := s.menuObject()
	if err != nil {
		return nil, err
	}
	var revision uint32
	var root layout
	if err := menu.Call(menuInterface+".GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &root); err != nil {
		return nil, err
	}
	var rows []row
	for _, child := range root.Children {
		var l layout
		if err := dbus.Store([]any{child.Value()}, &l); err != nil {
			return nil, err
		}
		if flag(l.Props, "visible") {
			rows = append(rows, rowOf(l))
		}
	}
	return rows, nil
}

func rowOf(l layout) row {
	label, _ := l.Props["label"].Value().(string)
	toggle, _ := l.Props["toggle-type"].Value().(string)
	state, _ := l.Props["toggle-state"].Value().(int32)
	return row{
		id:          l.ID,
		label:       strings.ReplaceAll(label, "__", "_"),
		enabled:     flag(l.Props, "enabled"),
		isCheckable: toggle != "",
		isChecked:   state == 1,
	}
}

// flag is a property that is true or false; one that is left out is true.
func flag(properties map[string]dbus.Variant, name string) bool {
	value, ok := properties[name].Value().(bool)
	return value || !ok
}

// untilRow waits for a row whose text, as String has it, begins so.
func (s *session) untilRow(begin string) (found row) {
	s.t.Helper()
	var rows []row
	var err error
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the menu is %v, %q", err, rows)
		}
	}()
	eventually(s.t, "the menu has "+begin, 10*time.Second, func() bool {
		rows, err = s.menu()
		i := slices.IndexFunc(rows, func(r row) bool { return strings.HasPrefix(r.String(), begin) })
		if i >= 0 {
			found = rows[i]
		}
		return i >= 0
	})
	return found
}

// click clicks a row as a panel does: by an event, when such a row is there.
func (s *session) click(begin string) {
	s.t.Helper()
	s.event(s.untilRow(begin).id)
}

func (s *session) event(id int32) {
	s.t.Helper()
	menu, err := s.menuObject()
	if err == nil {
		err = menu.Call(menuInterface+".Event", 0, id, "clicked", dbus.MakeVariant(int32(0)), uint32(time.Now().Unix())).Err
	}
	if err != nil {
		s.t.Fatalf("click: %v", err)
	}
}
