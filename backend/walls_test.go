package backend_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// walls say what a package may import of this module and of some others. A
// package that is not named may be imported by everybody and may import nothing
// of ours, which fails for a new package until its place is decided here.
var walls = map[string][]string{
	"mycoproxy/assets/icons":        {},
	"mycoproxy/backend":             {},
	"mycoproxy/internal/memnet":     {},
	"mycoproxy/backend/settings":    {"mycoproxy/backend"},
	"mycoproxy/backend/mycelium":    {"mycoproxy/backend"},
	"mycoproxy/backend/pipe":        {"mycoproxy/backend"},
	"mycoproxy/backend/scan":        {"mycoproxy/backend"},
	"mycoproxy/backend/engine":      {"mycoproxy/backend", "mycoproxy/backend/scan", "mycoproxy/backend/pipe"},
	"mycoproxy/backend/control":     {"mycoproxy/backend"},
	"mycoproxy/backend/logging":     {},
	"mycoproxy/backend/userservice": {"mycoproxy/backend/settings"},
	"mycoproxy/backend/daemon": {"mycoproxy/backend", "mycoproxy/backend/control", "mycoproxy/backend/engine", "mycoproxy/backend/logging",
		"mycoproxy/backend/mycelium", "mycoproxy/backend/pipe", "mycoproxy/backend/settings"},
	"mycoproxy/notify":      {"mycoproxy/backend"},
	"mycoproxy/tray":        {"mycoproxy/assets/icons", "mycoproxy/backend", "mycoproxy/notify"},
	"mycoproxy/tray/dialog": {},
	"mycoproxy/demo":        {"mycoproxy/backend", "mycoproxy/backend/engine", "mycoproxy/backend/pipe"},
	"mycoproxy/doctor":      {"mycoproxy/backend", "mycoproxy/backend/mycelium", "mycoproxy/backend/pipe", "mycoproxy/backend/settings"},
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

// only says which package alone may import another.
var only = map[string][]string{
	"net/http":                        {"mycoproxy/backend/mycelium", "mycoproxy/backend/control", "mycoproxy/demo"},
	"github.com/spf13/cobra":          {"mycoproxy/cmd/tray"},
	"github.com/armon/go-socks5":      {"mycoproxy/demo", "mycoproxy/e2e/proxies"},
	"github.com/Microsoft/go-winio":   {"mycoproxy/backend/control"},
	"github.com/shirou/gopsutil/v4/…": {"mycoproxy/backend/pipe"},
	"github.com/kardianos/service":    {"mycoproxy/backend/userservice"},
	"github.com/gen2brain/beeep":      {"mycoproxy/notify"},
	"github.com/esiqveland/notify":    {"mycoproxy/notify"},
	"fyne.io/systray":                 {"mycoproxy/tray"},
}

func TestWalls(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "mycoproxy/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; seen++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		allowed, known := walls[p.ImportPath]
		if !known {
			t.Errorf("%s has no place in the walls", p.ImportPath)
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "mycoproxy/") && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
			for guarded, by := range only {
				prefix, isTree := strings.CutSuffix(guarded, "…")
				if (i == guarded || isTree && strings.HasPrefix(i, prefix)) && !slices.Contains(by, p.ImportPath) {
					t.Errorf("%s imports %s, which is for %v alone", p.ImportPath, i, by)
				}
			}
		}
	}
	if seen != len(walls) {
		t.Errorf("%d packages, the walls name %d", seen, len(walls))
	}
}
