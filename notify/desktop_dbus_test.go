//go:build linux

package notify

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const object = "/org/freedesktop/Notifications"

// bus is a message bus of the test's own, which is the session bus meanwhile.
type bus struct {
	t              *testing.T
	socket, config string
	daemon         *exec.Cmd
}

func startBus(t *testing.T) *bus {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs dbus-daemon (make setup-ci)")
		}
		t.Skip("needs dbus-daemon")
	}
	folder := t.TempDir()
	b := &bus{t: t, socket: filepath.Join(folder, "bus"), config: filepath.Join(folder, "bus.conf")}
	config := strings.ReplaceAll(busConfig, "SOCKET", b.socket)
	if err := os.WriteFile(b.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+b.socket)
	b.start(program)
	return b
}

// busConfig is that of a session bus that starts no services by itself.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=SOCKET</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>`

func (b *bus) start(program string) {
	b.t.Helper()
	b.daemon = exec.Command(program, "--config-file="+b.config, "--nofork", "--nopidfile", "--print-address")
	out, err := b.daemon.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.daemon.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.stop)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.t.Fatalf("dbus-daemon did not start: %v", err)
	}
}

func (b *bus) stop() {
	b.daemon.Process.Kill()
	b.daemon.Wait()
}

// restart makes every connection break.
func (b *bus) restart() {
	b.stop()
	os.Remove(b.socket)
	b.start(b.daemon.Path)
}

// shown is one notification.
type shown struct {
	sender      dbus.Sender
	app         string
	replaces    uint32
	title, body string
	hints       map[string]dbus.Variant
	stay        int32
}

// server is a notification service.
type server struct {
	conn      *dbus.Conn
	abilities []string

	mu    sync.Mutex
	shown []shown
	ids   uint32
}

func startServer(t *testing.T, firstID uint32, abilities ...string) *server {
	t.Helper()
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &server{conn: conn, abilities: abilities, ids: firstID - 1}
	if err := conn.Export(s, object, service); err != nil {
		t.Fatal(err)
	}
	if r, err := conn.RequestName(service, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: %v, %v", service, r, err)
	}
	return s
}

func (s *server) GetCapabilities() ([]string, *dbus.Error) { return s.abilities, nil }

func (s *server) Notify(sender dbus.Sender, app string, replaces uint32, icon, title, body string,
	_ []string, hints map[string]dbus.Variant, stay int32) (uint32, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, shown{sender, app, replaces, title, body, hints, stay})
	if replaces != 0 {
		return replaces, nil
	}
	s.ids++
	return s.ids, nil
}

// last is the newest notification, of want in all.
func (s *server) last(t *testing.T, want int) shown {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shown) != want {
		t.Fatalf("%d notifications, want %d: %+v", len(s.shown), want, s.shown)
	}
	return s.shown[want-1]
}

func newDesktop(t *testing.T, icon []byte) *Desktop {
	d := NewDesktop(icon)
	t.Cleanup(func() { d.Close() })
	return d
}

func mustNotify(t *testing.T, d *Desktop, n Notification) {
	t.Helper()
	if err := d.Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestNotify(t *testing.T) {
	startBus(t)
	s := startServer(t, 7, "body", "body-markup")
	picture := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	picture.SetNRGBA(1, 0, color.NRGBA{10, 20, 30, 40})
	var icon bytes.Buffer
	if err := png.Encode(&icon, picture); err != nil {
		t.Fatal(err)
	}
	d := newDesktop(t, icon.Bytes())
	mustNotify(t, d, Notification{Connected, "<A> & B", "1 < 2 && <b>3</b>\x00\n"})
	got := s.last(t, 1)
	if got.app != "Mycoproxy" || got.title != "<A> & B" || got.body != "1 &lt; 2 &amp;&amp; &lt;b&gt;3&lt;/b&gt;  " || got.replaces != 0 || got.stay != 5000 {
		t.Errorf("shown: %+v", got)
	}
	if got.hints["desktop-entry"].Value() != "org.mycoproxy.Mycoproxy" || got.hints["urgency"].Value() != byte(1) {
		t.Errorf("hints: %v", got.hints)
	}
	data := got.hints["image-data"]
	var width, height, stride, bits, channels int32
	var hasAlpha bool
	var pixels []byte
	err := dbus.Store(data.Value().([]any), &width, &height, &stride, &hasAlpha, &bits, &channels, &pixels)
	if err != nil || d.common.Hints["image-data"].Signature().String() != "(iiibiiay)" || width != 2 || height != 1 || stride != 8 || !hasAlpha || bits != 8 || channels != 4 ||
		!bytes.Equal(pixels, []byte{0, 0, 0, 0, 10, 20, 30, 40}) {
		t.Errorf("picture: %v, %v", data, err)
	}

	// A newer one replaces the older one; a notice replaces none but a notice.
	mustNotify(t, d, Notification{Gone, "gone", ""})
	if got := s.last(t, 2); got.replaces != 7 || got.stay != 10000 {
		t.Errorf("shown: %+v", got)
	}
	mustNotify(t, d, Notification{Notice, "no tray", ""})
	if got := s.last(t, 3); got.replaces != 0 {
		t.Errorf("shown: %+v", got)
	}
	mustNotify(t, d, Notification{Back, "back", ""})
	if last := s.last(t, 4); last.replaces != 7 || last.sender != got.sender {
		t.Errorf("shown: %+v, on a connection other than %s", last, got.sender)
	}
}

// Where the body is plain text nothing is escaped. An icon is not needed.
func TestNotifyWithoutMarkup(t *testing.T) {
	startBus(t)
	s := startServer(t, 1, "body")
	mustNotify(t, newDesktop(t, nil), Notification{Gone, "t", "a & b"})
	if got := s.last(t, 1); got.body != "a & b" || got.hints["image-data"].Value() != nil {
		t.Errorf("shown: %+v", got)
	}
}

// The ids of one service mean nothing to the next.
func TestServiceRestarts(t *testing.T) {
	startBus(t)
	old := startServer(t, 7)
	d := newDesktop(t, nil)
	mustNotify(t, d, Notification{Gone, "1", ""})
	if _, err := old.conn.ReleaseName(service); err != nil {
		t.Fatal(err)
	}
	if err := d.Notify(t.Context(), Notification{Back, "2", ""}); err == nil || !strings.Contains(err.Error(), "find a notification service") {
		t.Errorf("without the service: %v", err)
	}
	s := startServer(t, 100)
	mustNotify(t, d, Notification{Back, "3", ""})
	if got := s.last(t, 1); got.replaces != 0 {
		t.Errorf("shown: %+v", got)
	}
}

func TestBusRestarts(t *testing.T) {
	b := startBus(t)
	startServer(t, 7)
	d := newDesktop(t, nil)
	mustNotify(t, d, Notification{Gone, "1", ""})
	b.restart()
	<-d.conn.Context().Done() // the broken connection is noticed
	s := startServer(t, 7)
	mustNotify(t, d, Notification{Back, "2", ""})
	if got := s.last(t, 1); got.replaces != 0 {
		t.Errorf("shown: %+v", got)
	}
}

func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	err := newDesktop(t, nil).Notify(t.Context(), Notification{Gone, "1", ""})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "connect to the session bus: ") {
		t.Errorf("%v", err)
	}
}

// A bus, or a service, that hangs is given up, and used again when it answers.
func TestHanging(t *testing.T) {
	for _, what := range []string{"service", "bus"} {
		t.Run(what, func(t *testing.T) {
			b := startBus(t)
			s := startServer(t, 1)
			d := newDesktop(t, nil)
			mustNotify(t, d, Notification{Gone, "1", ""})
			if what == "service" {
				s.mu.Lock() // so that Notify does not return
			} else if err := b.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := d.Notify(ctx, Notification{Back, "2", ""}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			if what == "service" {
				s.mu.Unlock()
			} else if err := b.daemon.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			mustNotify(t, d, Notification{Gone, "3", ""})
		})
	}
}

// Systray listens on the connection that the whole process shares, and gives up
// its icon on signals that it does not expect, such as this one, which dunst
// sends to the notifier alone.
func TestSharedConnectionIsLeftAlone(t *testing.T) {
	startBus(t)
	s := startServer(t, 1)
	shared, err := dbus.SessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	signals := make(chan *dbus.Signal, 10)
	shared.Signal(signals)
	d := newDesktop(t, nil)
	mustNotify(t, d, Notification{Gone, "1", ""})
	notifier := string(s.last(t, 1).sender)
	if notifier == shared.Names()[0] {
		t.Errorf("the shared connection %s was used", notifier)
	}
	closed := &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath(object)),
		dbus.FieldInterface:   dbus.MakeVariant(service),
		dbus.FieldMember:      dbus.MakeVariant("NotificationClosed"),
		dbus.FieldDestination: dbus.MakeVariant(notifier),
		dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(uint32(0), uint32(0))),
	}, Body: []any{uint32(1), uint32(1)}}
	if call := s.conn.Send(closed, nil); call.Err != nil {
		t.Fatal(call.Err)
	}
	mustNotify(t, d, Notification{Back, "2", ""}) // by when the signal has arrived
	if err := shared.BusObject().Call("org.freedesktop.DBus.Peer.Ping", 0).Err; err != nil {
		t.Fatal(err)
	}
	for len(signals) > 0 {
		if signal := <-signals; signal.Sender != "org.freedesktop.DBus" {
			t.Errorf("the shared connection got %+v", signal)
		}
	}
}
