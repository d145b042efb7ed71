package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/natefinch/atomic"

	"mycoproxy/backend"
)

const lastCommandFile = "state.json"

// LoadLastCommand reads the command saved in folder; the zero one if there is none.
func LoadLastCommand(folder string) (c backend.LastCommand, err error) {
	name := filepath.Join(folder, lastCommandFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return backend.LastCommand{}, fmt.Errorf("read the last command from %s: %w", name, err)
	}
	return c, nil
}

// SaveLastCommand writes the command to folder, whole or not at all.
func SaveLastCommand(folder string, c backend.LastCommand) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return atomic.WriteFile(filepath.Join(folder, lastCommandFile), bytes.NewReader(append(b, '\n')))
}
