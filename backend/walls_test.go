package backend_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// walls says what each package may import of this module; a package without a
// line here has no place yet, and the test fails until that is decided.
var walls = map[string][]string{
	"mycoproxy/assets/icons":     {},
	"mycoproxy/backend":          {},
	"mycoproxy/internal/memnet":  {},
	"mycoproxy/backend/settings": {"mycoproxy/backend"},
	"mycoproxy/backend/mycelium": {"mycoproxy/backend"},
	"mycoproxy/backend/pipe": {"mycoproxy/backend", "mycoproxy/backend/pipe/listen", "mycoproxy/backend/pipe/relay",
		"mycoproxy/backend/pipe/warm"},
	"mycoproxy/backend/pipe/listen": {"mycoproxy/backend"},
	"mycoproxy/backend/pipe/relay":  {},
	"mycoproxy/backend/pipe/warm":   {"mycoproxy/backend/pipe/relay"},
	"mycoproxy/backend/scan":        {"mycoproxy/backend"},
	"mycoproxy/backend/engine": {"mycoproxy/backend", "mycoproxy/backend/scan", "mycoproxy/backend/pipe",
		"mycoproxy/backend/pipe/listen", "mycoproxy/backend/pipe/warm"},
	"mycoproxy/backend/control":     {"mycoproxy/backend"},
	"mycoproxy/backend/logging":     {},
	"mycoproxy/backend/userservice": {"mycoproxy/backend/settings"},
	"mycoproxy/backend/daemon": {"mycoproxy/backend", "mycoproxy/backend/control", "mycoproxy/backend/engine", "mycoproxy/backend/logging",
		"mycoproxy/backend/mycelium", "mycoproxy/backend/pipe/listen", "mycoproxy/backend/settings"},
	"mycoproxy/notify":      {"mycoproxy/backend"},
	"mycoproxy/tray":        {"mycoproxy/assets/icons", "mycoproxy/backend", "mycoproxy/notify"},
	"mycoproxy/tray/dialog": {},
	"mycoproxy/demo":        {"mycoproxy/backend", "mycoproxy/backend/engine", "mycoproxy/backend/pipe/listen"},
	"mycoproxy/doctor":      {"mycoproxy/backend", "mycoproxy/backend/mycelium", "mycoproxy/backend/pipe/listen", "mycoproxy/backend/settings"},
	"mycoproxy/cmd/tray": {"mycoproxy/assets/icons", "mycoproxy/backend", "mycoproxy/backend/control", "mycoproxy/backend/daemon",
		"mycoproxy/backend/logging", "mycoproxy/backend/settings", "mycoproxy/backend/userservice",
		"mycoproxy/demo", "mycoproxy/doctor", "mycoproxy/notify", "mycoproxy/tray", "mycoproxy/tray/dialog"},
	"mycoproxy/e2e":                {},
	"mycoproxy/e2e/desktop":        {},
	"mycoproxy/e2e/distance":       {},
	"mycoproxy/e2e/proxies":        {},
	"mycoproxy/e2e/wine":           {},
	"mycoproxy/installer/licences": {},
}

// only says which packages alone may import another; "/…" means all below it.
var only = map[string][]string{
	"net/http":                        {"mycoproxy/backend/mycelium", "mycoproxy/backend/control", "mycoproxy/demo"},
	"github.com/spf13/cobra":          {"mycoproxy/cmd/tray"},
	"github.com/armon/go-socks5":      {"mycoproxy/demo", "mycoproxy/e2e/proxies"},
	"github.com/Microsoft/go-winio":   {"mycoproxy/backend/control"},
	"github.com/shirou/gopsutil/v4/…": {"mycoproxy/backend/pipe/listen"},
	"github.com/kardianos/service":    {"mycoproxy/backend/userservice"},
	"github.com/gen2brain/beeep":      {"mycoproxy/notify"},
	"github.com/esiqveland/notify":    {"mycoproxy/notify"},
	"fyne.io/systray":                 {"mycoproxy/tray"},
}

// systems are those that the program is built for, each with the setting of cgo
// that its tray needs.
var systems = []string{"GOOS=linux CGO_ENABLED=1", "GOOS=windows CGO_ENABLED=0", "GOOS=darwin CGO_ENABLED=1"}

func TestWalls(t *testing.T) {
	seen := map[string]bool{}
	for _, system := range systems {
		for _, b := range breaches(t, system, "", seen) {
			t.Errorf("%s: %s", system, b)
		}
	}
	for name := range walls {
		if !seen[name] {
			t.Errorf("there is no package %s, which has a place in the walls", name)
		}
	}
}

// A file of one system alone is behind the walls like any other.
func TestWallsOnEachSystem(t *testing.T) {
	for _, system := range systems {
		goos, _, _ := strings.Cut(strings.TrimPrefix(system, "GOOS="), " ")
		folder := t.TempDir()
		file := filepath.Join(folder, "breach.go")
		text := "package settings\nimport _ \"net/http\"\nimport _ \"mycoproxy/backend/pipe\"\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		added, err := filepath.Abs("settings/breach_" + goos + ".go")
		if err != nil {
			t.Fatal(err)
		}
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{added: file}})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, "overlay.json")
		if err := os.WriteFile(name, overlay, 0o600); err != nil {
			t.Fatal(err)
		}
		got := breaches(t, system, name, map[string]bool{})
		want := []string{
			"mycoproxy/backend/settings imports mycoproxy/backend/pipe",
			"mycoproxy/backend/settings imports net/http, which is for [mycoproxy/backend/mycelium mycoproxy/backend/control mycoproxy/demo] alone",
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: with a file that breaks two rules:\n%s", system, strings.Join(got, "\n"))
		}
	}
}

// breaches returns what is imported on a system although the walls forbid it,
// and notes in seen which packages there are. The overlay is a file for the go
// command that adds files to those on disk; empty: none.
func breaches(t *testing.T, system, overlay string, seen map[string]bool) (list []string) {
	t.Helper()
	for _, p := range goList(t, system, "-overlay="+overlay, "mycoproxy/...") {
		seen[p.ImportPath] = true
		allowed, hasPlace := walls[p.ImportPath]
		if !hasPlace {
			list = append(list, p.ImportPath+" has no place in the walls")
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "mycoproxy/") && !slices.Contains(allowed, i) {
				list = append(list, fmt.Sprintf("%s imports %s", p.ImportPath, i))
			}
			for guarded, by := range only {
				prefix, isTree := strings.CutSuffix(guarded, "…")
				if (i == guarded || isTree && strings.HasPrefix(i, prefix)) && !slices.Contains(by, p.ImportPath) {
					list = append(list, fmt.Sprintf("%s imports %s, which is for %v alone", p.ImportPath, i, by))
				}
			}
		}
	}
	return list
}

// listed is what the go command tells of a package.
type listed struct {
	ImportPath, Dir, Export    string
	Standard                   bool
	GoFiles, CgoFiles, Imports []string
	Error                      *struct{ Err string }
}

// goList runs the go command for a system, given as variables of the environment.
func goList(t *testing.T, system string, args ...string) (list []listed) {
	t.Helper()
	c := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Export,Standard,GoFiles,CgoFiles,Imports,Error"}, args...)...)
	c.Env = append(os.Environ(), strings.Fields(system)...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", system, c.Args, err, stderr.String())
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Error != nil {
			t.Fatalf("%s: %s", p.ImportPath, p.Error.Err)
		}
		list = append(list, p)
	}
}
