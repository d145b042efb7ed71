//go:build linux

package wine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// windows is a Windows of the tests' own: files, a registry, and a desktop.
type windows struct {
	once   sync.Once
	err    error
	folder string
	env    []string
	xvfb   *exec.Cmd
}

// prefix is where drive C and the registry are.
func (w *windows) prefix() string { return filepath.Join(w.folder, "prefix") }

// path is where a file of drive C is.
func (w *windows) path(name string) string { return filepath.Join(w.prefix(), "drive_c", name) }

// program is the program under test, in a path with a blank.
func (w *windows) program() string { return filepath.Join(w.folder, "a b", "mycoproxy.exe") }

// local is where the program keeps its state, log and locks.
func (w *windows) local() string { return w.path("users/tester/AppData/Local/mycoproxy") }

// run runs a command of the Windows to its end. What it prints goes by a file,
// since Wine's servers keep a pipe open.
func (w *windows) run(ctx context.Context, env []string, name string, args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(w.env[:len(w.env):len(w.env)], env...)
	c.Dir = w.folder
	var files [2]*os.File
	for i := range files {
		if files[i], err = os.CreateTemp(w.folder, "out"); err != nil {
			return "", "", err
		}
		defer os.Remove(files[i].Name())
		defer files[i].Close()
	}
	c.Stdout, c.Stderr = files[0], files[1]
	err = c.Run()
	var texts [2]string
	for i, f := range files {
		text, _ := os.ReadFile(f.Name())
		texts[i] = strings.ReplaceAll(string(text), "\r", "")
	}
	return texts[0], texts[1], err
}

// ok runs a command, which must go well.
func (w *windows) ok(t *testing.T, name string, args ...string) string {
	t.Helper()
	stdout, stderr, err := w.run(t.Context(), nil, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// cli runs the program under test.
func (w *windows) cli(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	stdout, stderr, err := w.run(t.Context(), nil, "wine", append([]string{w.program()}, args...)...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return stdout, stderr, code
}

func (w *windows) setUp() (err error) {
	if w.folder, err = os.MkdirTemp("", "mpw"); err != nil {
		return err
	}
	for _, name := range []string{"home", "a b"} {
		if err := os.Mkdir(filepath.Join(w.folder, name), 0o700); err != nil {
			return err
		}
	}
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(w.folder, "home"), "USER=tester", "LANG=C.UTF-8",
		"TMPDIR=" + w.folder, "WINEPREFIX=" + w.prefix(), "WINEARCH=win64", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "MYCOPROXY_NODE=",
	}
	built := make(chan error, 1)
	go func() { built <- build(w.program()) }()
	if err := w.startScreen(); err != nil {
		return err
	}
	for _, c := range [][]string{{"wineboot", "-i"}, {"wineserver", "-w"}} {
		if _, stderr, err := w.run(context.Background(), nil, c[0], c[1:]...); err != nil {
			return fmt.Errorf("%v: %w: %s", c, err, stderr)
		}
	}
	if err := provideRandom(w.folder, w.path("windows/system32/bcryptprimitives.dll")); err != nil {
		return err
	}
	// Wine's does nothing; without it the program must say what is missing.
	if err := os.RemoveAll(w.path("windows/system32/WindowsPowerShell")); err != nil {
		return err
	}
	if err := <-built; err != nil {
		return err
	}
	return w.startDesktop()
}

// tearDown ends all that runs in the Windows.
func (w *windows) tearDown() {
	if w.folder == "" {
		return
	}
	w.run(context.Background(), nil, "wineserver", "-k")
	w.run(context.Background(), nil, "wineserver", "-w")
	if w.xvfb != nil {
		w.xvfb.Process.Signal(syscall.SIGTERM) // so that it takes its socket away
		w.xvfb.Wait()
	}
	os.RemoveAll(w.folder)
}

// start starts a program of the Windows, on its desktop and in the folder of the
// program under test.
func (w *windows) start(env []string, command ...string) error {
	c := exec.Command("wine", append([]string{"explorer", desktop}, command...)...)
	c.Env = append(w.env[:len(w.env):len(w.env)], env...)
	c.Dir = filepath.Dir(w.program())
	if err := c.Start(); err != nil {
		return err
	}
	go c.Wait() // until tearDown at the latest
	return nil
}

// running are the processes of the program under test, installed or not.
func (w *windows) running() (commands []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		env, _ := os.ReadFile(filepath.Join(p, "environ"))
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		name, _, _ := bytes.Cut(line, []byte{0})
		if bytes.Contains(env, []byte("WINEPREFIX="+w.prefix()+"\x00")) && bytes.HasSuffix(name, []byte("mycoproxy.exe")) {
			commands = append(commands, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return commands
}

// provideRandom makes the library that Go takes its random numbers from and that
// Wine lacks before version 9. It forwards to one that Wine has.
func provideRandom(work, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	for name, text := range map[string]string{
		"b.def": "LIBRARY bcryptprimitives.dll\nEXPORTS\nProcessPrng = advapi32.SystemFunction036\n",
		"b.s":   ".text\n.globl DllMain\nDllMain:\nmovl $1,%eax\nret\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, command := range []string{
		"as -o b.o b.s",
		"dlltool -d b.def -e b.exp -D bcryptprimitives.dll",
		"ld -shared -e DllMain --image-base 0x180000000 -o " + to + " b.o b.exp",
	} {
		f := strings.Fields(command)
		c := exec.Command("x86_64-w64-mingw32-"+f[0], f[1:]...)
		c.Dir = work
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, out)
		}
	}
	return nil
}
