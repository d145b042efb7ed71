package userservice

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	for name, text := range map[string]string{
		"plain.service": Unit("/usr/bin/mycoproxy"),
		"odd.service":   Unit("/opt/a b%h$HOME/mycoproxy"),
		"plain.desktop": entry("/usr/bin/mycoproxy"),
		"odd.desktop":   entry("/opt/a b%h$HOME`\"\\/mycoproxy"),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s is now (go test -update accepts it):\n%s", name, text)
		}
	}
}

// TestProgram: what is registered must outlive an upgrade and the folder that
// the command was run in.
func TestProgram(t *testing.T) {
	for _, bad := range []string{"mycoproxy", "./mycoproxy", "/usr/bin/a\nb"} {
		if got, err := (Manager{Program: bad}).program(); err == nil {
			t.Errorf("%q is registered as %q", bad, got)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "mycoproxy")
	if err := os.Symlink(self, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	args := os.Args
	t.Cleanup(func() { os.Args = args })
	for called, want := range map[string]string{
		link:                       link,
		"no such program":          self,
		filepath.Dir(self) + "/go": self,
	} {
		os.Args = []string{called}
		if got, err := (Manager{}).program(); got != want || err != nil {
			t.Errorf("called as %s it is registered as %s, %v; want %s", called, got, err, want)
		}
	}
	t.Chdir(filepath.Dir(link))
	os.Args = []string{"./mycoproxy"}
	if got, _ := (Manager{}).program(); filepath.Base(got) != "mycoproxy" || !filepath.IsAbs(got) || strings.Contains(got, "/./") {
		t.Errorf("called as ./mycoproxy it is registered as %s", got)
	}
}
