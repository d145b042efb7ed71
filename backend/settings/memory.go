package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/natefinch/atomic"
)

// Memory is what a service must remember from one start to the next: the last
// command. Its zero value is that of a service never told to connect.
type Memory struct {
	Connected bool           `json:"connected"`
	Remote    netip.AddrPort `json:"remote,omitzero"` // zero: chosen by a race
}

const memoryFile = "state.json"

// LoadMemory reads the memory kept in folder; the zero Memory if there is none.
func LoadMemory(folder string) (m Memory, err error) {
	name := filepath.Join(folder, memoryFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return Memory{}, fmt.Errorf("read the last command from %s: %w", name, err)
	}
	return m, nil
}

// Save writes the memory to folder, whole or not at all.
func (m Memory) Save(folder string) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return atomic.WriteFile(filepath.Join(folder, memoryFile), bytes.NewReader(append(b, '\n')))
}
