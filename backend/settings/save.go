package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/gofrs/flock"
	"github.com/natefinch/atomic"

	"mycoproxy/backend"
)

const lockSuffix = ".lock"

// SaveShare writes the setting share to the settings file.
func SaveShare(file string, share backend.Share) error {
	return save(file, "share", fmt.Sprintf("%q", share), func(s *Settings) { s.Share = share })
}

// SaveNotifications writes the setting notifications to the settings file.
func SaveNotifications(file string, on bool) error {
	return save(file, "notifications", fmt.Sprint(on), func(s *Settings) { s.Notifications = on })
}

// save puts one setting, as TOML, in place of what the file says of it, and
// leaves all else there as it is. The file is written whole or not at all, and
// only if it then says what set does to what it said before.
func save(file, name, value string, set func(*Settings)) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	lock := flock.New(file + lockSuffix) // the tray and the service both write
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := os.Lstat(file); err == nil {
		if file, err = filepath.EvalSymlinks(file); err != nil { // else the symbolic link would be replaced
			return err
		}
	}
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the settings: %w", err)
	}
	want := Default()
	if err := want.parse(file, content); err != nil {
		return err
	}
	set(&want)
	changed := replaceLine(string(content), name, value)
	got := Default()
	if err := got.parse(file, []byte(changed)); err != nil || !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: there is no line to write %s = %s to; please do it yourself", file, name, value)
	}
	return atomic.WriteFile(file, strings.NewReader(changed))
}

// replaceLine puts "name = value" in place of the line that sets name, else of
// the one that shows its default, else at the end.
func replaceLine(content, name, value string) string {
	line := name + " = " + value
	for _, start := range []string{`(?m)^[ \t]*`, `(?m)^#[ \t]*`} {
		old := regexp.MustCompile(start + name + `[ \t]*=.*$`)
		if at := old.FindStringIndex(content); at != nil {
			return content[:at[0]] + line + content[at[1]:]
		}
	}
	if content != "" && !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	return content + line + "\n"
}
