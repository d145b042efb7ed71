package userservice

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
	"github.com/natefinch/atomic"
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
	removeEmpty(filepath.Dir(entryFile()))
	return nil
}

// entryEnabled reports whether there is an entry that desktops heed; their
// settings turn it off by a line in it.
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

// removeEmpty removes the folder, and those above it in the user's home, as long
// as they are empty.
func removeEmpty(folder string) {
	home, err := os.UserHomeDir()
	for err == nil && strings.HasPrefix(folder, home+string(filepath.Separator)) {
		if err = os.Remove(folder); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		folder = filepath.Dir(folder)
	}
}
