package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

func (s Subject) checkSettings(context.Context) Finding {
	if s.SettingsError != nil {
		return bad("Mend what it names; mycoproxy config example explains every setting", "%v", s.SettingsError)
	}
	if _, err := os.Stat(s.ConfigFile); errors.Is(err, fs.ErrNotExist) {
		return ok("there is no %s, so the defaults hold", s.ConfigFile)
	}
	return ok("%s is in order", s.ConfigFile)
}

// checkStateFolder tries to write where the folder is, or where it will be made.
func (s Subject) checkStateFolder(context.Context) Finding {
	folder := s.StateFolder
	for {
		_, err := os.Stat(folder)
		if parent := filepath.Dir(folder); errors.Is(err, fs.ErrNotExist) && parent != folder {
			folder = parent
			continue
		}
		break
	}
	file, err := os.CreateTemp(folder, ".mycoproxy-doctor-*")
	if err != nil {
		return bad("Make it writable: the log and the last command are kept there", "%s cannot be written: %v", s.StateFolder, cause(err))
	}
	file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return bad("", "%s: %v", s.StateFolder, cause(err))
	}
	return ok("%s can be written", s.StateFolder)
}

// cause returns what is wrong without the path, which the caller names.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
