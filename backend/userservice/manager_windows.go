package userservice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// Under the Run key there is a value for the service and one for the tray. Under
// approvedKey Windows keeps which of them the user has turned off: then the first
// byte of the value of the same name is odd.
const (
	runKey       = `Software\Microsoft\Windows\CurrentVersion\Run`
	approvedKey  = `Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run`
	serviceValue = "Mycoproxy service"
	trayValue    = "Mycoproxy"
)

const stopLimit = 5000 // milliseconds, for a service that has said that it ends

func (m Manager) install(ctx context.Context, program string) error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("open the Run key: %w", err)
	}
	defer k.Close()
	for value, command := range map[string]string{serviceValue: "serve", trayValue: "tray"} {
		if err := deleteValue(approvedKey, value); err != nil {
			return fmt.Errorf("turn %s on again: %w", value, err)
		}
		if err := k.SetStringValue(value, `"`+program+`" `+command); err != nil {
			return fmt.Errorf("register %s: %w", value, err)
		}
	}
	return m.start(ctx)
}

func (m Manager) uninstall(ctx context.Context) error {
	for _, value := range []string{serviceValue, trayValue} {
		for _, key := range []string{runKey, approvedKey} {
			if err := deleteValue(key, value); err != nil {
				return fmt.Errorf("remove %s: %w", value, err)
			}
		}
	}
	return m.stop(ctx)
}

// start starts the service without a console, so that it outlives the console of
// the caller and is not ended by a Ctrl-C there.
func (m Manager) start(ctx context.Context) error {
	program, err := registered(serviceValue)
	if err != nil {
		return err
	}
	if program == "" {
		return ErrNotInstalled
	}
	if m.pid(ctx) != 0 {
		return nil
	}
	c := exec.Command(program, "serve")
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	return c.Process.Release()
}

// stop waits for the process to be gone, since until then its files can be
// neither replaced nor removed.
func (m Manager) stop(ctx context.Context) error {
	pid := m.pid(ctx)
	if pid == 0 {
		return nil
	}
	if m.Shutdown == nil {
		return errors.New("stop the service: nothing here can")
	}
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("stop the service, process %d: %w", pid, err)
	}
	defer windows.CloseHandle(process)
	if err := m.Shutdown(ctx); err != nil {
		return err
	}
	if event, err := windows.WaitForSingleObject(process, stopLimit); event != windows.WAIT_OBJECT_0 {
		return fmt.Errorf("stop the service: process %d still runs: %w", pid, cmp.Or(err, error(windows.WAIT_TIMEOUT)))
	}
	return nil
}

func (m Manager) status(ctx context.Context) (Status, error) {
	program, err := registered(serviceValue)
	if err != nil {
		return Status{}, err
	}
	tray, err := registered(trayValue)
	pid := m.pid(ctx)
	return Status{
		Installed:   program != "",
		Enabled:     program != "" && !turnedOff(serviceValue),
		Running:     pid != 0,
		PID:         pid,
		Program:     program,
		TrayAtLogin: tray != "" && !turnedOff(trayValue),
	}, err
}

func (m Manager) pid(ctx context.Context) int {
	if m.Running == nil {
		return 0
	}
	return m.Running(ctx)
}

// registered is the program of a value under the Run key, empty if there is none.
func registered(value string) (string, error) {
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open the Run key: %w", err)
	}
	defer k.Close()
	command, _, err := k.GetStringValue(value)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s under the Run key: %w", value, err)
	}
	program, _, _ := strings.Cut(strings.TrimPrefix(command, `"`), `"`)
	return program, nil
}

func turnedOff(value string) bool {
	k, err := registry.OpenKey(registry.CURRENT_USER, approvedKey, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	defer k.Close()
	b, _, err := k.GetBinaryValue(value)
	return err == nil && len(b) > 0 && b[0]%2 == 1
}

// deleteValue deletes a value if there is one.
func deleteValue(key, value string) error {
	k, err := registry.OpenKey(registry.CURRENT_USER, key, registry.SET_VALUE)
	if err == nil {
		defer k.Close()
		err = k.DeleteValue(value)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
