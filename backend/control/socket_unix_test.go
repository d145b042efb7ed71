//go:build unix

package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneServiceAUser(t *testing.T) {
	folder, c, stop := start(t, &fake{state: example})
	if _, _, err := Listen(folder); !errors.Is(err, ErrAlreadyRunning) {
		t.Errorf("a second service: %v", err)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Errorf("the first one, after that: %v", err)
	}
	for path, want := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, socketName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	stop()
	l, release, err := Listen(folder)
	if err != nil {
		t.Fatalf("after it ended: %v", err)
	}
	// One that was killed leaves its socket, but not its lock.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, _, err := Listen(folder); !errors.Is(err, ErrAlreadyRunning) {
		t.Errorf("after the socket is closed, before the release: %v", err)
	}
	release()
	if _, err := os.Stat(filepath.Join(folder, socketName)); err != nil {
		t.Fatal("no stale socket to replace")
	}
	if l, release, err = Listen(folder); err != nil {
		t.Fatalf("beside a stale socket: %v", err)
	}
	l.Close()
	release()
	if _, _, err := Listen(filepath.Join(folder, strings.Repeat("long", 30))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a path that is too long: %v", err)
	}
}
