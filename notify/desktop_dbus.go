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

	freedesktop "github.com/esiqveland/notify"
	"github.com/godbus/dbus/v5"
)

const (
	service    = "org.freedesktop.Notifications"
	desktopID  = "org.mycoproxy.Mycoproxy"
	callLimit  = 3 * time.Second
	briefly    = 5 * time.Second
	longer     = 10 * time.Second
	errUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
	errNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
)

// Desktop shows notifications by the desktop's notification service. It has a
// connection to the session bus of its own: what services send to the notifier
// must not reach others in this process, because systray stops registering its
// icon on signals that it does not expect. The connection stays open between
// notifications: GNOME removes those of a program that has left the bus. A
// Desktop is for use by one goroutine.
type Desktop struct {
	common freedesktop.Notification // what all notifications have in common
	conn   *dbus.Conn               // nil before the first notification
	server string                   // unique name of the service that the ids below are of
	shown  map[bool]uint32          // ids of the newest Notice (true), and of the newest of all other kinds
}

// NewDesktop returns a desktop whose notifications show the icon, a PNG; nil: none.
func NewDesktop(icon []byte) *Desktop {
	d := &Desktop{common: freedesktop.Notification{AppName: appName}}
	d.common.SetUrgency(freedesktop.UrgencyNormal)
	d.common.AddHint(freedesktop.Hint{ID: "desktop-entry", Variant: dbus.MakeVariant(desktopID)})
	if picture, err := png.Decode(bytes.NewReader(icon)); err == nil {
		d.common.AddHint(freedesktop.HintImageDataRGBA(unmultiplied(picture)))
	}
	return d
}

// unmultiplied returns a picture whose bytes are as the specification wants
// them, with colours that are not multiplied by alpha. By its type they would
// be, but the library sends the bytes as they are.
func unmultiplied(picture image.Image) *image.RGBA {
	p := image.NewNRGBA(image.Rectangle{Max: picture.Bounds().Size()})
	draw.Draw(p, p.Rect, picture, picture.Bounds().Min, draw.Src)
	return &image.RGBA{Pix: p.Pix, Stride: p.Stride, Rect: p.Rect}
}

// Notify shows the notification. It replaces the last one if both or neither
// are a [Notice]. It takes three seconds at most.
func (d *Desktop) Notify(ctx context.Context, n Notification) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if d.conn == nil || !d.conn.Connected() {
		conn, err := connect(ctx)
		if err != nil {
			return fmt.Errorf("connect to the session bus: %w", err)
		}
		d.conn, d.server = conn, "" // names of services may mean others now
	}
	defer closeAtEnd(ctx, d.conn)() // the library's calls have no other limit
	err := d.show(n)
	var answer dbus.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the notification service: %w", ctx.Err())
	case errors.As(err, &answer) && (answer.Name == errUnknown || answer.Name == errNoOwner):
		return fmt.Errorf("find a notification service on this desktop: %w", err)
	default:
		return fmt.Errorf("show a notification: %w", err)
	}
}

// Close closes the connection, if there is one.
func (d *Desktop) Close() error {
	if d.conn == nil {
		return nil
	}
	return d.conn.Close()
}

// connect makes a connection that nothing else in this process uses.
func connect(ctx context.Context) (*dbus.Conn, error) {
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return nil, err
	}
	defer closeAtEnd(ctx, conn)()
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// closeAtEnd closes the connection, so that calls under way fail, if ctx ends
// before stop is called.
func closeAtEnd(ctx context.Context, conn *dbus.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { conn.Close() })
}

func (d *Desktop) show(n Notification) error {
	capabilities, err := freedesktop.GetCapabilities(d.conn) // starts the service if need be
	if err != nil {
		return err
	}
	var server string
	if err := d.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, service).Store(&server); err != nil {
		return err
	}
	if server != d.server {
		d.server, d.shown = server, map[bool]uint32{} // another service has other ids
	}
	n = n.plain()
	if slices.Contains(capabilities, "body-markup") {
		n.Body = escapeMarkup.Replace(n.Body)
	}
	isNotice := n.Kind == Notice
	message := d.common
	message.Summary, message.Body, message.ReplacesID = n.Title, n.Body, d.shown[isNotice]
	message.ExpireTimeout = briefly
	if n.Kind.isTrouble() {
		message.ExpireTimeout = longer
	}
	id, err := freedesktop.SendNotification(d.conn, message)
	if err == nil {
		d.shown[isNotice] = id
	}
	return err
}

// isTrouble reports whether the user may want to do something about it, so that
// it stays for longer.
func (k Kind) isTrouble() bool {
	return k == Notice || k >= ConnectFailed && k <= Gone || k == NeedsPassword
}

// escapeMarkup is for bodies alone: titles have no markup.
var escapeMarkup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
