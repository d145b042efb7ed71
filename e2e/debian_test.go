//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packaged is where the packages put the program.
const packaged = "/usr/bin/mycoproxy"

// TestDebianPackage is the package's life on a minimal system: installed, used by
// an ordinary user, upgraded and purged while his service runs.
func TestDebianPackage(t *testing.T) {
	need(t, "systemd-nspawn", "debootstrap", "nsenter", "apt-get", "dpkg-deb")
	c := newContainer(t, func(root string) {
		for version, name := range map[string]string{"v1.0.0": "older.deb", "v1.1.0": "newer.deb"} {
			if err := run("cp", build(t, version, "deb")[0], filepath.Join(root, "srv", name)); err != nil {
				t.Fatal(err)
			}
		}
	})
	files, home := c.files(), c.must("find . | sort")

	began := time.Now()
	c.asRoot("apt-get install -y --no-install-recommends /srv/older.deb")
	t.Logf("installed in %v", time.Since(began).Round(10*time.Millisecond))
	if pids := c.programs(); pids != "" {
		t.Errorf("installing started %s", pids)
	}
	if after := c.must("find . | sort"); after != home {
		t.Errorf("installing changed a user's home folder:\n%s", after)
	}
	c.must("systemd-analyze --user verify /usr/lib/systemd/user/mycoproxy.service")
	contains(t, c.must("mycoproxy demo --once"), "page")

	c.must("mycoproxy service install")
	before := c.service()
	if before.Program != packaged || before.Version != "v1.0.0" || !before.Running {
		t.Errorf("after the installation: %+v", before)
	}
	c.asRoot("apt-get install -y --no-install-recommends /srv/newer.deb")
	eventually(t, "the new version runs", 5*time.Second, func() bool {
		s := c.service()
		return s.Running && s.Version == "v1.1.0" && s.PID != before.PID
	})

	// A program that no service manager knows, such as the tray.
	c.must("setsid mycoproxy demo >/dev/null 2>&1 </dev/null &")
	eventually(t, "two of them run", 5*time.Second, func() bool { return strings.Count(c.programs(), "\n") == 2 })
	began = time.Now()
	c.asRoot("apt-get purge -y mycoproxy")
	t.Logf("removed in %v", time.Since(began).Round(10*time.Millisecond))
	if pids := c.programs(); pids != "" {
		t.Errorf("after the removal there runs %s", pids)
	}
	if out := c.must("systemctl --user list-units --all --no-legend 'mycoproxy*'"); out != "" {
		t.Errorf("the user manager remembers: %s", out)
	}
	if after := c.must("find . | sort"); after != home {
		t.Errorf("the home folder before:\n%safter:\n%s", home, after)
	}
	if after := c.files(); after != files {
		t.Errorf("left behind: %s", difference(files, after))
	}
}

// asRoot runs a shell line as root, which must go well.
func (c *container) asRoot(line string) {
	c.t.Helper()
	out, code := c.inside("env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", line)
	if code != 0 {
		c.t.Fatalf("%s: exit code %d: %s", line, code, out)
	}
	if strings.Contains(out, "mycoproxy: ") || strings.Contains(out, "Failed") {
		c.t.Errorf("%s complains: %s", line, out)
	}
}

// programs is a line for each process of the program.
func (c *container) programs() string {
	out, _ := c.inside("sh", "-c", "ls -l /proc/[0-9]*/exe 2>/dev/null | grep "+packaged)
	return out
}

// files lists the container's file system, without what lives from run to run.
func (c *container) files() string {
	c.t.Helper()
	out, code := c.inside("sh", "-c", "find / -xdev -path /var/log -prune -o -path /var/lib/systemd -prune -o "+
		"-path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -path /var/cache -prune -o -path /tmp -prune -o "+
		"-path /var/tmp -prune -o -path /home -prune -o -print | sort; dpkg --get-selections")
	if code != 0 {
		c.t.Fatal(out)
	}
	return out
}

// difference is the lines of b that are not in a.
func difference(a, b string) string {
	known := map[string]bool{}
	for line := range strings.Lines(a) {
		known[line] = true
	}
	var more strings.Builder
	for line := range strings.Lines(b) {
		if !known[line] {
			fmt.Fprint(&more, line)
		}
	}
	return more.String()
}
