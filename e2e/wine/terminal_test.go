//go:build linux

package wine

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRedirected has what a program without a console prints go where it is told.
func TestRedirected(t *testing.T) {
	w := needWindows(t)
	for _, c := range []struct {
		args           []string
		stdout, stderr string // how they begin
		code           int
	}{
		{[]string{"version"}, "mycoproxy v0.0.1\n", "", 0},
		{[]string{"status"}, "", "mycoproxy: The service is not running\n", 3},
		{[]string{"fly"}, "", "mycoproxy: mycoproxy has no command \"fly\"\n", 2},
		{[]string{"connect", "nowhere"}, "", "mycoproxy: ", 2},
	} {
		stdout, stderr, code := w.cli(t, c.args...)
		if code != c.code || !strings.HasPrefix(stdout, c.stdout) || !strings.HasPrefix(stderr, c.stderr) || (stdout == "") != (c.stdout == "") {
			t.Errorf("%v: exit code %d, prints %q and %q", c.args, code, stdout, stderr)
		}
	}
}

// script is what a user could have in a batch file. Of all that it does, only the
// program's own output is seen in the terminal, and stays there.
const script = `@mycoproxy.exe version > file
@mycoproxy.exe version | find "v0" > pipe
@mycoproxy.exe status 2> errors
@echo %errorlevel% > code
@mycoproxy.exe service --help
@mycoproxy.exe status
@ping -n 3600 127.0.0.1 > nul
`

// TestTerminal starts the program in a terminal, as a batch file does.
func TestTerminal(t *testing.T) {
	w := needWindows(t)
	folder := filepath.Dir(w.program())
	if err := os.WriteFile(filepath.Join(folder, "all.bat"), []byte(strings.ReplaceAll(script, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.start(nil, "wineconsole", "cmd", "/c", "all.bat"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program's output is in the terminal", 30*time.Second, func() bool {
		black, white := 0, 0
		for _, p := range w.pixels(t, image.Rect(8, 30, 640, 400)) {
			switch p {
			case 0:
				black++
			case 0xffffff:
				white++ // the cursor is too, but it is small
			}
		}
		return white > 2000 && black > 5*white
	})
	for name, want := range map[string]string{
		"file": "mycoproxy v0.0.1", "pipe": "mycoproxy v0.0.1", "code": "3",
		"errors": "mycoproxy: The service is not running",
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if got, _, _ := strings.Cut(string(text), "\n"); strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q (%v)", name, got, want, err)
		}
	}
	w.shot(t, "terminal")
}
