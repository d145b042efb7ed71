//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the container has.
const (
	installed   = "/usr/local/bin/mycoproxy"
	socksServer = "127.0.0.1:9050"
	socksUnit   = `[Service]
ExecStart=/usr/local/bin/microsocks -i 127.0.0.1 -p 9050
`
)

// TestUserService is the service's life with a real user manager: installed,
// killed, rebooted, upgraded, removed.
func TestUserService(t *testing.T) {
	need(t, "systemd-nspawn", "debootstrap", "nsenter", "apt-get", "microsocks")
	older, newer := buildVersion(t, "1.0.0"), buildVersion(t, "1.1.0")
	c := newContainer(t, func(root string) {
		copyProgram(t, older, root+installed)
		microsocks, _ := exec.LookPath("microsocks")
		copyProgram(t, microsocks, root+"/usr/local/bin/microsocks")
		units := filepath.Join(root, "etc/systemd/system")
		if err := os.WriteFile(filepath.Join(units, "socks.service"), []byte(socksUnit), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../socks.service", filepath.Join(units, "multi-user.target.wants/socks.service")); err != nil {
			t.Fatal(err)
		}
	})

	// The user's own settings are there before, and stay.
	c.must("mkdir -p .config/mycoproxy && echo 'probe = false' >.config/mycoproxy/config.toml")
	before := c.must("find . | sort")
	c.fails(3, "mycoproxy service status", "not installed", "mycoproxy service install")
	if out, code := c.inside("mycoproxy", "service", "install"); code != 1 || !strings.Contains(out, "without sudo") {
		t.Errorf("as root: %d, %s", code, out)
	}
	c.fails(1, "mycoproxy service start", "not installed")
	c.must("mycoproxy service uninstall")

	began := time.Now()
	out := c.must("mycoproxy service install")
	t.Logf("installed in %v", time.Since(began).Round(10*time.Millisecond))
	contains(t, out, "running: version 1.0.0")
	first := c.service()
	if want := (report{Installed: true, Enabled: true, Running: true, Tray: true, Program: installed, Version: "1.0.0", This: "1.0.0", PID: first.PID}); first != want {
		t.Errorf("status: %+v, want %+v", first, want)
	}
	contains(t, c.must("cat .config/autostart/org.mycoproxy.Mycoproxy.desktop"), `Exec="`+installed+`" tray`)
	limits := c.must(fmt.Sprintf("grep files /proc/%d/limits", first.PID))
	if f := strings.Fields(limits); atoi(t, f[3]) < atoi(t, f[4])-1 {
		t.Errorf("its descriptors are limited below what is allowed: %s", limits)
	}
	c.must("mycoproxy connect " + socksServer)

	c.must(fmt.Sprintf("kill -9 %d", first.PID))
	took := eventually(t, "back after a crash, and connected again", 3*time.Second, c.connectedAs(func(pid int) bool { return pid != first.PID }))
	t.Logf("back after a crash in %v", took.Round(10*time.Millisecond))

	c.reboot()
	took = eventually(t, "back after a reboot, and connected again", 10*time.Second, c.connectedAs(func(int) bool { return true }))
	t.Logf("back %v after the reboot", took.Round(10*time.Millisecond))

	again := c.service()
	c.must("mycoproxy service install")
	if s := c.service(); s != again {
		t.Errorf("installing twice: %+v, was %+v", s, again)
	}

	copyProgram(t, newer, c.root+installed)
	contains(t, c.must("mycoproxy service status"), "this is version 1.1.0; to run the service with it: mycoproxy service install")
	c.must("mycoproxy service install")
	if s := c.service(); s.Version != "1.1.0" || s.PID == again.PID {
		t.Errorf("after an upgrade: %+v, was %+v", s, again)
	}
	eventually(t, "connected after an upgrade", 5*time.Second, c.connectedAs(func(int) bool { return true }))

	c.stopAndStart()
	c.turnedOff()
	c.elsewhere(newer)

	c.must("mycoproxy service uninstall")
	if after := c.must("find . | sort"); after != before {
		t.Errorf("the home folder before:\n%safter:\n%s", before, after)
	}
	if out, _ := c.inside("sh", "-c", "ls -l /proc/[0-9]*/exe | grep mycoproxy"); out != "" {
		t.Errorf("left behind: %s", out)
	}
	if out := c.must("systemctl --user list-units --all --no-legend 'mycoproxy*'"); out != "" {
		t.Errorf("the user manager remembers: %s", out)
	}
	c.fails(3, "mycoproxy service status", "not installed")
	c.must("systemctl --user mask mycoproxy")
	c.fails(3, "mycoproxy service status", "not installed")
	c.fails(1, "mycoproxy service install", "masked", "systemctl --user unmask")
	c.must("mycoproxy service uninstall && systemctl --user unmask mycoproxy && mycoproxy service uninstall")
	if after := c.must("find . | sort"); after != before {
		t.Errorf("the home folder after a mask:\n%s", after)
	}
	c.withoutManager()
}

// withoutManager is a system where nobody has a user manager.
func (c *container) withoutManager() {
	c.t.Helper()
	before := c.must("find . | sort") // su starts a user manager: none from here to the end
	if out, code := c.inside("sh", "-c", "systemctl stop user@$(id -u "+containerUser+")"); code != 0 {
		c.t.Fatal(out)
	}
	bare := func(want int, command string, parts ...string) {
		c.t.Helper()
		out, code := c.inside("setpriv", "--reuid="+containerUser, "--regid="+containerUser, "--init-groups",
			"env", "HOME=/home/"+containerUser, "mycoproxy", "service", command)
		if code != want {
			c.t.Errorf("without a user manager, service %s: exit code %d, want %d: %s", command, code, want, out)
		}
		for _, part := range parts {
			contains(c.t, out, part)
		}
	}
	bare(1, "install", "no service manager for this user: Failed to connect to bus", "The tray is registered all the same")
	bare(3, "status", "starts with the desktop", "not running", "mycoproxy serve")
	bare(1, "start", "no service manager for this user")
	bare(0, "uninstall")
	if after := c.must("find . | sort"); after != before {
		c.t.Errorf("the home folder without a manager:\n%s", after)
	}
}

// stopAndStart stops the service and starts it, at first while another has the socket.
func (c *container) stopAndStart() {
	c.t.Helper()
	c.must("mycoproxy service stop")
	c.fails(3, "mycoproxy service status", "starts at login", "mycoproxy service start")
	c.must("mycoproxy service stop")
	c.must("systemd-run --user --unit other " + installed + " serve")
	eventually(c.t, "the other one answers", 5*time.Second, func() bool {
		_, code := c.user("mycoproxy status")
		return code == 0
	})
	c.fails(1, "mycoproxy service start", "another mycoproxy runs already", "End that one")
	c.must("systemctl --user stop other; mycoproxy service start")
	c.must("mycoproxy service start")
}

// turnedOff disables service and tray as a user may, by the system's own means.
func (c *container) turnedOff() {
	c.t.Helper()
	c.must("systemctl --user disable mycoproxy && echo Hidden=true >>.config/autostart/org.mycoproxy.Mycoproxy.desktop")
	if s := c.service(); !s.Installed || s.Enabled || s.Tray {
		c.t.Errorf("turned off at login: %+v", s)
	}
	c.must("mycoproxy service install")
	if s := c.service(); !s.Enabled || !s.Tray {
		c.t.Errorf("installed again: %+v", s)
	}
}

// elsewhere installs from a path that needs quoting, and then removes the program.
func (c *container) elsewhere(program string) {
	c.t.Helper()
	const odd = "/opt/a b$HOME;&`x`/mycoproxy"
	copyProgram(c.t, program, c.root+odd)
	c.must("'" + odd + "' service install")
	if s := c.service(); s.Program != odd || !s.Running {
		c.t.Errorf("from another path: %+v", s)
	}
	if out, _ := c.inside("journalctl", "-b", "--no-pager", "--grep", "not generating unit"); strings.Contains(out, "mycoproxy") {
		c.t.Errorf("the tray's entry is not understood: %s", out)
	}
	if err := os.Remove(c.root + odd); err != nil {
		c.t.Fatal(err)
	}
	c.must("mycoproxy service stop")
	c.fails(1, "mycoproxy service start", "no program that can be run")
	c.must("! systemctl --user is-failed mycoproxy")
}

// report is what "service status --json" prints.
type report struct {
	Installed, Enabled, Running bool
	PID                         int
	Program, Version            string
	Tray                        bool   `json:"tray_at_login"`
	This                        string `json:"this_version"`
}

func (c *container) service() (r report) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.must("mycoproxy service status --json")), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// connectedAs is whether the service is connected to the container's SOCKS server,
// and its process is a wanted one.
func (c *container) connectedAs(wanted func(pid int) bool) func() bool {
	return func() bool {
		var state struct {
			PID    int
			Phase  string
			Remote struct{ Address, Mode string }
		}
		out, code := c.user("mycoproxy status --json")
		return code == 0 && json.Unmarshal([]byte(out), &state) == nil && wanted(state.PID) &&
			state.Phase == "connected" && state.Remote.Address == socksServer && state.Remote.Mode == "explicit"
	}
}

// must runs a shell line as the user, which must go well.
func (c *container) must(line string) string {
	c.t.Helper()
	out, code := c.user(line)
	if code != 0 {
		c.t.Fatalf("%s: exit code %d: %s", line, code, out)
	}
	return out
}

// fails runs a line that must fail, and say certain things.
func (c *container) fails(want int, line string, parts ...string) {
	c.t.Helper()
	out, code := c.user(line)
	if code != want {
		c.t.Errorf("%s: exit code %d, want %d: %s", line, code, want, out)
	}
	for _, part := range parts {
		contains(c.t, out, part)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// buildVersion builds the program as a version.
func buildVersion(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mycoproxy")
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.version="+version, "-o", path, "../cmd/tray")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// copyProgram puts a program in the place of another one as packages do, whether
// that one runs or not.
func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
