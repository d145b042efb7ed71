package userservice

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
	"github.com/natefinch/atomic"

	"mycoproxy/backend/settings"
)

func entryFile() string {
	return filepath.Join(xdg.ConfigHome, "autostart", appID+".desktop")
}

func writeEntry(program string) error {
	if err := os.MkdirAll(filepath.Dir(entryFile()), 0o755); err != nil {
		return err
	}
	if err := atomic.WriteFile(entryFile(), strings.NewReader(entry(program))); err != nil {
		return err
	}
	return os.Chmod(entryFile(), 0o644)
}

func removeEntry() error {
	if err := os.Remove(entryFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	settings.RemoveEmpty(filepath.Dir(entryFile()))
	return nil
}

// entryEnabled reports whether there is an entry and it is not turned off, which
// the settings of a desktop do by a line in it.
func entryEnabled() bool {
	text, err := os.ReadFile(entryFile())
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		switch strings.TrimSpace(line) {
		case "Hidden=true", "X-GNOME-Autostart-enabled=false":
			return false
		}
	}
	return true
}
