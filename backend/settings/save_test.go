package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"mycoproxy/backend"
)

func TestSave(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"an empty file", "", "share = \"lan\"\n"},
		{"another value", "probe = false\n  share = \"all\" # everyone\nwarm = false\n", "probe = false\nshare = \"lan\"\nwarm = false\n"},
		{"the example's line", "# Who?\n#share = \"off\"\n#api = \"\"\n", "# Who?\nshare = \"lan\"\n#api = \"\"\n"},
		{"both", "#share = \"off\"\nshare = \"off\"\n", "#share = \"off\"\nshare = \"lan\"\n"},
		{"no newline at the end", "probe = false", "probe = false\nshare = \"lan\"\n"},
		{"a word like it", "# share = nothing\n", "share = \"lan\"\n"},
	} {
		file := write(t, c.before)
		before, _ := Load(file, noEnv)
		if err := SaveShare(file, backend.ShareLAN); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, _ := os.ReadFile(file); string(got) != c.after {
			t.Errorf("%s: the file is now\n%s\nwant\n%s", c.name, got, c.after)
		}
		after, err := Load(file, noEnv)
		before.Share = backend.ShareLAN
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%s: the settings are now %+v, %v", c.name, after, err)
		}
	}
}

func TestSaveMakesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mycoproxy", "config.toml")
	if err := SaveNotifications(file, false); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(file, noEnv); err != nil || s.Notifications {
		t.Errorf("%+v, %v", s, err)
	}
}

// A file that could not be changed for certain is left as it is.
func TestSaveLeavesWhatItDoesNotUnderstand(t *testing.T) {
	for _, content := range []string{
		"nonsense = 1\n",                     // not a file that could be loaded
		"node = \"\"\"\nshare = 1\n\"\"\"\n", // nor this, and its line is not one
		"\"share\" = \"off\"\n",              // set in another way: it would be set twice
	} {
		file := write(t, content)
		if err := SaveShare(file, backend.ShareLAN); err == nil {
			t.Errorf("%q was changed", content)
		}
		if now, _ := os.ReadFile(file); string(now) != content {
			t.Errorf("%q is now %q", content, now)
		}
	}
}

// Two that write at the same time do not undo each other's work.
func TestSaveAtTheSameTime(t *testing.T) {
	for range 50 {
		file := write(t, "share = \"lan\"\n")
		var wg sync.WaitGroup
		wg.Go(func() { SaveShare(file, backend.ShareOff) })
		wg.Go(func() { SaveNotifications(file, false) })
		wg.Wait()
		if s, err := Load(file, noEnv); err != nil || s.Share != backend.ShareOff || s.Notifications {
			t.Fatalf("%+v, %v", s, err)
		}
	}
}

func TestSaveFollowsASymbolicLink(t *testing.T) {
	file := write(t, "probe = false\n")
	symlink := filepath.Join(t.TempDir(), "config.toml")
	if err := os.Symlink(file, symlink); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := SaveShare(symlink, backend.ShareAll); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(file, noEnv); err != nil || s.Share != backend.ShareAll || s.Probe {
		t.Errorf("behind the symbolic link: %+v, %v", s, err)
	}
	if info, err := os.Lstat(symlink); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the symbolic link is now %v, %v", info, err)
	}
}
