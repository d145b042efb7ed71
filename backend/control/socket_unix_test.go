//go:build unix

package control

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOneServiceAUser(t *testing.T) {
	folder, c, stop := start(t, &fake{state: example})
	if _, err := Listen(folder); err != ErrAlreadyRunning {
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
	l, err := Listen(folder)
	if err != nil {
		t.Fatalf("after it ended: %v", err)
	}
	// One that was killed leaves its socket, but not its lock.
	l.(*lockedListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Stat(filepath.Join(folder, socketName)); err != nil {
		t.Fatal("no stale socket to replace")
	}
	if l, err = Listen(folder); err != nil {
		t.Fatalf("beside a stale socket: %v", err)
	}
	l.Close()
	if _, err := Listen(filepath.Join(folder, strings.Repeat("long", 30))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a path that is too long: %v", err)
	}
}

// Another user is refused although, by mistake, he can reach the socket.
func TestAnotherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("needs curl")
	}
	folder, _, _ := start(t, &fake{state: example})
	// The service is root's here; nobody would be let in by the file's mode.
	os.Chmod(filepath.Dir(folder), 0o755)
	os.Chmod(folder, 0o755)
	os.Chmod(filepath.Join(folder, socketName), 0o666)
	command := exec.Command(curl, "-sS", "-w", " %{http_code}", "--unix-socket", filepath.Join(folder, socketName), "http://x/api/v1/state")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "not yours") || !strings.HasSuffix(string(out), " 403") {
		t.Errorf("got %q, %v", out, err)
	}
}
