package book

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("407::%x", i)), backend.DefaultPort)
}

// code returns the code of an error; empty: there is none.
func code(err error) backend.Code {
	if err == nil {
		return ""
	}
	return backend.AsError(err).Code
}

func (b *Book) name(addr netip.AddrPort, name string) error {
	return b.Change([]backend.BookChange{{Address: addr, Name: &name}})
}

func TestProxiesStay(t *testing.T) {
	b := New(nil, start)
	b.Record(addr(1), backend.FromRoute, backend.Valid, 20*time.Millisecond, start)
	b.Record(addr(2), backend.FromRoute, backend.AuthRequired, time.Millisecond, start)
	b.Record(addr(3), backend.FromRoute, backend.NotAProxy, time.Millisecond, start)
	b.Record(addr(4), backend.FromRoute, backend.NotListening, 0, start)
	b.Record(addr(1), backend.FromBook, backend.NotListening, 0, start.Add(time.Hour))
	if got := b.Entries(); len(got) != 2 || got[0].Address != addr(1) || got[1].Address != addr(2) {
		t.Fatalf("%+v", got)
	}
	one, _ := b.Get(addr(1))
	want := backend.Entry{Address: addr(1), Source: backend.FromRoute, FirstSeen: start, LastSeen: start,
		Verdict: backend.NotListening, RTTs: []backend.Milliseconds{backend.Milliseconds(20 * time.Millisecond)}}
	if !reflect.DeepEqual(one, want) {
		t.Errorf("got %+v, want %+v", one, want)
	}
	for i := range 100 {
		b.Record(addr(1), backend.FromBook, backend.Valid, time.Duration(i)*time.Millisecond, start.Add(2*time.Hour))
	}
	if one, _ = b.Get(addr(1)); len(one.RTTs) != 60 || one.RTTs[59] != backend.Milliseconds(99*time.Millisecond) || !one.FirstSeen.Equal(start) {
		t.Errorf("%d times, first seen %v", len(one.RTTs), one.FirstSeen)
	}
}

func TestTakeChanged(t *testing.T) {
	b := New([]backend.Entry{{Address: addr(1), LastSeen: start}}, start)
	changes := func(what string, want bool, do func()) {
		t.Helper()
		if do(); b.TakeChanged() != want || b.TakeChanged() {
			t.Errorf("%s: want %v", what, want)
		}
	}
	changes("nothing", false, func() {})
	changes("silence", true, func() { b.Record(addr(1), 0, backend.NotListening, 0, start) })
	changes("more of it", false, func() { b.Record(addr(1), 0, backend.NotListening, 0, start) })
	changes("no proxy", false, func() { b.Record(addr(2), 0, backend.NotAProxy, 0, start) })
	changes("an answer", true, func() { b.Record(addr(1), 0, backend.Valid, 1, start) })
	changes("a name", true, func() { b.name(addr(1), "Anna") })
	changes("a bad name", false, func() { b.name(addr(1), "::1") })
	changes("forgetting nothing", false, func() { b.Forget(start.Add(1000 * time.Hour)) })
}

// What has neither name nor star is forgotten after 30 days of silence.
func TestForget(t *testing.T) {
	b := New(nil, start)
	for i := range 4 {
		b.Record(addr(i), backend.FromRoute, backend.Valid, 1, start)
	}
	b.name(addr(1), "Anna")
	b.Change([]backend.BookChange{{Address: addr(2), Favourite: new(true)}, {Address: addr(9)}})
	b.Record(addr(3), backend.FromRoute, backend.Valid, 1, start.Add(time.Hour))
	b.Forget(start.Add(maxSilence + time.Minute))
	var left []netip.AddrPort
	for _, e := range b.Entries() {
		left = append(left, e.Address)
	}
	// An address that never answered has been given by the user.
	if want := []netip.AddrPort{addr(2), addr(1), addr(3), addr(9)}; !reflect.DeepEqual(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

func TestFullBook(t *testing.T) {
	b := New(nil, start)
	for i := range MaxEntries + 10 {
		b.Record(addr(i), backend.FromRoute, backend.Valid, 1, start.Add(time.Duration(i)*time.Second))
	}
	if _, has := b.Get(addr(9)); len(b.Entries()) != MaxEntries || has {
		t.Errorf("%d entries, the oldest there: %v", len(b.Entries()), has)
	}
	var changes []backend.BookChange
	for i := range MaxEntries {
		changes = append(changes, backend.BookChange{Address: addr(i + 10), Name: new(fmt.Sprint("proxy ", i))})
	}
	if err := b.Change(changes); err != nil {
		t.Fatal(err)
	}
	b.Record(addr(9999), backend.FromRoute, backend.Valid, 1, start)
	if _, has := b.Get(addr(9999)); has || len(b.Entries()) != MaxEntries {
		t.Error("a name made room for an address")
	}
	if err := b.name(addr(9999), "one more"); code(err) != backend.BookFull {
		t.Errorf("one more: %v", err)
	}
}

func TestNames(t *testing.T) {
	b := New(nil, start)
	if err := b.name(addr(1), "Anna"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]backend.Code{
		"anna":                  backend.BadName, // taken
		"":                      "",              // none
		" Ben":                  backend.BadName,
		"Ben ":                  backend.BadName,
		"-f":                    backend.BadName,
		"407::1":                backend.BadName,
		"127.0.0.1:1080":        backend.BadName,
		"tab\there":             backend.BadName,
		"line\nbreak":           backend.BadName,
		"esc\x1b[31m":           backend.BadName,
		"\u202eevil":            backend.BadName,
		"\u2066evil":            backend.BadName,
		"\xff":                  backend.BadName,
		strings.Repeat("ü", 41): backend.BadName,
		strings.Repeat("ü", 40): "",
		"$(calc)":               "", // shown as it is, run by nobody
		"`x` \"y\" 'z'":         "",
		"<b>&amp;_Anna":         "",
		"آنا\u200cجان":          "",
		"安娜的代理":                 "",
	} {
		if err := b.name(addr(2), name); code(err) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := b.name(addr(1), "ANNA"); err != nil {
		t.Errorf("its own name in capitals: %v", err)
	}
	b.Change([]backend.BookChange{{Address: addr(1), Remove: true}})
	if err := b.name(addr(3), "Anna"); err != nil {
		t.Errorf("a name that has become free: %v", err)
	}
}

// All changes are made, or none.
func TestChangesAreOne(t *testing.T) {
	b := New(nil, start)
	b.name(addr(1), "Anna")
	b.TakeChanged()
	err := b.Change([]backend.BookChange{
		{Address: addr(1), Name: new("Ben"), Favourite: new(true)}, {Address: addr(2), Name: new("Carl")}, {Address: addr(3), Name: new("ben")},
	})
	one, _ := b.Get(addr(1))
	if _, has := b.Get(addr(2)); code(err) != backend.BadName || has || one.Name != "Anna" || one.Favourite || b.TakeChanged() {
		t.Errorf("%v, %+v", err, one)
	}
	if err := b.name(addr(2), "Ben"); err != nil {
		t.Errorf("the name of what was not done: %v", err)
	}
}

// A name of somebody else's list is taken where the user has given none.
func TestSuggestedNames(t *testing.T) {
	b := New(nil, start)
	b.name(addr(1), "Anna")
	if err := b.Change([]backend.BookChange{
		{Address: addr(1), Suggested: "Berta"}, {Address: addr(2), Suggested: "anna"}, {Address: addr(3), Suggested: "Carla"}, {Address: addr(4), Suggested: "\x1b"},
	}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{1: "Anna", 2: "", 3: "Carla", 4: ""} {
		if e, has := b.Get(addr(i)); i > 0 && (!has || e.Name != want) {
			t.Errorf("%d is called %q, want %q", i, e.Name, want)
		}
	}
}

func TestFind(t *testing.T) {
	b := New(nil, start)
	b.name(addr(1), "Anna")
	b.name(addr(2), "Annabel")
	b.name(addr(3), "Zoë Müller")
	for text, want := range map[string]any{
		"anna":       addr(1),
		"ANNAB":      addr(2),
		"zoË m":      addr(3),
		"407::7":     addr(7),
		"ann":        `"ann" could be "Anna", "Annabel"`,
		"bert":       `No proxy is called "bert"`,
		"407::1::2":  "accepted",
		"10.0.0.256": "accepted",
		"":           "accepted",
	} {
		got, err := Find(b.Entries(), text)
		switch want := want.(type) {
		case netip.AddrPort:
			if err != nil || got != want {
				t.Errorf("%q is %v, %v", text, got, err)
			}
		case string:
			if code(err) != backend.BadAddress || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q in it", text, err, want)
			}
		}
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "share", "proxies.json")
	if got, err := Load(file); len(got) > 0 || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	b := New(nil, start)
	b.Record(addr(1), backend.FromRoute, backend.Valid, 20*time.Millisecond, start)
	b.name(addr(2), "<Anna> & \u2028")
	b.name(addr(2), "<Anna> & 安")
	if err := Save(file, b.Entries()); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil || !reflect.DeepEqual(got, b.Entries()) {
		t.Errorf("got %+v, want %+v, %v", got, b.Entries(), err)
	}
	if info, err := os.Stat(file); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A damaged file is kept, and is said to be.
func TestDamagedFile(t *testing.T) {
	whole := `{"proxies":[{"address":"[407::1]:1080","source":"user","verdict":"valid"}]}`
	for _, content := range []string{"", "{", "[]", "null", whole[:len(whole)-1], whole[:30], `{"proxies":[{"address":"nowhere"}]}`, "\x00\x01", "<html>"} {
		file := filepath.Join(t.TempDir(), "proxies.json")
		os.WriteFile(file, []byte(content), 0o600)
		entries, err := Load(file)
		kept, readErr := os.ReadFile(file + badSuffix)
		if !errors.Is(err, ErrDamaged) || len(entries) > 0 || string(kept) != content || readErr != nil {
			t.Errorf("%.20q: %v, %v; kept %q, %v", content, entries, err, kept, readErr)
		}
		if again, err := Load(file); len(again) > 0 || err != nil {
			t.Errorf("%.20q, the next time: %v, %v", content, again, err)
		}
	}
}

// Of a file with too much in it the dearest entries stay, in bounded memory, and
// what is wrong in an entry is left out.
func TestHostileFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxies.json")
	var all strings.Builder
	all.WriteString(`{"proxies":[{"address":"[407::1]:1080","name":"Anna","source":"user","verdict":"valid"},{"address":"[407::2]:1080","name":"ANNA","source":"user","verdict":"valid"}`)
	for i := range 20_000 {
		fmt.Fprintf(&all, `,{"address":"[500::%x]:1080","name":"\\u001b[31m%d","source":"list","verdict":"valid","last_seen":"2026-01-01T00:00:00Z"}`, i, i)
	}
	all.WriteString("]}")
	os.WriteFile(file, []byte(all.String()), 0o600)
	entries, err := Load(file)
	if err != nil || len(entries) != MaxEntries {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range New(entries, start).Entries() {
		if strings.Contains(e.Name, "\x1b") {
			t.Fatalf("the name %q has been taken over", e.Name)
		}
	}
}

func TestReadList(t *testing.T) {
	list := "\ufeff# friends\r\n407::1  Anna of the hill\r\n\r\n[407::2]:1081\tBen # at work\n127.0.0.1:9050\nexample.org\n407::3  \u202eevil\n407::4"
	items, bad, err := ReadList(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{{addr(1), "Anna of the hill"}, {netip.MustParseAddrPort("[407::2]:1081"), "Ben"}, {netip.MustParseAddrPort("127.0.0.1:9050"), ""}, {addr(4), ""}}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("items are %v, want %v", items, want)
	}
	if len(bad) != 2 || bad[0].Number != 6 || bad[1].Number != 7 {
		t.Errorf("bad are %v", bad)
	}
	for what, list := range map[string]string{
		"10,001 lines": strings.Repeat("407::1\n", MaxLines+1),
		"too long":     strings.Repeat("#", MaxList+1),
		"UTF-16":       "\xff\xfe4\x000\x00",
		"binary":       "407::1\x00",
	} {
		if items, _, err := ReadList(strings.NewReader(list)); err == nil || len(items) > 0 {
			t.Errorf("%s: %d items, %v", what, len(items), err)
		}
	}
	if items, bad, err := ReadList(strings.NewReader("<html>\n<body>\n")); len(items) > 0 || len(bad) != 2 || err != nil {
		t.Errorf("HTML: %v, %v, %v", items, bad, err)
	}
}

// What is exported is imported as the same.
func TestWriteList(t *testing.T) {
	b := New(nil, start)
	b.name(addr(1), "Anna of the hill")
	b.name(addr(2), "number # one")
	b.Record(addr(3), backend.FromRoute, backend.Valid, 1, start)
	var out strings.Builder
	if err := WriteList(&out, b.Entries()); err != nil {
		t.Fatal(err)
	}
	items, bad, err := ReadList(strings.NewReader(out.String()))
	if want := []Item{{addr(1), "Anna of the hill"}, {addr(2), ""}, {addr(3), ""}}; !reflect.DeepEqual(items, want) || len(bad) > 0 || err != nil {
		t.Errorf("%v, %v, %v of %q", items, bad, err, out.String())
	}
}

func FuzzReadList(f *testing.F) {
	f.Add("407::1  Anna\n# x\n")
	f.Fuzz(func(t *testing.T, list string) {
		items, _, err := ReadList(strings.NewReader(list))
		for _, i := range items {
			if !i.Address.IsValid() || i.Name != "" && CheckName(i.Name) != nil || err != nil {
				t.Errorf("%+v, %v", i, err)
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"proxies":[{"address":"[407::1]:1080","name":"Anna","source":"user","verdict":"valid","rtts":[1.5]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "proxies.json")
		os.WriteFile(file, content, 0o600)
		entries, err := Load(file)
		if err != nil && len(entries) > 0 {
			t.Errorf("%d entries and %v", len(entries), err)
		}
		b := New(entries, start)
		if err := Save(file, b.Entries()); err != nil {
			t.Fatal(err)
		}
		again, err := Load(file)
		if err != nil || len(again) != len(b.Entries()) {
			t.Errorf("%d entries became %d, %v", len(b.Entries()), len(again), err)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("Anna", "ann")
	f.Fuzz(func(t *testing.T, name, text string) {
		b := New(nil, start)
		if b.name(addr(1), name) != nil || name == "" {
			return
		}
		if got, err := Find(b.Entries(), name); err != nil || got != addr(1) {
			t.Errorf("%q is not found: %v", name, err)
		}
		Find(b.Entries(), text)
	})
}
