//go:build unix && !darwin

package doctor

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// startBus starts a session bus that can start one service, org.example.Startable.
func startBus(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dbus-daemon is not installed, and CI skips nothing")
		}
		t.Skip("dbus-daemon is not installed")
	}
	folder := t.TempDir()
	for name, content := range map[string]string{
		"startable.service": "[D-BUS Service]\nName=org.example.Startable\nExec=/bin/false\n",
		"bus.conf": `<busconfig><type>session</type><listen>unix:dir=` + folder + `</listen><servicedir>` + folder + `</servicedir>
			<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bus := exec.CommandContext(t.Context(), program, "--config-file="+filepath.Join(folder, "bus.conf"), "--nofork", "--print-address")
	stdout, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		bus.Process.Kill()
		bus.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))
}

func TestSessionBus(t *testing.T) {
	startBus(t)
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.RequestName("org.example.Owned", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		service   string
		startable bool
		want      bool
	}{
		{"org.example.Owned", false, true},
		{"org.example.Owned", true, true},
		{"org.example.Startable", false, false},
		{"org.example.Startable", true, true},
		{"org.example.Nobody", true, false},
	} {
		if got, err := SessionBus()(t.Context(), c.service, c.startable); got != c.want || err != nil {
			t.Errorf("%s, startable %v: %v, %v", c.service, c.startable, got, err)
		}
	}
}

func TestNoSessionBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	if _, err := SessionBus()(t.Context(), "org.example.Owned", false); err == nil {
		t.Error("no error without a bus")
	}
}

func TestSilentSessionBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+path)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := SessionBus()(ctx, "org.example.Owned", false); err == nil {
		t.Error("no error from a bus that says nothing")
	}
}
