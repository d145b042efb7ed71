// Licences prints the licences of what is linked into the program: for each text
// the modules that are under it, then the text, as they lie in the module cache.
//
//	licences [-apache FILE] PACKAGE
//
// With -apache the text of the Apache License is replaced by a word on where the
// system keeps it, as Debian demands.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	apache := flag.String("apache", "", "`FILE` to refer to for the Apache License")
	flag.Parse()
	if err := run(os.Stdout, flag.Arg(0), *apache); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, program, apache string) error {
	modules, err := linked(program)
	if err != nil {
		return err
	}
	under := map[string][]string{} // text to modules
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		texts, err := licences(modules[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, text := range texts {
			under[text] = append(under[text], name)
		}
	}
	texts := slices.SortedFunc(maps.Keys(under), func(a, b string) int {
		return cmp.Or(cmp.Compare(under[a][0], under[b][0]), cmp.Compare(a, b))
	})
	for _, text := range texts {
		fmt.Fprintf(out, "%s\n%s\n\n", strings.Repeat("=", 80), strings.Join(under[text], "\n"))
		if apache != "" && isApache(text) {
			text = "Licensed under the Apache License, Version 2.0; on Debian systems its text is in\n" + apache + "\n"
		}
		fmt.Fprintf(out, "%s\n", strings.Trim(text, "\n")+"\n")
	}
	return nil
}

func isApache(text string) bool {
	return regexp.MustCompile(`^\s*Apache License\s+Version 2\.0`).MatchString(text)
}

// linked maps the modules that package program is made of, on any of the systems
// it is built for, to their folders; Go itself is one of them.
func linked(program string) (map[string]string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find the Go toolchain: %w", err)
	}
	modules := map[string]string{"Go " + strings.TrimPrefix(runtime.Version(), "go"): strings.TrimSpace(string(root))}
	for _, system := range []string{"linux", "windows", "darwin"} {
		list := exec.Command("go", "list", "-deps", "-json=Module", program)
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		printed, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list what %s imports: %w", program, err)
		}
		for d := json.NewDecoder(bytes.NewReader(printed)); ; {
			var p struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				modules[p.Module.Path+" "+p.Module.Version] = p.Module.Dir
			}
		}
	}
	return modules, nil
}

// licences reads the licence and the notices in folder.
func licences(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	name := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.(md|txt))?$`)
	var texts []string
	for _, f := range files {
		if !f.Type().IsRegular() || !name.MatchString(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	if texts == nil {
		return nil, errors.New("no licence found")
	}
	return texts, nil
}
