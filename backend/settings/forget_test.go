package settings

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/adrg/xdg"
)

// TestForget: on some systems settings, the last command and logs share a folder.
func TestForget(t *testing.T) {
	home := t.TempDir()
	shared := filepath.Join(home, "shared")
	for name, folder := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": shared, "XDG_STATE_HOME": shared, "XDG_DATA_HOME": shared, "XDG_RUNTIME_DIR": shared,
	} {
		t.Setenv(name, folder)
	}
	xdg.Reload()
	t.Cleanup(xdg.Reload)
	folder := StateFolder()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.toml", lastCommandFile, "mycoproxy.log", "mycoproxy-2026-01-02T03-04-05.000.log", "mycoproxy-tray.log", "control.sock", "control.lock", "tray.lock", "config.toml.lock"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Forget(func() {}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || !slices.Equal(left, []string{ConfigFile()}) {
		t.Errorf("left: %q, %v; want the settings file alone", left, err)
	}
	if err := os.Remove(ConfigFile()); err != nil {
		t.Fatal(err)
	}
	if err := Forget(func() {}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(shared); !os.IsNotExist(err) {
		t.Errorf("the empty folders are still there: %v", err)
	}
	if _, err := os.Stat(home); err != nil {
		t.Errorf("the home is not: %v", err)
	}
}
