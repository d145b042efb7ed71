package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adrg/xdg"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/settings"
)

// home gives the test folders of its own, and settings that reach nothing.
func home(t *testing.T) settings.Settings {
	t.Helper()
	folder, err := os.MkdirTemp("", "mpd") // its path is short, since a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, folder)
	}
	xdg.Reload()
	t.Cleanup(xdg.Reload)
	s := settings.Default()
	s.Node, s.Probe = settings.NodeURL{}, false
	s.Listen.AddrPort = netip.MustParseAddrPort("127.0.0.1:0")
	return s
}

// A service answers on the socket, takes over from a tray, keeps others away,
// and gives the socket back.
func TestServe(t *testing.T) {
	s := home(t)
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	serve := func(version string, tray bool) (ended chan error) {
		t.Helper()
		socket, release, err := TakeOver(t.Context(), settings.ControlFolder())
		if err != nil {
			t.Fatal(err)
		}
		ended = make(chan error, 1)
		go func() {
			defer release()
			ended <- Serve(t.Context(), socket, Config{Version: version, Settings: s, Tray: tray, Log: discard})
		}()
		if state, err := client.State(t.Context()); err != nil || state.Version != version || state.Tray != tray {
			t.Errorf("service %s says %+v, %v", version, state, err)
		}
		return ended
	}
	tray := serve("1", true)
	service := serve("2", false)
	if err := <-tray; err != nil {
		t.Errorf("the tray's service ended with %v", err)
	}
	var running *RunningError
	if _, _, err := TakeOver(t.Context(), settings.ControlFolder()); !errors.As(err, &running) || running.PID != os.Getpid() {
		t.Errorf("a second service: %v", err)
	}
	if err := Forget(); !errors.Is(err, control.ErrAlreadyRunning) {
		t.Errorf("Forget while a service runs: %v", err)
	}
	if err := client.SetShare(t.Context(), backend.ShareLAN); err != nil {
		t.Error(err)
	}
	if saved, err := settings.Load(settings.ConfigFile(), os.LookupEnv); err != nil || saved.Share != backend.ShareLAN {
		t.Errorf("the settings are now %+v, %v", saved, err)
	}
	if err := client.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-service; err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if _, err := client.State(t.Context()); !errors.Is(err, backend.ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// A tray that does the work itself follows the service that takes over from it.
func TestAttachmentToASocket(t *testing.T) {
	s := home(t)
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	a := Attach(AttachConfig{
		Service:   client,
		Installed: func(context.Context) (bool, error) { return false, nil },
		Serve: func(ctx context.Context) error {
			socket, release, err := control.Listen(settings.ControlFolder())
			if err != nil {
				return err
			}
			defer release()
			return Serve(ctx, socket, Config{Version: "tray", Settings: s, Tray: true, Log: discard})
		},
		Explain: explain,
		Log:     discard,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	versions, watched := make(chan string), make(chan error)
	go func() {
		watched <- a.Watch(ctx, func(s backend.State) {
			if s.Error != nil {
				t.Errorf("the tray sees: %v", s.Error)
			}
			select {
			case versions <- s.Version:
			case <-ctx.Done():
			}
		})
	}()
	until := func(want string) {
		for <-versions != want {
		}
	}
	until("tray")
	served := make(chan error)
	go func() {
		socket, release, err := TakeOver(ctx, settings.ControlFolder())
		if err == nil {
			defer release()
			err = Serve(ctx, socket, Config{Version: "service", Settings: s, Log: discard})
		}
		served <- err
	}()
	until("service")
	cancel()
	if err := <-served; err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if err := <-watched; err != context.Canceled {
		t.Errorf("Watch ended with %v", err)
	}
}

// A service whose API cannot be opened ends, and lets go of the socket.
func TestServeWithoutItsAPI(t *testing.T) {
	s := home(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.API.AddrPort = taken.Addr().(*net.TCPAddr).AddrPort()
	socket, release, err := TakeOver(t.Context(), settings.ControlFolder())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	err = Serve(t.Context(), socket, Config{Settings: s, Log: discard})
	if !errors.Is(err, &backend.Error{Code: backend.PortInUse}) {
		t.Errorf("%v", err)
	}
	if _, err := socket.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket after that: %v", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	s := home(t)
	socket, release, err := TakeOver(t.Context(), settings.ControlFolder())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ctx, socket, Config{Settings: s, Log: discard}); err != nil {
		t.Errorf("Serve ended with %v", err)
	}
}

func TestForget(t *testing.T) {
	home(t)
	log := settings.LogFile()
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := LockTray()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockTray(); !errors.Is(err, ErrTrayRunning) {
		t.Errorf("a second tray: %v", err)
	}
	if err := Forget(); !errors.Is(err, ErrTrayRunning) {
		t.Errorf("Forget while a tray runs: %v", err)
	}
	if _, err := os.Stat(log); err != nil {
		t.Errorf("the log is not left alone: %v", err)
	}
	release()
	if err := Forget(); err != nil {
		t.Errorf("Forget: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(log)); !os.IsNotExist(err) {
		t.Errorf("the log's folder is still there: %v", err)
	}
}

func TestSaveSetting(t *testing.T) {
	home(t)
	wrote := ""
	write := func(file string) error {
		wrote = file
		return nil
	}
	if err := SaveSetting("share", write); err != nil || wrote != settings.ConfigFile() {
		t.Errorf("wrote to %q, %v", wrote, err)
	}
	wrote = ""
	t.Setenv("MYCOPROXY_SHARE", "off")
	if err := SaveSetting("share", write); err == nil || wrote != "" {
		t.Errorf("although the environment says otherwise: wrote to %q, %v", wrote, err)
	}
}

func TestLog(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "new", "a.log")
	var stderr bytes.Buffer
	log, done := NewLog(&stderr, file, slog.LevelInfo)
	log.Info("something")
	log.Debug("a detail")
	done()
	if text, err := os.ReadFile(file); err != nil || string(text) != stderr.String() || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("the file has %q, %v, and standard error %q", text, err, stderr.String())
	}
	stderr.Reset()
	log, done = NewLog(&stderr, filepath.Join(file, "in a file"), slog.LevelInfo)
	log.Info("something")
	done()
	if got := stderr.String(); !strings.Contains(got, "standard error alone") || !strings.Contains(got, "something") {
		t.Errorf("without a file, standard error has %q", got)
	}
}
