package settings

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/adrg/xdg"
)

const folder = "mycoproxy"

// ConfigFile is the path of config.toml, whether it exists or not.
func ConfigFile() string { return filepath.Join(xdg.ConfigHome, folder, "config.toml") }

// StateFolder is where the program keeps what must outlast it.
func StateFolder() string { return filepath.Join(xdg.StateHome, folder) }

// LogFile is the path of the service's log.
func LogFile() string { return filepath.Join(StateFolder(), "mycoproxy.log") }

// TrayLogFile is the path of the tray's log; two programs cannot share one.
func TrayLogFile() string { return filepath.Join(StateFolder(), "mycoproxy-tray.log") }

// TrayLock is the file that a running tray holds locked.
func TrayLock() string { return filepath.Join(ControlFolder(), "tray.lock") }

// ControlFolder is where the control socket is. Where the system has no folder
// for what lasts as long as a session, as in a container or over some remote
// logins, it is the state folder.
func ControlFolder() string {
	if runtime.GOOS == "darwin" {
		return filepath.Join(xdg.DataHome, folder)
	}
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		if info, err := os.Stat(xdg.RuntimeDir); err != nil || !info.IsDir() {
			return StateFolder()
		}
	}
	return filepath.Join(xdg.RuntimeDir, folder)
}
