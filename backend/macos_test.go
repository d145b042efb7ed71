package backend_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// On macOS the tray needs cgo, so that only a Mac with a C compiler can build
// it. Its types can be checked everywhere.
func TestMacOSTray(t *testing.T) {
	if problems := checkMacOS(t, nil); len(problems) > 0 {
		t.Errorf("the program does not compile for macOS:\n%s", strings.Join(problems, "\n"))
	}
}

// The check sees a fault in our file for macOS, and one in how we use what
// systray has there.
func TestMacOSTrayWithFaults(t *testing.T) {
	for file, c := range map[string]struct{ old, new, want string }{
		"../tray/system_darwin.go": {"return s }", "return 1 }", "cannot use 1"},
		"../tray/systray.go":       {"systray.SetTemplateIcon(", "systray.SetTemplate(", "undefined: systray.SetTemplate"},
	} {
		name, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		faulty := strings.Replace(string(text), c.old, c.new, 1)
		if faulty == string(text) {
			t.Fatalf("%s has no %q to break", file, c.old)
		}
		problems := checkMacOS(t, map[string]string{name: faulty})
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, c.want) }) {
			t.Errorf("with %q in %s the problems are %q", c.new, file, problems)
		}
	}
}

// checkMacOS checks the types of the packages of the program that are built with
// cgo on macOS, and of those that import them, and returns what is wrong. What
// the others export it takes from the compiler, which can build them without
// cgo. The texts replace those of the files that they are named by.
func checkMacOS(t *testing.T, texts map[string]string) (problems []string) {
	t.Helper()
	fromSource := map[string]bool{}
	var packages []listed
	var others []string
	for _, p := range goList(t, "GOOS=darwin CGO_ENABLED=1", "-deps", "mycoproxy/cmd/tray") { // what is imported comes first
		usesCgo := len(p.CgoFiles) > 0 || slices.ContainsFunc(p.Imports, func(i string) bool { return fromSource[i] })
		if usesCgo && !p.Standard {
			fromSource[p.ImportPath] = true
			packages = append(packages, p)
		} else if p.ImportPath != "runtime/cgo" {
			others = append(others, p.ImportPath)
		}
	}
	exports := map[string]string{}
	for _, p := range goList(t, "GOOS=darwin CGO_ENABLED=0", append([]string{"-export"}, others...)...) {
		exports[p.ImportPath] = p.Export
	}
	files := token.NewFileSet()
	compiled := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	checked := map[string]*types.Package{}
	config := types.Config{
		FakeImportC: true, // whatever is C is taken to be right
		Error:       func(err error) { problems = append(problems, err.Error()) },
		Importer: importerFunc(func(path string) (*types.Package, error) {
			if p := checked[path]; p != nil {
				return p, nil
			}
			return compiled.Import(path)
		}),
	}
	for _, p := range packages {
		var parsed []*ast.File
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			name = filepath.Join(p.Dir, name)
			var text any
			if s, ok := texts[name]; ok {
				text = s
			}
			f, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
			if err != nil {
				problems = append(problems, err.Error())
				continue
			}
			parsed = append(parsed, f)
		}
		checked[p.ImportPath], _ = config.Check(p.ImportPath, files, parsed, nil) // the error is the first of the problems
	}
	for _, name := range []string{"fyne.io/systray", "mycoproxy/tray", "mycoproxy/cmd/tray"} {
		if checked[name] == nil {
			problems = append(problems, fmt.Sprintf("%s was not checked", name))
		}
	}
	return problems
}

// importerFunc is a function as a [types.Importer].
type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }
