//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// alive reports whether a greeting comes back from a server that echoes.
func alive(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, passwordGreeting)
	_, err := io.ReadFull(c, make([]byte, len(passwordGreeting)))
	return err == nil
}

func TestFiveThousandIdleStreams(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab)
	s.connect("echo")
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range 5000 {
		c, err := s.stream()
		if err != nil {
			t.Fatalf("stream %d: %v", len(held), err)
		}
		held = append(held, c)
		if !alive(c) {
			t.Fatalf("stream %d carries nothing", len(held))
		}
	}
	if open := s.state().Streams.Open; open != 5000 {
		t.Errorf("%d streams are open", open)
	}
	pid := s.state().PID
	t.Logf("5000 idle streams: %d descriptors, %s", descriptors(pid), memory(pid, "VmRSS"))
	for i := 0; i < len(held); i += 500 {
		if !alive(held[i]) {
			t.Errorf("stream %d died", i)
		}
	}
}

// memory is a line of what the system says of a process's memory.
func memory(pid int, name string) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSpace(line)
		}
	}
	return "?"
}

// The listener, the control socket and the verdicts survive that the service runs
// out of descriptors.
func TestDescriptorsExhausted(t *testing.T) {
	lab := needLab(t, "prlimit")
	s := serveOn(t, lab.laptop(t), []string{"prlimit", "--nofile=256:256"}, asPeers(addressOf("micro"))...)
	s.until("one scan", 10*time.Second, scanned)
	s.connect("echo")
	var held []net.Conn
	working := 0
	for failed := 0; failed < 3; {
		c, err := s.stream()
		if err != nil { // it may be reset before it is there
			failed++
			continue
		}
		held = append(held, c)
		if alive(c) {
			working, failed = working+1, 0
		} else {
			failed++
		}
	}
	t.Logf("with 256 descriptors %d streams work", working)
	if working < 100 || working >= 128 {
		t.Errorf("%d streams work, want nearly 128", working)
	}
	for _, c := range held {
		c.Close()
	}
	took := eventually(t, "it serves again", 5*time.Second, func() bool {
		c, err := s.stream()
		if err != nil {
			return false
		}
		defer c.Close()
		return alive(c)
	})
	state := s.state()
	t.Logf("it serves again after %v", took)
	if !strings.Contains(s.process.printed(), "too many open files") {
		t.Error("nothing says that descriptors ran out")
	}
	if len(state.Proxies) != 1 {
		t.Errorf("the proxies known before are now %v", state.Proxies)
	}
}

func TestTerminatedInTheMiddleOfEverything(t *testing.T) {
	lab := needLab(t)
	n, addr := ownPeer(t, lab)
	// A thousand silent peers: the namespace takes a whole prefix for its own, and drops.
	for _, err := range []error{
		n.ip("-6", "route", "add", "local", "4ff::/16", "dev", "lo"),
		dropping(lab, n, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	laptop := lab.laptop(t)
	if err := laptop.ip("-6", "route", "add", "4ff::/16", "via", addr); err != nil {
		t.Fatal(err)
	}
	var silent []string
	for i := range 1000 {
		silent = append(silent, fmt.Sprintf("4ff:%x::1", i))
	}
	s := serveOn(t, laptop, nil, asPeers(silent...)...)
	s.connect("echo")
	for range 100 {
		c := s.mustStream()
		defer c.Close()
		if !alive(c) {
			t.Fatal("a stream carries nothing")
		}
	}
	if state := s.state(); !state.Probing.Scanning || state.Streams.Open != 100 || state.Probing.Peers != 1000 {
		t.Fatalf("state is %+v", state)
	}
	code, took := s.terminate()
	t.Logf("exit code %d after %v", code, took)
	if code != 0 || took > time.Second {
		t.Errorf("exit code %d after %v, want 0 within a second", code, took)
	}
}
