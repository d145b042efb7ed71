//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
)

// service is "mycoproxy serve" on a laptop.
type service struct {
	*control.Client
	t       testing.TB
	laptop  *namespace
	folder  string // its home
	env     []string
	args    []string
	prefix  []string // before the program, such as prlimit
	process *process
}

// serve starts the service on a laptop of its own, without a node unless args name one.
func serve(t *testing.T, lab *lab, args ...string) *service {
	t.Helper()
	return serveOn(t, lab.laptop(t), nil, args...)
}

func serveOn(t testing.TB, laptop *namespace, prefix []string, args ...string) *service {
	t.Helper()
	folder, err := os.MkdirTemp("", "mpe") // not that of t, whose path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	run := filepath.Join(folder, "run")
	s := &service{
		folder: folder,
		t:      t,
		laptop: laptop,
		prefix: prefix,
		args:   append([]string{"--node", ""}, args...),
		env: []string{
			"HOME=" + folder, "XDG_RUNTIME_DIR=" + run,
			"XDG_CONFIG_HOME=" + filepath.Join(folder, "config"), "XDG_STATE_HOME=" + filepath.Join(folder, "state"),
		},
		Client: control.NewClient(filepath.Join(run, "mycoproxy")),
	}
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() {
		s.Close()
		s.process.stop()
		if t.Failed() {
			t.Logf("the service says:\n%s", s.process.printed())
		}
	})
	return s
}

// runtimeFolder is its XDG_RUNTIME_DIR.
func (s *service) runtimeFolder() string { return filepath.Join(s.folder, "run") }

// start starts the service, again after it has ended, and waits until it answers.
func (s *service) start() {
	s.t.Helper()
	command := append(append(s.prefix, binary, "serve"), s.args...)
	p, err := s.laptop.start("serve", s.env, command...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = p
	eventually(s.t, "the service answers", 5*time.Second, func() bool {
		_, err := s.State(s.t.Context())
		return err == nil
	})
}

// cli runs a command of the program; it returns what was printed and the exit code.
func (s *service) cli(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	c := s.laptop.command(append([]string{binary}, args...)...)
	c.Env = append(os.Environ(), s.env...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// state is the newest snapshot.
func (s *service) state() backend.State {
	s.t.Helper()
	state, err := s.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// until waits for a state that is as wanted, and returns how long that took.
func (s *service) until(what string, limit time.Duration, wanted func(backend.State) bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	found := false
	var last backend.State
	s.Watch(ctx, func(state backend.State) {
		last = state
		if found = found || wanted(state); found {
			cancel()
		}
	})
	if !found {
		s.t.Fatalf("%s: not within %v; the state is %+v, remote %+v", what, limit, last, last.Remote)
	}
	return time.Since(began)
}

func scanned(s backend.State) bool { return !s.Probing.Last.IsZero() && !s.Probing.Scanning }

// connect connects to a peer of the lab, or to the fastest if name is empty.
func (s *service) connect(name string) netip.AddrPort {
	s.t.Helper()
	var remote netip.AddrPort
	if name != "" {
		remote = at(addressOf(name))
	}
	got, err := s.Connect(s.t.Context(), remote)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// connectTo connects to a peer of another address.
func (s *service) connectTo(addr string) {
	s.t.Helper()
	if _, err := s.Connect(s.t.Context(), at(addr)); err != nil {
		s.t.Fatal(err)
	}
}

// mustStream is a stream that begins.
func (s *service) mustStream() net.Conn {
	s.t.Helper()
	c, err := s.stream()
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func at(addr string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), backend.DefaultPort)
}

// stream connects an application on the laptop to the listener.
func (s *service) stream() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	return s.laptop.dial(ctx, "tcp", "127.0.0.1:1080")
}

// socks connects to a target, by its name, through the listener and the remote.
func (s *service) socks(target string) (net.Conn, error) {
	dialer, err := proxy.SOCKS5("tcp", "127.0.0.1:1080", nil, forward{s})
	if err != nil {
		return nil, err
	}
	return dialer.Dial("tcp", target)
}

// forward makes the SOCKS library dial on the laptop.
type forward struct{ s *service }

func (f forward) Dial(network, address string) (net.Conn, error) {
	c, err := f.s.stream()
	if err == nil {
		err = c.SetDeadline(time.Now().Add(time.Minute)) // no test waits for longer
	}
	return c, err
}

// get fetches a page through the listener and returns its size.
func (s *service) get(path string) (int64, error) {
	client := http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				c, err := s.socks(address)
				if err != nil {
					return nil, fmt.Errorf("through the proxy: %w", err)
				}
				return c, nil
			},
		},
	}
	response, err := client.Get("http://web.test" + path)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return io.Copy(io.Discard, response.Body)
}

// mustGet fetches the small page.
func (s *service) mustGet() {
	s.t.Helper()
	if n, err := s.get("/"); err != nil || n != int64(len(indexPage)) {
		s.t.Fatalf("the page: %d bytes, %v", n, err)
	}
}

// listener is the inode of the listening socket, which another socket never has.
func (s *service) listener() string {
	s.t.Helper()
	for _, l := range sockets(s.t, s.state().PID) {
		if l.localPort == backend.DefaultPort && l.state == listening {
			return l.inode
		}
	}
	s.t.Fatal("nothing listens on 1080")
	return ""
}

// terminate asks the service to end, and returns its exit code and how long that took.
func (s *service) terminate() (code int, took time.Duration) {
	began := time.Now()
	s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.process.ended:
	case <-time.After(20 * time.Second):
		s.t.Fatal("the service does not end")
	}
	return s.process.ProcessState.ExitCode(), time.Since(began)
}

// asPeers makes --peer flags.
func asPeers(addrs ...string) (args []string) {
	for _, a := range addrs {
		args = append(args, "--peer", a)
	}
	return args
}

func contains(t testing.TB, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in %q", part, text)
	}
}
