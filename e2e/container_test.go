//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	containerUser = "tester"
	rebooted      = 133 // exit code of systemd-nspawn when the system inside wants to start again
)

// container is a small system with systemd as its first process and a user who
// has a user manager, as after a login.
type container struct {
	t      *testing.T
	root   string // its file system
	nspawn *exec.Cmd
	ended  chan struct{}
	log    *os.File
}

// newContainer copies the file system, lets prepare change it, and boots it. It
// is powered off, and gone, when the test ends.
func newContainer(t *testing.T, prepare func(root string)) *container {
	t.Helper()
	need(t, "systemd-nspawn", "debootstrap", "nsenter", "apt-get")
	base, err := rootFS(t)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "mpe-container")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	c := &container{t: t, root: filepath.Join(folder, "root")}
	if err := run("cp", "-a", "--reflink=auto", base, c.root); err != nil {
		t.Fatal(err)
	}
	prepare(c.root)
	if c.log, err = os.Create(filepath.Join(folder, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.powerOff)
	c.boot()
	return c
}

// rootFSVersion is to be raised when rootFS makes another system than before.
const rootFSVersion = 1

// rootFS makes a minimal system of the release, and from the mirror, that this
// machine's apt uses. It is kept for the next run in the user's cache folder,
// or where MYCOPROXY_E2E_CACHE says.
func rootFS(t *testing.T) (string, error) {
	cache := os.Getenv("MYCOPROXY_E2E_CACHE")
	if cache == "" {
		folder, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(folder, "mycoproxy-e2e")
	}
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its mirror: %w", err)
	}
	var mirror, release string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line) // others may offer packages for the same release
		if len(f) == 4 && f[2] == "main" && (f[3] == "Debian" || f[3] == "Ubuntu") && !strings.Contains(f[1], "-") && !strings.Contains(f[0], "security") {
			mirror, release = f[0], f[1]
			break
		}
	}
	if mirror == "" {
		return "", errors.New("apt has no mirror to make a system from")
	}
	root := filepath.Join(cache, fmt.Sprintf("%s-%d", release, rootFSVersion))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(cache, "half")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	began := time.Now()
	err = run("debootstrap", "--variant=minbase",
		"--include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd", release, half, mirror)
	if err != nil {
		return "", err
	}
	if err := errors.Join(
		run("chroot", half, "apt-get", "clean"),
		run("chroot", half, "useradd", "-m", "-s", "/bin/bash", containerUser),
		os.MkdirAll(filepath.Join(half, "var/lib/systemd/linger"), 0o755),
		os.WriteFile(filepath.Join(half, "var/lib/systemd/linger", containerUser), nil, 0o644),
		os.Chmod(half, 0o755),
	); err != nil {
		return "", err
	}
	t.Logf("a system of %s was made in %v and is kept in %s", release, time.Since(began).Round(time.Second), root)
	if err := os.Rename(half, root); err != nil {
		if _, made := os.Stat(root); made != nil { // not by another run meanwhile
			return "", err
		}
	}
	return root, nil
}

// boot starts the container and waits until its user has a user manager.
func (c *container) boot() {
	c.t.Helper()
	c.nspawn = exec.Command("systemd-nspawn", "-q", "-D", c.root, "--register=no", "--keep-unit",
		"--private-network", "--console=pipe", "--boot")
	c.nspawn.Stdout, c.nspawn.Stderr = c.log, c.log
	c.nspawn.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // it powers off if the test is killed
	c.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // it is the end of the thread, too, that tells nspawn to power off
		err := c.nspawn.Start()
		started <- err
		if err == nil {
			c.nspawn.Wait()
		}
		close(c.ended)
	}()
	if err := <-started; err != nil {
		c.t.Fatal(err)
	}
	took := eventually(c.t, "the container is up, with a user manager", time.Minute, func() bool {
		_, code := c.user("systemctl --user is-active default.target")
		return code == 0
	})
	c.t.Logf("booted in %v", took.Round(10*time.Millisecond))
}

// reboot starts the container again, in an orderly way.
func (c *container) reboot() {
	c.t.Helper()
	if out, code := c.inside("systemctl", "reboot"); code != 0 {
		c.t.Fatalf("reboot: %s", out)
	}
	if !c.hasEnded(30*time.Second) || c.nspawn.ProcessState.ExitCode() != rebooted {
		c.t.Fatalf("it does not reboot: %v", c.nspawn.ProcessState)
	}
	c.boot()
}

// powerOff ends the container, by force if it has to be.
func (c *container) powerOff() {
	if c.t.Failed() {
		log, _ := c.inside("journalctl", "-b", "--no-pager", "-n", "60")
		c.t.Logf("the container's journal:\n%s", log)
	}
	if c.nspawn != nil && c.nspawn.Process != nil && !c.hasEnded(0) {
		c.inside("systemctl", "poweroff")
		if !c.hasEnded(20 * time.Second) {
			if pid, err := c.leader(); err == nil {
				syscall.Kill(pid, syscall.SIGKILL) // and with it all that is inside
			}
			c.nspawn.Process.Kill()
			<-c.ended
		}
	}
	c.log.Close()
}

func (c *container) hasEnded(within time.Duration) bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// leader is the first process of the container, as this machine numbers it.
func (c *container) leader() (int, error) {
	parent := c.nspawn.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		return 0, err
	}
	for child := range strings.FieldsSeq(string(children)) {
		if name, err := os.ReadFile("/proc/" + child + "/comm"); err == nil && string(name) == "systemd\n" {
			return strconv.Atoi(child)
		}
	}
	return 0, errors.New("the container does not run")
}

// inside runs a command as root in the container; -1 is the code if that cannot be.
func (c *container) inside(command ...string) (out string, code int) {
	pid, err := c.leader()
	if err != nil {
		return err.Error(), -1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	args := append([]string{"-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "-C", "--",
		"env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"}, command...)
	enter := exec.CommandContext(ctx, "nsenter", args...)
	enter.WaitDelay = time.Second
	var both bytes.Buffer
	enter.Stdout, enter.Stderr = &both, &both
	if err := enter.Run(); err != nil && enter.ProcessState == nil {
		return err.Error(), -1
	}
	return both.String(), enter.ProcessState.ExitCode()
}

// user runs a shell line as the user, in an environment as bare as su leaves it.
func (c *container) user(line string) (out string, code int) {
	return c.inside("su", "-", containerUser, "-c", line)
}
