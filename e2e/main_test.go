//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "mpe")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(folder, "mycoproxy")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/tray").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.RemoveAll(folder)
		os.Exit(1)
	}
	code := m.Run()
	sharedLab.tearDown()
	os.RemoveAll(folder)
	os.Exit(code)
}

// need skips the test, by name and with the reason, unless it can run here: as
// root, and with these programs. Under CI it fails instead: there everything
// must be installed.
func need(t testing.TB, programs ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		miss(t, "root, for network namespaces")
	}
	needPrograms(t, append(programs, "ip")...)
}

// needPrograms is need for a test that an ordinary user can run.
func needPrograms(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			miss(t, p)
		}
	}
}

func miss(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s (make setup-ci)", what)
	}
	t.Skipf("needs %s", what)
}

// eventually waits until ok, and returns how long that took; it fails the test
// after limit.
func eventually(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	if !poll(20*time.Millisecond, limit, ok) {
		t.Fatalf("%s: not within %v", what, limit)
	}
	return time.Since(began)
}

// poll asks again and again until ok, or until limit; it reports which it was.
func poll(interval, limit time.Duration, ok func() bool) bool {
	tick, end := time.NewTicker(interval), time.NewTimer(limit)
	defer tick.Stop()
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			return false
		}
	}
	return true
}

// run runs a command to its end.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// process is a program that a test, or the lab, has started.
type process struct {
	*exec.Cmd
	log   string // file with what it printed
	ended chan struct{}
	once  sync.Once
}

// start starts a command in the namespace.
func (n *namespace) start(name string, env []string, command ...string) (*process, error) {
	c := n.command(command...)
	c.Env = append(os.Environ(), env...)
	log, err := os.Create(filepath.Join(n.lab.folder, n.name+"."+name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return nil, err
	}
	p := &process{Cmd: c, log: log.Name(), ended: make(chan struct{})}
	go func() {
		c.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process; it may have ended before.
func (p *process) stop() {
	p.once.Do(func() {
		p.Process.Kill()
		<-p.ended
	})
}

// printed is what the process has printed.
func (p *process) printed() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}
