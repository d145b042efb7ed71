//go:build linux

package e2e

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// build builds packages of some kinds, of a version and for this machine, into a
// folder that goes with the test. It returns their paths, in order.
func build(t *testing.T, version string, kinds ...string) []string {
	t.Helper()
	folder := t.TempDir()
	c := exec.Command("../installer/build", append([]string{folder}, kinds...)...)
	c.Env = append(os.Environ(), "VERSION="+version, "ARCHS="+runtime.GOARCH, "SOURCE_DATE_EPOCH=1767225600")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", kinds, err, out)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("build %s: nothing is there, %v", kinds, err)
	}
	return files
}

// output is what a command prints, which must not fail.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	c := exec.Command(name, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func TestPackageVersions(t *testing.T) {
	need(t, "dpkg")
	version := func(describe string, args ...string) string {
		c := exec.Command("../installer/version", append([]string{describe}, args...)...)
		c.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600")
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct{ describe, packaged, numbers string }{
		{"abc1234", "0.1.0~git202601010000.abc1234", "0.1.0"},
		{"v0.1.0-rc1", "0.1.0~rc1", "0.1.0"},
		{"v0.1.0", "0.1.0", "0.1.0"},
		{"v0.1.0-dirty", "0.1.0+dirty", "0.1.0"},
		{"v0.1.0-4-gabc1234", "0.1.0+4.gabc1234", "0.1.0"},
		{"v0.1.1-rc1-4-gabc1234", "0.1.1~rc1+4.gabc1234", "0.1.1"},
	} {
		if got := version(c.describe); got != c.packaged {
			t.Errorf("%s is packaged as %s, want %s", c.describe, got, c.packaged)
		}
		if got := version(c.describe, "numbers"); got != c.numbers {
			t.Errorf("%s has the numbers %s, want %s", c.describe, got, c.numbers)
		}
	}
	for _, pair := range [][2]string{{"abc1234", "v0.1.0"}, {"v0.1.0-rc1", "v0.1.0"}, {"v0.1.0", "v0.1.0-4-gabc1234"}} {
		if err := run("dpkg", "--compare-versions", version(pair[0]), "lt", version(pair[1])); err != nil {
			t.Errorf("%s is not older than %s", pair[0], pair[1])
		}
	}
}

// TestLinuxPackages builds them twice, and looks into them.
func TestLinuxPackages(t *testing.T) {
	need(t, "dpkg-deb", "rpm", "rpmbuild", "tar")
	files, again := build(t, "v1.0.0", "deb", "rpm", "tar"), build(t, "v1.0.0", "deb", "rpm", "tar")
	for i, name := range files {
		if err := run("cmp", name, again[i]); err != nil {
			t.Errorf("built twice it is not the same: %v", err)
		}
	}
	kind := func(suffix string) string {
		return files[slices.IndexFunc(files, func(name string) bool { return strings.HasSuffix(name, suffix) })]
	}
	deb := kind(".deb")
	t.Run("checks", func(t *testing.T) { checkDeb(t, deb) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, kind(".rpm"), deb) })
	t.Run("tar", func(t *testing.T) { checkTar(t, kind(".tar.gz")) })
}

// checkDeb asks the distributions' own tools what they think of it.
func checkDeb(t *testing.T, deb string) {
	need(t, "lintian", "desktop-file-validate", "appstreamcli", "mandoc")
	if out := output(t, "lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", deb); out != "" {
		t.Errorf("lintian:\n%s", out)
	}
	tree := t.TempDir()
	output(t, "dpkg-deb", "-R", deb, tree)
	share := filepath.Join(tree, "usr/share")
	output(t, "desktop-file-validate", filepath.Join(share, "applications/org.mycoproxy.Mycoproxy.desktop"))
	output(t, "appstreamcli", "validate", "--no-net", filepath.Join(share, "metainfo/org.mycoproxy.Mycoproxy.metainfo.xml"))
	for _, script := range []string{"postinst", "prerm"} {
		output(t, "sh", "-n", filepath.Join(tree, "DEBIAN", script))
	}

	page := filepath.Join(t.TempDir(), "mycoproxy.1")
	if err := os.WriteFile(page, []byte(output(t, "gzip", "-dc", filepath.Join(share, "man/man1/mycoproxy.1.gz"))), 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, "mandoc", "-Tlint", "-Wwarning", page)
	manual := output(t, "mandoc", "-Tascii", "-Owidth=200", page)
	manual = regexp.MustCompile(".\b").ReplaceAllString(manual, "")
	for _, match := range regexp.MustCompile(`(?m)^  ([a-z]+)  +`).FindAllStringSubmatch(output(t, binary, "--help"), -1) {
		if !regexp.MustCompile(`(?m)^ +` + match[1] + `\b`).MatchString(manual) {
			t.Errorf("the manual does not know %s", match[1])
		}
	}
}

// checkRPM reads the package, and installs and removes it where nothing else is.
func checkRPM(t *testing.T, file, deb string) {
	var want []string
	for line := range strings.Lines(output(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line)
		if name := f[5][1:]; !strings.HasSuffix(name, "/") && !strings.Contains(name, "/doc/") && !strings.Contains(name, "lintian") {
			want = append(want, f[0]+" "+strings.Replace(name, "vendor-completions", "site-functions", 1))
		}
	}
	slices.Sort(want)
	var got []string
	for line := range strings.Lines(output(t, "rpm", "-qp", "--qf", `[%{FILEMODES:perms} %{FILENAMES}\n]`, file)) {
		if !strings.HasPrefix(line, "d") && !strings.Contains(line, "/doc/") && !strings.Contains(line, "/licenses/") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("it has other files than the Debian package:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	contains(t, output(t, "rpm", "-qp", "--licensefiles", file), "/usr/share/licenses/mycoproxy/LICENSES.txt")
	if about := output(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE}", file); about != "mycoproxy 1.0.0 1" {
		t.Errorf("it calls itself %q", about)
	}

	// A first installation and an upgrade's removal of the old version do nothing.
	for _, c := range []struct{ script, versionsLeft, does string }{
		{"POSTIN", "1", ""}, {"POSTIN", "2", "restart"}, {"PREUN", "1", ""}, {"PREUN", "0", "leave"},
	} {
		text := strings.TrimSpace(output(t, "rpm", "-qp", "--qf", "%{"+c.script+"}", file))
		condition := text[strings.LastIndex(text, "\n")+1:]
		const stubs = "restart_service() { echo restart; }\nleave_users() { echo leave; }\n"
		if does := strings.TrimSpace(output(t, "sh", "-c", stubs+condition, "sh", c.versionsLeft)); does != c.does {
			t.Errorf("%s with %s versions left does %q, want %q", c.script, c.versionsLeft, does, c.does)
		}
	}

	root := t.TempDir()
	output(t, "rpm", "--root", root, "--nodeps", "--noscripts", "-i", file)
	if out := output(t, filepath.Join(root, "usr/bin/mycoproxy"), "version"); out != "mycoproxy v1.0.0\n" {
		t.Errorf("it says %q", out)
	}
	output(t, "rpm", "--root", root, "--nodeps", "--noscripts", "-e", "mycoproxy")
	if left := output(t, "find", root, "-ipath", "*mycoproxy*"); left != "" {
		t.Errorf("it leaves:\n%s", left)
	}
}

// checkTar runs the program of the archive.
func checkTar(t *testing.T, file string) {
	folder := t.TempDir()
	output(t, "tar", "-C", folder, "--strip-components=1", "-xf", file)
	if out := output(t, filepath.Join(folder, "bin/mycoproxy"), "version"); out != "mycoproxy v1.0.0\n" {
		t.Errorf("it says %q", out)
	}
	for _, name := range []string{"LICENSE", "LICENSES.txt"} {
		if _, err := os.Stat(filepath.Join(folder, "share/doc/mycoproxy", name)); err != nil {
			t.Error(err)
		}
	}
}

// TestMacBundle checks what can be without a Mac: that the files are in their
// places, and that the property list is one.
func TestMacBundle(t *testing.T) {
	needPrograms(t, "bash")
	folder := t.TempDir()
	output(t, "../installer/macos/bundle", folder, binary)
	contents := filepath.Join(folder, "Mycoproxy.app/Contents")
	for _, name := range []string{"MacOS/mycoproxy", "Resources/app.icns", "Resources/LICENSE", "Resources/LICENSES.txt"} {
		if info, err := os.Stat(filepath.Join(contents, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := os.ReadFile(filepath.Join(contents, "Info.plist"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(list, []byte("@")) {
		t.Error("not all of Info.plist is filled in")
	}
	keys, err := plist(list)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"CFBundleIdentifier": "org.mycoproxy.Mycoproxy", "CFBundleExecutable": "mycoproxy",
		"CFBundleIconFile": "app.icns", "CFBundlePackageType": "APPL", "LSUIElement": "true",
	} {
		if keys[key] != want {
			t.Errorf("%s is %q, want %q", key, keys[key], want)
		}
	}
}

// plist reads the dictionary of a property list; a value that is no text is the
// name of its element.
func plist(text []byte) (map[string]string, error) {
	keys := map[string]string{}
	var key string
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return keys, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the property list: %w", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok || element.Name.Local == "plist" || element.Name.Local == "dict" || element.Name.Local == "array" {
			continue
		}
		var value string
		if err := d.DecodeElement(&value, &element); err != nil {
			return nil, fmt.Errorf("read the property list: %w", err)
		}
		switch element.Name.Local {
		case "key":
			key = value
		case "string":
			keys[key] = value
		default:
			keys[key] = element.Name.Local
		}
	}
}
