package book

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/natefinch/atomic"

	"mycoproxy/backend"
)

const (
	maxFile   = 64 << 20 // bytes; a whole book takes 2
	badSuffix = ".bad"
)

// ErrDamaged is the cause of an error of [Load] for a file that is no book. The
// file has been set aside.
var ErrDamaged = errors.New("it is not an address book")

// Load reads the entries of a file that [Save] has written. One that does not
// exist has none. One that is damaged is set aside under its name with ".bad"
// behind it, and the error says so.
func Load(file string) ([]backend.Entry, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the address book: %w", err)
	}
	entries, err := read(io.LimitReader(f, maxFile))
	f.Close()
	if err == nil {
		return entries, nil
	}
	aside := file + badSuffix
	if moveErr := os.Rename(file, aside); moveErr != nil {
		return nil, fmt.Errorf("%s: %w, and could not be set aside: %w", file, ErrDamaged, moveErr)
	}
	return nil, fmt.Errorf("%s: %w (%v); it is kept as %s", file, ErrDamaged, err, aside)
}

// read reads {"proxies": [...]}, entry by entry, and keeps as many as a book holds.
func read(r io.Reader) ([]backend.Entry, error) {
	d := json.NewDecoder(r)
	for _, want := range []json.Token{json.Delim('{'), "proxies", json.Delim('[')} {
		if got, err := d.Token(); err != nil {
			return nil, err
		} else if got != want {
			return nil, fmt.Errorf("%v where %v is expected", got, want)
		}
	}
	b := New(nil, time.Time{})
	for d.More() {
		var e backend.Entry
		if err := d.Decode(&e); err != nil {
			return nil, err
		}
		if e.Address.IsValid() {
			b.entries[e.Address] = &e
		}
		for len(b.entries) > MaxEntries {
			b.removeLeast()
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, errors.New("it ends too soon")
		}
	}
	return b.Entries(), nil
}

// Save writes the entries to the file, for its user alone, whole or not at all.
func Save(file string, entries []backend.Entry) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	content, err := json.Marshal(struct {
		Proxies []backend.Entry `json:"proxies"`
	}{entries})
	if err != nil {
		return err
	}
	return atomic.WriteFile(file, bytes.NewReader(append(content, '\n')))
}
