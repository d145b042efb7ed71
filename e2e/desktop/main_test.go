//go:build linux

package desktop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "mpd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(folder, "mycoproxy")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/tray")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.RemoveAll(folder)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// miss skips the test, by name and with the reason. Under CI it fails instead:
// there everything must be installed.
func miss(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s (make setup-ci)", what)
	}
	t.Skipf("needs %s", what)
}

// need skips the test unless these programs are installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			miss(t, p)
		}
	}
}

// eventually waits until ok, asking often; it fails the test after limit.
func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
	return time.Since(began)
}

// process is a program that a test started.
type process struct {
	*exec.Cmd
	t     *testing.T
	name  string
	log   string // file with what it printed
	began time.Time
	ended chan struct{}
}

// start starts a program of the session. When the test is over it is ended, and
// what it printed is logged if the test has failed.
func (s *session) start(name, program string, args ...string) *process {
	s.t.Helper()
	s.started++
	log, err := os.Create(filepath.Join(s.folder, fmt.Sprintf("%d-%s.log", s.started, name)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	p := &process{Cmd: s.command(program, args...), t: s.t, name: name, log: log.Name(), ended: make(chan struct{})}
	p.Stdout, p.Stderr = log, log
	p.began = time.Now()
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		p.Wait()
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("%s says:\n%s", name, p.printed())
		}
	})
	return p
}

// kill ends the process at once, as a crash would; it may have ended before.
func (p *process) kill() {
	p.Process.Kill()
	<-p.ended
}

// end asks the process to end, and waits until it has.
func (p *process) end() {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("end %s: %v", p.name, err)
	}
	p.exits(0)
}

// exits waits until the process has ended by itself, and wants that exit code.
func (p *process) exits(code int) {
	p.t.Helper()
	eventually(p.t, p.name+" ends", 10*time.Second, func() bool { return !p.runs() })
	if got := p.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("%s: exit code %d, want %d; it says:\n%s", p.name, got, code, p.printed())
	}
}

func (p *process) runs() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// printed is what the process has printed.
func (p *process) printed() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}
