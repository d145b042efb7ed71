package userservice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"

	"mycoproxy/backend/settings"
)

func (m Manager) install(ctx context.Context, program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("register the service: %w", err)
	}
	if strings.ContainsAny(program, `"'\`) {
		return fmt.Errorf("register %s: systemd takes no path with quotes or backslashes", program)
	}
	if err := writeEntry(program); err != nil {
		return fmt.Errorf("register the tray: %w", err)
	}
	u, err := showUnit(ctx)
	if err != nil {
		return err
	}
	if u.load == unitMasked {
		return ErrMasked
	}
	file, err := unitFile()
	if err != nil {
		return err
	}
	now, err := os.ReadFile(file)
	if err == nil && string(now) == Unit(program) && u.enabled {
		return m.start(ctx)
	}
	if err == nil {
		// The library replaces no unit. A service that runs goes on without its unit.
		if err := removeUnit(file); err != nil {
			return err
		}
	}
	s, err := newService(Unit(program))
	if err != nil {
		return err
	}
	if err := s.Install(); err != nil {
		os.Remove(file)
		return fmt.Errorf("register the unit %s: %w", file, err)
	}
	if u.active { // it runs as the old unit says
		if err := s.Stop(); err != nil {
			return fmt.Errorf("stop the unit: %w", err)
		}
	}
	return m.start(ctx)
}

func (m Manager) uninstall(ctx context.Context) error {
	if err := removeEntry(); err != nil {
		return fmt.Errorf("remove the tray's entry: %w", err)
	}
	file, err := unitFile()
	if err != nil {
		return err
	}
	u, err := showUnit(ctx)
	_, missing := os.Lstat(file)
	if errors.Is(err, ErrNoManager) && errors.Is(missing, fs.ErrNotExist) {
		return nil // nothing is registered, and without a manager nothing runs
	}
	if err != nil {
		return err
	}
	if err := m.stop(ctx); err != nil {
		return err
	}
	if u.load != unitMasked && (missing == nil || u.enabled) { // a mask is the user's own, and stays
		if err := removeUnit(file); err != nil {
			return err
		}
	}
	systemctl(ctx, "reset-failed", unitName) // else the manager goes on listing a unit that crashed
	settings.RemoveEmpty(filepath.Join(filepath.Dir(file), "default.target.wants"))
	return nil
}

// removeUnit disables the unit and removes the user's own file of it; a package's
// file stays.
func removeUnit(file string) error {
	s, err := newService("")
	if err != nil {
		return err
	}
	if err := s.Uninstall(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the unit %s: %w", file, err)
	}
	return nil
}

func (m Manager) start(ctx context.Context) error {
	u, err := showUnit(ctx)
	switch {
	case err != nil:
		return err
	case u.load == unitMasked:
		return ErrMasked
	case u.load == unitAbsent:
		return ErrNotInstalled
	case u.load != unitLoaded:
		return fmt.Errorf("start the unit: systemd finds it to be %s", u.load)
	case u.pid != 0:
		return nil
	}
	s, err := newService("")
	if err != nil {
		return err
	}
	systemctl(ctx, "reset-failed", unitName) // else a unit that crashed too often is not started
	if err := s.Start(); err != nil {
		return fmt.Errorf("start the unit: %w", err)
	}
	if u, err = showUnit(ctx); err == nil && !u.condition {
		err = fmt.Errorf("start the unit: %s is no program that can be run", u.program)
	}
	return err
}

func (m Manager) stop(ctx context.Context) error {
	u, err := showUnit(ctx)
	if err != nil || !u.active {
		return err
	}
	s, err := newService("")
	if err == nil {
		err = s.Stop()
	}
	if err != nil {
		return fmt.Errorf("stop the unit: %w", err)
	}
	return nil
}

func (m Manager) status(ctx context.Context) (Status, error) {
	file, err := unitFile()
	if err != nil {
		return Status{}, err
	}
	u, unknown := showUnit(ctx)
	_, err = os.Stat(file)
	s := Status{
		Installed:   err == nil && u.load != unitMasked || u.enabled,
		Enabled:     u.enabled,
		Running:     u.pid != 0,
		PID:         u.pid,
		TrayAtLogin: entryEnabled(),
	}
	if s.Installed || s.Running {
		s.Program = u.program
	}
	return s, unknown
}

// newService returns the library's service for our unit. The library makes a
// unit from a template, so it is given one that consists of the description
// alone, and our unit as the description. It is not asked whether there is
// systemd, as service.New would do: it looks at process 1, which in a container
// may be any program, and we have asked systemctl.
func newService(unit string) (service.Service, error) {
	for _, system := range service.AvailableSystems() {
		if system.String() == "linux-systemd" {
			return system.New(nil, &service.Config{
				Name:        strings.TrimSuffix(unitName, ".service"),
				Description: unit,
				Option:      service.KeyValue{"UserService": true, "SystemdScript": "{{Description}}"},
			})
		}
	}
	return nil, errors.ErrUnsupported
}

// unitFile is the path at which the library puts the unit.
func unitFile() (string, error) {
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".config", "systemd", "user", unitName), err
}
