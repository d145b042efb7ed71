package book

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"mycoproxy/backend"
)

// The limits of a list.
const (
	MaxList  = 1 << 20 // bytes
	MaxLines = 10_000
)

// Item is one line of a list of proxies.
type Item struct {
	Address netip.AddrPort
	Name    string // empty: none
}

// BadLine is a line of a list that is no address of a proxy.
type BadLine struct {
	Number int // from 1
	Err    error
}

// Error says which line is wrong, and why.
func (l BadLine) Error() string { return fmt.Sprintf("line %d: %v", l.Number, l.Err) }

// ReadList reads a list of proxies: UTF-8 text, a line each "ADDRESS  NAME", the
// name as it likes, and # begins a comment. Lines that are wrong are returned
// beside the others. It fails if the list is too long, or is no text at all.
func ReadList(r io.Reader) (items []Item, bad []BadLine, err error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxList+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(content) > MaxList:
		return nil, nil, fmt.Errorf("the list is longer than %d MiB", MaxList>>20)
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return nil, nil, errors.New("the list is in UTF-16; it must be in UTF-8")
	case bytes.ContainsRune(content, 0):
		return nil, nil, errors.New("the list is no text")
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	lines.Buffer(nil, MaxList+1)
	number := 0
	for lines.Scan() {
		if number++; number > MaxLines {
			return nil, nil, fmt.Errorf("the list has more than %d lines", MaxLines)
		}
		text, _, _ := strings.Cut(lines.Text(), "#")
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		address, name := text, ""
		if i := strings.IndexAny(text, " \t"); i >= 0 {
			address, name = text[:i], strings.TrimSpace(text[i:])
		}
		addr, err := backend.ParseAddress(address)
		if err == nil && name != "" {
			err = CheckName(name)
		}
		if err != nil {
			bad = append(bad, BadLine{number, err})
			continue
		}
		items = append(items, Item{addr, name})
	}
	return items, bad, lines.Err()
}

// WriteList writes the entries as a list that [ReadList] reads. A name with # in
// it is left out, since that would begin a comment.
func WriteList(w io.Writer, entries []backend.Entry) error {
	out := bufio.NewWriter(w)
	for _, e := range entries {
		line := e.Address.String()
		if e.Name != "" && !strings.Contains(e.Name, "#") {
			line += "  " + e.Name
		}
		fmt.Fprintln(out, line)
	}
	return out.Flush()
}
