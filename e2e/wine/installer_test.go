//go:build linux

package wine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

const uninstallKey = `HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\Mycoproxy`

// TestInstaller installs silently, uses the menu, upgrades while tray and service
// run, and uninstalls.
func TestInstaller(t *testing.T) {
	w := needWindows(t, "makensis", "zip")
	older, newer := setup(t, "v1.0.0"), setup(t, "v1.1.0")
	before := w.files(t)
	w.ok(t, "wine", older, "/S")
	folder := w.path("users/tester/AppData/Local/Programs/Mycoproxy")
	program := filepath.Join(folder, "mycoproxy.exe")
	for _, name := range []string{
		program, filepath.Join(folder, "uninstall.exe"), filepath.Join(folder, "LICENSES.txt"),
		w.path("users/tester/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Mycoproxy.lnk"),
	} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if out := w.ok(t, "wine", "reg", "query", uninstallKey); !strings.Contains(out, "1.0.0") {
		t.Errorf("the registry has %s", out)
	}
	hasResources(t, program)

	fast, middle, slow, secret := proxies.Some(t)
	env := []string{"MYCOPROXY_PEERS=" + proxies.Addresses(fast, middle, slow, secret), "MYCOPROXY_LISTEN=127.0.0.1:0", "MYCOPROXY_NOTIFICATIONS=false"}
	w.startTray(t, `C:\users\tester\AppData\Local\Programs\Mycoproxy\mycoproxy.exe`, env...)
	w.until(t, "all proxies are found", func(s backend.State) bool { return len(s.Proxies) == 4 && s.Version == "v1.0.0" })
	w.click(t, theRows, login)
	w.until(t, "the service works", func(s backend.State) bool { return s.PID != 0 && !s.Tray && len(s.Proxies) == 4 })
	w.click(t, theRows, connection)
	w.until(t, "connected", connectedTo(fast))
	w.openMenu(t, 1, theRows)
	w.shot(t, "menu-installed")
	w.closeMenu(t)

	began := time.Now()
	if err := w.start(env, "Z:"+strings.ReplaceAll(newer, "/", `\`), "/S"); err != nil { // where the tray is to come back
		t.Fatal(err)
	}
	w.until(t, "the new service is connected", func(s backend.State) bool { return s.Version == "v1.1.0" && !s.Tray && connectedTo(fast)(s) })
	eventually(t, "the new tray has its icon", 20*time.Second, func() bool { return len(w.running()) == 2 && w.icon(t) != nil })
	t.Logf("upgraded while it ran in %v", time.Since(began).Round(100*time.Millisecond))

	w.ok(t, "wine", filepath.Join(folder, "uninstall.exe"), "/S") // it goes on in a copy of itself
	eventually(t, "the program is gone", 20*time.Second, func() bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err)
	})
	w.nothingLeft(t)
	if after := w.files(t); after != before {
		t.Errorf("before there was:\n%s\nafter there is:\n%s", before, after)
	}
	eventually(t, "the uninstaller is out of the registry", 10*time.Second, func() bool {
		_, _, err := w.run(t.Context(), nil, "wine", "reg", "query", uninstallKey)
		return err != nil
	})
}

// hasResources looks for what Windows reads in the program's file.
func hasResources(t *testing.T, program string) {
	t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"permonitorv2", "asInvoker", "supportedOS", "F\x00i\x00l\x00e\x00V\x00e\x00r\x00s\x00i\x00o\x00n"} {
		if !bytes.Contains(text, []byte(resource)) {
			t.Errorf("%q is not in the program", resource)
		}
	}
}

// setup builds the installer of a version.
func setup(t *testing.T, version string) string {
	t.Helper()
	folder := t.TempDir()
	c := exec.Command("../../installer/build", folder, "windows")
	c.Env = append(os.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH=1767225600")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	found, err := filepath.Glob(filepath.Join(folder, "*-setup.exe"))
	if err != nil || len(found) != 1 {
		t.Fatalf("installers: %v, %v", found, err)
	}
	return found[0]
}

// files lists the user's files.
func (w *windows) files(t *testing.T) string {
	t.Helper()
	return w.ok(t, "find", w.path("users"), "-not", "-path", "*/Temp/*")
}
