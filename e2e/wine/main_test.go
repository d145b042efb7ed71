//go:build linux

package wine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// theWindows is made by the first test that needs it.
var theWindows windows

func TestMain(m *testing.M) {
	code := m.Run()
	theWindows.tearDown()
	os.Exit(code)
}

// needWindows makes the Windows if no test has made it yet. It skips the test,
// by name and with the reason, unless these programs are installed. Under CI it
// fails instead: there everything must be.
func needWindows(t *testing.T, programs ...string) *windows {
	t.Helper()
	for _, p := range append(programs, "wine", "wineboot", "wineserver", "Xvfb", "xdotool", "xwininfo", "xclip", "import",
		"x86_64-w64-mingw32-as", "x86_64-w64-mingw32-dlltool", "x86_64-w64-mingw32-ld") {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs %s (make setup-ci)", p)
		}
		t.Skipf("needs %s", p)
	}
	w := &theWindows
	w.once.Do(func() {
		began := time.Now()
		w.err = w.setUp()
		t.Logf("Wine was ready in %v", time.Since(began).Round(100*time.Millisecond))
	})
	if w.err != nil {
		t.Fatal(w.err)
	}
	return w
}

// build builds the program, without a console of its own.
func build(to string) error {
	c := exec.Command("go", "build", "-ldflags", "-H=windowsgui -X main.version=v0.0.1", "-o", to, "../../cmd/tray")
	c.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// poll waits until ok, asking often, and reports whether that was within the limit.
func poll(ctx context.Context, limit time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// eventually is poll that fails the test.
func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	if !poll(t.Context(), limit, ok) {
		theWindows.shot(t, "failed-"+filepath.Base(t.Name()))
		t.Fatalf("%s: not within %v", what, limit)
	}
}
