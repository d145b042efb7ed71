package userservice

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adrg/xdg"
)

// fakeSystemctl is a systemctl with a user manager behind it. It prints the file
// "answer" when asked to show a unit, and writes down what else it is asked for.
// If there is a file "failure", it prints that and fails.
const fakeSystemctl = `#!/bin/sh
cd "$FAKE" || exit 1
if [ -e failure ]; then cat failure >&2; exit 1; fi
case "$*" in
*show*) cat answer ;;
*) echo "$*" | sed 's/ *--user//' >>asked ;;
esac
`

// machine has a home folder and a fake user manager.
type machine struct {
	t                   *testing.T
	home, fake, program string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t, t.TempDir(), t.TempDir(), ""}
	m.program = filepath.Join(m.fake, "my program")
	for _, name := range []string{m.program, filepath.Join(m.fake, "systemctl")} {
		if err := os.WriteFile(name, []byte(fakeSystemctl), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", m.fake+":/usr/bin:/bin")
	t.Setenv("FAKE", m.fake)
	t.Setenv("HOME", m.home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(m.home, ".config"))
	t.Setenv("XDG_RUNTIME_DIR", m.fake)
	xdg.Reload()
	t.Cleanup(xdg.Reload)
	m.says("LoadState=not-found\nActiveState=inactive\n")
	return m
}

// says sets what the user manager tells about the unit.
func (m machine) says(answer string) { m.write("answer", answer) }

func (m machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.fake, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// asked is what the user manager was asked for since the last call.
func (m machine) asked() (list []string) {
	text, _ := os.ReadFile(filepath.Join(m.fake, "asked"))
	os.Remove(filepath.Join(m.fake, "asked"))
	for line := range strings.Lines(string(text)) {
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		list = append(list, verb)
	}
	return list
}

// files are the files and folders in the home.
func (m machine) files() (list []string) {
	filepath.WalkDir(m.home, func(path string, _ os.DirEntry, _ error) error {
		if path != m.home {
			list = append(list, strings.TrimPrefix(path, m.home+"/"))
		}
		return nil
	})
	return list
}

func (m machine) wantAsked(want ...string) {
	m.t.Helper()
	if got := m.asked(); !slices.Equal(got, want) {
		m.t.Errorf("the user manager was asked for %q, want %q", got, want)
	}
}

const runs = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nConditionResult=yes\nMainPID=7\n" +
	"ExecStart={ path=/opt/a b/mycoproxy ; argv[]=/opt/a b/mycoproxy serve ; ignore_errors=no }\n"

func TestInstallAndUninstall(t *testing.T) {
	m := newMachine(t)
	var manager Manager
	m.says("LoadState=loaded\nActiveState=inactive\nConditionResult=yes\n")
	if err := manager.install(t.Context(), m.program); err != nil {
		t.Fatal(err)
	}
	m.wantAsked("enable", "daemon-reload", "reset-failed", "start")
	unit, err := os.ReadFile(filepath.Join(m.home, ".config/systemd/user/mycoproxy.service"))
	if err != nil || string(unit) != Unit(m.program) {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	m.says(runs)
	got, err := manager.status(t.Context())
	want := Status{Installed: true, Enabled: true, Running: true, PID: 7, Program: "/opt/a b/mycoproxy", TrayAtLogin: true}
	if got != want || err != nil {
		t.Errorf("status: %+v, %v; want %+v", got, err, want)
	}

	// Again, then with another program: the running one goes on meanwhile.
	if err := manager.install(t.Context(), m.program); err != nil {
		t.Fatal(err)
	}
	m.wantAsked()
	other := m.program + "2"
	if err := os.Symlink(m.program, other); err != nil {
		t.Fatal(err)
	}
	if err := manager.install(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	m.wantAsked("disable", "daemon-reload", "enable", "daemon-reload", "stop")

	if err := manager.uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.wantAsked("stop", "disable", "daemon-reload", "reset-failed")
	if left := m.files(); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestTurnedOffByTheUser(t *testing.T) {
	m := newMachine(t)
	if err := writeEntry(m.program); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{"": true, "Hidden=true": false, "X-GNOME-Autostart-enabled=false": false} {
		text := strings.ReplaceAll(entry(m.program), "X-GNOME-Autostart-enabled=true\n", line+"\n")
		if err := os.WriteFile(entryFile(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := entryEnabled(); got != want {
			t.Errorf("with %q: %v, want %v", line, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	var manager Manager
	for name, c := range map[string]struct {
		answer, failure string
		do              func(machine) error
		want            error
		says            string
	}{
		"install where nothing connects": {
			failure: "Failed to connect to bus: No medium found\nand more\n",
			do:      func(m machine) error { return manager.install(t.Context(), m.program) },
			want:    ErrNoManager, says: "no service manager for this user: Failed to connect to bus: No medium found",
		},
		"uninstall where nothing connects": {
			failure: "Failed to connect to bus: No medium found\n",
			do:      func(machine) error { return manager.uninstall(t.Context()) },
		},
		"start what is not there": {
			answer: "LoadState=not-found\n",
			do:     func(machine) error { return manager.start(t.Context()) },
			want:   ErrNotInstalled,
		},
		"stop what is not there": {
			answer: "LoadState=not-found\nActiveState=inactive\n",
			do:     func(machine) error { return manager.stop(t.Context()) },
		},
		"start what is masked": {
			answer: "LoadState=masked\n",
			do:     func(machine) error { return manager.start(t.Context()) },
			want:   ErrMasked,
		},
		"start what makes no sense to systemd": {
			answer: "LoadState=bad-setting\n",
			do:     func(machine) error { return manager.start(t.Context()) },
			says:   "start the unit: systemd finds it to be bad-setting",
		},
		"start what was removed": {
			answer: "LoadState=loaded\nConditionResult=no\nExecStart={ path=/gone ; argv[]=/gone serve }\n",
			do:     func(machine) error { return manager.start(t.Context()) },
			says:   "start the unit: /gone is no program that can be run",
		},
		"install what is not there": {
			do:   func(m machine) error { return manager.install(t.Context(), m.program+" no") },
			want: os.ErrNotExist,
		},
		"install what systemd cannot run": {
			do: func(m machine) error {
				quoted := filepath.Join(m.fake, `it's`)
				if err := os.Symlink(m.program, quoted); err != nil {
					return err
				}
				return manager.install(t.Context(), quoted)
			},
			says: "systemd takes no path with quotes or backslashes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.says(c.answer)
			if c.failure != "" {
				m.write("failure", c.failure)
			}
			err := c.do(m)
			if (err == nil) != (c.want == nil && c.says == "") || c.want != nil && !errors.Is(err, c.want) ||
				err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v %q", err, c.want, c.says)
			}
			if entries := m.files(); (len(entries) > 0) != (c.failure != "" && c.want != nil) {
				t.Errorf("written: %q", entries)
			}
		})
	}
	newMachine(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := manager.status(t.Context()); !errors.Is(err, ErrNoManager) || !strings.Contains(err.Error(), "systemctl is not there") {
		t.Errorf("without systemd: %v", err)
	}
}
