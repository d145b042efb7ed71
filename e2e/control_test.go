//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
)

// Another user is refused even if the permissions of socket and folders let anybody in.
func TestAnotherUserIsRefused(t *testing.T) {
	lab := needLab(t, "curl")
	s := serve(t, lab)
	folder := filepath.Join(s.runtimeFolder(), "mycoproxy")
	for path, mode := range map[string]os.FileMode{
		filepath.Dir(s.runtimeFolder()):       0o755,
		s.runtimeFolder():                     0o755,
		folder:                                0o755,
		filepath.Join(folder, "control.sock"): 0o666,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.laptop.command("setpriv", "--reuid", "65534", "--clear-groups", "curl", "-sS", "-w", " %{http_code}",
		"--unix-socket", filepath.Join(folder, "control.sock"), "http://x/api/v1/state").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "not yours") || !strings.HasSuffix(string(out), " 403") {
		t.Errorf("got %q, %v", out, err)
	}
}

// The calls of Mycelium's own command line work on the loopback API, and those of web
// pages do not.
func TestLoopbackAPI(t *testing.T) {
	lab := needLab(t, "curl")
	s := serve(t, lab, append(asPeers(addressOf("micro"), addressOf("microauth")), "--api", "127.0.0.1:8995")...)
	s.until("both are known", 10*time.Second, func(state backend.State) bool { return len(state.Proxies) == 2 })
	call := func(args ...string) string {
		t.Helper()
		out, err := s.laptop.command(append([]string{"curl", "-sS", "-w", " %{http_code}"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v: %s", args, err, out)
		}
		return strings.ReplaceAll(string(out), "\n", "")
	}
	const api = "http://127.0.0.1:8995/api/v1/admin/proxy"
	for _, c := range []struct {
		want string
		args []string
	}{
		{`["` + addressOf("micro") + `"] 200`, []string{api}},
		{`"` + at(addressOf("micro")).String() + `" 200`, []string{"-d", `{"remote":null}`, "-H", "Content-Type: application/json", api}},
		{` 204`, []string{"-X", "DELETE", api}},
		{`"` + at(addressOf("microauth")).String() + `" 200`, []string{"-d", `{"remote":"` + at(addressOf("microauth")).String() + `"}`, api}},
		{` 204`, []string{"-X", "DELETE", api}},
		{` 204`, []string{"-X", "DELETE", api + "/probe"}},
		{` 204`, []string{api + "/probe"}},
		{`{"error":"web pages may not use this API","code":"bad_request"} 403`, []string{"-H", "Origin: https://example.org", api + "/probe"}},
		{`{"error":"the Host of a request must be 127.0.0.1:8995","code":"bad_request"} 403`, []string{"-H", "Host: example.org:8995", api}},
	} {
		if got := call(c.args...); got != c.want {
			t.Errorf("curl %v: %s, want %s", c.args, got, c.want)
		}
	}
}
