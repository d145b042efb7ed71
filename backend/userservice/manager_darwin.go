package userservice

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/kardianos/service"
)

// agent is one of the two launch agents.
type agent struct {
	label   string
	command string // of the program
	restart bool   // it is started again after a crash
}

var (
	theService = agent{appID + ".service", "serve", true}
	theTray    = agent{appID + ".tray", "tray", false}
)

func (m Manager) install(ctx context.Context, program string) error {
	for _, a := range []agent{theTray, theService} {
		if err := a.install(program); err != nil {
			return err
		}
	}
	return m.start(ctx)
}

func (m Manager) uninstall(context.Context) error {
	for _, a := range []agent{theTray, theService} {
		if err := a.remove(); err != nil {
			return err
		}
		if err := os.Remove(a.log()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (m Manager) start(context.Context) error {
	if _, err := theService.program(); err != nil {
		return ErrNotInstalled
	}
	s, err := theService.service("")
	if err != nil {
		return err
	}
	if now, err := s.Status(); err == nil && now == service.StatusRunning {
		return nil
	}
	s.Stop() // launchd may have loaded it although it does not run, and loads none twice
	if err := s.Start(); err != nil {
		return fmt.Errorf("load the launch agent: %w", err)
	}
	return nil
}

func (m Manager) stop(context.Context) error {
	s, err := theService.service("")
	if err != nil {
		return err
	}
	if now, err := s.Status(); err != nil || now != service.StatusRunning {
		return nil
	}
	if err := s.Stop(); err != nil {
		return fmt.Errorf("unload the launch agent: %w", err)
	}
	return nil
}

func (m Manager) status(ctx context.Context) (Status, error) {
	var status Status
	program, err := theService.program()
	if status.Installed = err == nil; status.Installed {
		status.Program, status.Enabled = program, true
	}
	_, err = theTray.program()
	status.TrayAtLogin = err == nil
	s, err := theService.service("")
	if err != nil {
		return status, err
	}
	if now, err := s.Status(); err == nil && now == service.StatusRunning {
		status.Running = true
		if m.Running != nil {
			status.PID = m.Running(ctx)
		}
	}
	return status, nil
}

// install registers the agent, and does nothing if it is registered with this
// program already.
func (a agent) install(program string) error {
	if now, err := a.program(); err == nil && now == program {
		return nil
	}
	if err := a.remove(); err != nil {
		return err
	}
	s, err := a.service(program)
	if err != nil {
		return err
	}
	if err := s.Install(); err != nil {
		return fmt.Errorf("register the launch agent %s: %w", a.label, err)
	}
	return nil
}

// remove removes the agent's file, if there is one. It ends the service, but not
// the tray, which may be the caller.
func (a agent) remove() error {
	s, err := a.service("")
	switch {
	case err != nil:
	case a == theTray:
		err = os.Remove(a.file())
	default:
		err = s.Uninstall()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the launch agent %s: %w", a.label, err)
	}
	return nil
}

func (a agent) service(program string) (service.Service, error) {
	config := trayAgent
	if a.restart {
		config = serviceAgent
	}
	return service.New(nil, &service.Config{
		Name:       a.label,
		Executable: program,
		Arguments:  []string{a.command},
		Option: service.KeyValue{
			"UserService":   true,
			"LogDirectory":  filepath.Dir(a.log()),
			"LaunchdConfig": config,
		},
	})
}

// file and log are the paths that the library gives to the agent's files.
func (a agent) file() string {
	return filepath.Join(xdg.Home, "Library", "LaunchAgents", a.label+".plist")
}
func (a agent) log() string { return filepath.Join(xdg.Home, "Library", "Logs", a.label+".err.log") }

// program is the binary that the agent's file names.
func (a agent) program() (string, error) {
	f, err := os.Open(a.file())
	if err != nil {
		return "", err
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	for found := false; ; {
		token, err := d.Token()
		if err != nil {
			return "", fmt.Errorf("read %s: %w", f.Name(), err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "key" && start.Name.Local != "string" {
			continue
		}
		var text string
		if err := d.DecodeElement(&text, &start); err != nil {
			return "", fmt.Errorf("read %s: %w", f.Name(), err)
		}
		if found {
			return text, nil
		}
		found = text == "ProgramArguments"
	}
}

const (
	agentHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{{Name | html}}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{{Path | html}}</string>
{{range Arguments}}		<string>{{. | html}}</string>
{{end}}	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>StandardErrorPath</key>
	<string>{{StandardErrorPath | html}}</string>
`
	agentTail = `</dict>
</plist>
`
	serviceAgent = agentHead + `	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>1</integer>
` + agentTail

	// The tray is for a session with a desktop, and is not started again when the
	// user has quit it.
	trayAgent = agentHead + `	<key>LimitLoadToSessionType</key>
	<string>Aqua</string>
	<key>ProcessType</key>
	<string>Interactive</string>
` + agentTail
)
