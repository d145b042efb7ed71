//go:build linux

package wine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// forwarderTests are those of the forwarder that Wine can be asked for: it tells
// an end from a reset in other cases than Windows.
const forwarderTests = "EveryByte|HalfClose|IdleUpstream|ClientThat|Replacement|ThatCloses|ThatServes"

// TestForwarder runs tests of the forwarder, among them all of its idle
// upstreams, with the sockets of Windows.
func TestForwarder(t *testing.T) {
	w := needWindows(t)
	tests := filepath.Join(w.folder, "pipe.exe")
	c := exec.Command("go", "test", "-c", "-o", tests, "../../backend/pipe")
	c.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	out := w.ok(t, "wine", tests, "-test.v", "-test.timeout", "50s", "-test.run", forwarderTests)
	if passed := strings.Count(out, "--- PASS: TestIdleUpstreamThatFailsIsReplaced/"); passed < 4 {
		t.Errorf("the tests did not run: %s", out)
	}
}
