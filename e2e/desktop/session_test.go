//go:build linux

package desktop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"mycoproxy/backend"
	"mycoproxy/e2e/proxies"
)

// session is the login session of a user who has nothing else: folders, a
// session bus, and environment variables.
type session struct {
	t       *testing.T
	folder  string
	env     []string // of all its programs, instead of the test's own
	prefix  []string // before the program under test, such as ip netns exec
	port    int      // on which applications reach Mycoproxy
	bus     *process
	conn    *dbus.Conn // of the test's own
	started int        // processes so far
}

// busConfig is a session bus that starts no services, so that a test has those
// that it starts itself and no others.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// newSession makes a session. Mycoproxy knows these peers in it, and no node.
func newSession(t *testing.T, peers string) *session {
	t.Helper()
	need(t, "dbus-daemon")
	folder, err := os.MkdirTemp("", "mpd") // not that of t, whose path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := &session{t: t, folder: folder, port: proxies.FreePort(t)}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + folder,
		"MYCOPROXY_NODE=", "MYCOPROXY_PEERS=" + peers, fmt.Sprintf("MYCOPROXY_LISTEN=[::]:%d", s.port),
	}
	for variable, name := range map[string]string{
		"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data", "XDG_STATE_HOME": "state",
	} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
		s.env = append(s.env, variable+"="+filepath.Join(folder, name))
	}
	s.startBus()
	return s
}

func (s *session) startBus() {
	s.t.Helper()
	socket, config := filepath.Join(s.folder, "run", "bus"), filepath.Join(s.folder, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.bus = s.start("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--config-file="+config)
	s.env = append(s.env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+socket)
	eventually(s.t, "the session bus answers", 5*time.Second, func() (ok bool) {
		var err error
		s.conn, err = dbus.Connect("unix:path=" + socket)
		return err == nil
	})
	s.t.Cleanup(func() { s.conn.Close() })
}

func (s *session) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Env = s.env
	return c
}

// mycoproxy starts the program under test, with arguments or, as the tray, without.
func (s *session) mycoproxy(args ...string) *process {
	s.t.Helper()
	line := append(append(s.prefix[:len(s.prefix):len(s.prefix)], binary), args...)
	name := "mycoproxy"
	if len(args) > 0 {
		name += " " + args[0]
	}
	return s.start(name, line[0], line[1:]...)
}

// serve starts the service and waits until it answers.
func (s *session) serve() *process {
	s.t.Helper()
	p := s.mycoproxy("serve")
	s.until("the service answers", func(state backend.State) bool { return state.PID == p.Process.Pid })
	return p
}

// state is what "mycoproxy status --json" says; zero if no service answers.
func (s *session) state() (state backend.State) {
	s.t.Helper()
	line := append(s.prefix[:len(s.prefix):len(s.prefix)], binary, "status", "--json")
	c := s.command(line[0], line[1:]...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		if c.ProcessState.ExitCode() == 3 { // not running
			return backend.State{}
		}
		s.t.Fatalf("mycoproxy status: %v: %s", err, errs.String())
	}
	if err := json.Unmarshal(out, &state); err != nil {
		s.t.Fatal(err)
	}
	return state
}

// until waits until the state is as it should be, and returns it.
func (s *session) until(what string, ok func(backend.State) bool) (state backend.State) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			text, _ := json.Marshal(state)
			s.t.Logf("the state is %s", text)
		}
	}()
	eventually(s.t, what, 15*time.Second, func() bool {
		state = s.state()
		return ok(state)
	})
	return state
}

// connectedTo reports that of a state, by the port of a remote on this machine.
func connectedTo(port int) func(backend.State) bool {
	return func(s backend.State) bool {
		return s.Phase == backend.Connected && s.Remote != nil && int(s.Remote.Address.Port()) == port
	}
}

func disconnected(s backend.State) bool { return s.PID != 0 && s.Phase == backend.Disconnected }
