//go:build !windows && !darwin

package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service    = "org.freedesktop.Notifications"
	object     = "/org/freedesktop/Notifications"
	desktopID  = "org.mycoproxy.Mycoproxy"
	callLimit  = 3 * time.Second
	briefly    = 5 * time.Second
	longer     = 10 * time.Second
	normal     = byte(1) // urgency
	errUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
	errNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
)

// Desktop shows notifications by the desktop's notification service. It has a
// connection to the session bus of its own: what services send to the notifier
// must not reach others in this process, and systray stops registering its icon
// on signals that it does not expect. It is for use by one goroutine.
type Desktop struct {
	icon   any // image-data of the specification; nil: none
	conn   *dbus.Conn
	server string          // unique name of the service that the ids below are of
	shown  map[bool]uint32 // the newest notice, and the newest of all other kinds
}

// NewDesktop returns a desktop whose notifications show the icon, a PNG; nil: none.
func NewDesktop(icon []byte) *Desktop {
	d := &Desktop{}
	if picture, err := png.Decode(bytes.NewReader(icon)); err == nil {
		d.icon = imageData(picture)
	}
	return d
}

// imageData is the structure of type (iiibiiay) that the specification demands.
func imageData(picture image.Image) any {
	size := picture.Bounds().Size()
	p := image.NewNRGBA(image.Rectangle{Max: size})
	draw.Draw(p, p.Rect, picture, picture.Bounds().Min, draw.Src)
	return struct {
		Width, Height, Stride int32
		HasAlpha              bool
		Bits, Channels        int32
		Data                  []byte
	}{int32(size.X), int32(size.Y), int32(p.Stride), true, 8, 4, p.Pix}
}

// Notify shows the notification, in place of the one before it if that told of
// the connection too. It takes three seconds at most.
func (d *Desktop) Notify(ctx context.Context, n Notification) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if d.conn != nil {
		err := d.show(ctx, n)
		if err == nil || d.conn.Connected() {
			return err
		}
		d.conn = nil // the bus has been restarted
	}
	conn, err := connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to the session bus: %w", err)
	}
	d.conn, d.server = conn, "" // names of services may mean others now
	return d.show(ctx, n)
}

// Close closes the connection, if there is one. What is shown stays.
func (d *Desktop) Close() error {
	if d.conn == nil {
		return nil
	}
	return d.conn.Close()
}

func connect(ctx context.Context) (*dbus.Conn, error) {
	life, end := context.WithCancel(context.Background())
	defer context.AfterFunc(ctx, end)()
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(life))
	if err == nil {
		err = conn.Auth(nil)
	}
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		end()
		return nil, err
	}
	return conn, nil
}

func (d *Desktop) show(ctx context.Context, n Notification) error {
	var abilities []string
	target := d.conn.Object(service, object)
	if err := target.CallWithContext(ctx, service+".GetCapabilities", 0).Store(&abilities); err != nil {
		return explain(err)
	}
	var server string
	if err := d.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, service).Store(&server); err != nil {
		return explain(err)
	}
	if server != d.server {
		d.server, d.shown = server, map[bool]uint32{} // another service: the ids are not its
	}
	hints := map[string]dbus.Variant{
		"urgency":       dbus.MakeVariant(normal),
		"desktop-entry": dbus.MakeVariant(desktopID),
	}
	if d.icon != nil {
		hints["image-data"] = dbus.MakeVariant(d.icon)
	}
	n = n.plain()
	if slices.Contains(abilities, "body-markup") {
		n.Body = markup.Replace(n.Body)
	}
	stay := briefly
	if n.Kind.isTrouble() {
		stay = longer
	}
	var id uint32
	about := n.Kind == Notice
	err := target.CallWithContext(ctx, service+".Notify", 0, appName, d.shown[about], "", n.Title, n.Body,
		[]string{}, hints, int32(stay.Milliseconds())).Store(&id)
	if err != nil {
		return explain(err)
	}
	d.shown[about] = id
	return nil
}

// isTrouble tells the kinds that the user may want to do something about, which
// stay for longer.
func (k Kind) isTrouble() bool {
	return k == Notice || k >= ConnectFailed && k <= Gone || k == NeedsPassword
}

// markup makes plain text of what would be a tag. Titles have no markup.
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func explain(err error) error {
	var answer dbus.Error
	switch {
	case errors.As(err, &answer) && (answer.Name == errUnknown || answer.Name == errNoOwner):
		return fmt.Errorf("find a notification service on this desktop: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("wait for the notification service: %w", err)
	default:
		return fmt.Errorf("show a notification: %w", err)
	}
}
