package main

import (
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/armon/go-socks5"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mycoproxy": main})
}

// TestScripts runs the commands as users do; the scripts are in testdata. They
// have a SOCKS5 server at $PROXY, one that needs a password at $LOCKED, and
// nothing at $NOBODY.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			for name, config := range map[string]*socks5.Config{
				"PROXY":  {},
				"LOCKED": {Credentials: socks5.StaticCredentials{"a": "b"}},
			} {
				config.Logger = log.New(io.Discard, "", 0)
				server, err := socks5.New(config)
				if err != nil {
					return err
				}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				e.Defer(func() { l.Close() })
				go server.Serve(l)
				e.Setenv(name, l.Addr().String())
			}
			e.Setenv("NOBODY", "127.0.0.1:1") // no system gives this port to whoever asks for any
			for _, name := range []string{"RUNTIME_DIR", "CONFIG_HOME", "STATE_HOME"} {
				folder := filepath.Join(e.WorkDir, "xdg", name)
				if err := os.MkdirAll(folder, 0o700); err != nil {
					return err
				}
				e.Setenv("XDG_"+name, folder)
			}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second to end
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "exit": exit},
	})
}

// exit runs mycoproxy and wants an exit code: exit CODE ARGUMENT...
func exit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exit code argument...")
	}
	code := 0
	err := ts.Exec("mycoproxy", args[1:]...)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; want != strconv.Itoa(code) {
		ts.Fatalf("mycoproxy %v: exit code %d, want %s", args[1:], code, want)
	}
}

// until runs a command again and again until it succeeds and its output
// matches, for ten seconds at most: until PATTERN COMMAND...
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until pattern command...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v: %v", args, err)
		}
	}
}
