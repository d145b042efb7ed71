// Package book is the address book: the proxies that are known, whether the node
// tells of them now or not.
//
//	entries, err := book.Load(file)
//	b := book.New(entries, time.Now())
//	b.Record(addr, backend.FromRoute, backend.Valid, rtt, time.Now())
//	err = b.Change([]backend.BookChange{{Address: addr, Name: &name}})
//	err = book.Save(file, b.Entries())
//
// In it is every address that ever answered as a proxy, and every one that the
// user named, starred, imported or connected to. It holds at most [MaxEntries];
// what has neither name nor star goes first, and after 30 days of silence.
package book

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mycoproxy/backend"
)

const (
	// MaxEntries is how many entries a book holds.
	MaxEntries = 2000

	maxRTTs    = 60
	maxSilence = 30 * 24 * time.Hour
)

// Book is an address book in memory. It is not for use by several goroutines at
// once. Make it with [New].
type Book struct {
	entries map[netip.AddrPort]*backend.Entry
	names   map[string]netip.AddrPort // by the name in lower case
	changed bool
}

// New returns a book of the entries, as far as they are sound, without those that
// are to be forgotten at the time now.
func New(entries []backend.Entry, now time.Time) *Book {
	b := &Book{entries: map[netip.AddrPort]*backend.Entry{}, names: map[string]netip.AddrPort{}}
	for _, e := range entries {
		if !e.Address.IsValid() || b.entries[e.Address] != nil {
			continue
		}
		name := e.Name
		e.Name, e.RTTs = "", slices.Clone(e.RTTs[max(0, len(e.RTTs)-maxRTTs):])
		b.entries[e.Address] = &e
		if name != "" && b.checkName(e.Address, name) == nil {
			b.setName(&e, name)
		}
	}
	b.forget(now)
	b.changed = false
	return b
}

// TakeChanged reports whether the book has changed since the last call.
func (b *Book) TakeChanged() bool {
	changed := b.changed
	b.changed = false
	return changed
}

// Get returns the entry of addr. It is false if there is none.
func (b *Book) Get(addr netip.AddrPort) (backend.Entry, bool) {
	if e := b.entries[addr]; e != nil {
		return *e, true
	}
	return backend.Entry{}, false
}

// Entries returns all entries: favourites, then those with a name, then the
// others, each the one that answered last first.
func (b *Book) Entries() []backend.Entry {
	all := make([]backend.Entry, 0, len(b.entries))
	for _, e := range b.entries {
		one := *e
		one.RTTs = slices.Clone(e.RTTs)
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y backend.Entry) int { return compare(&x, &y) })
	return all
}

// compare is negative if x is dearer to the user than y.
func compare(x, y *backend.Entry) int {
	rank := func(e *backend.Entry) int {
		switch {
		case e.Favourite:
			return 0
		case e.Name != "":
			return 1
		default:
			return 2
		}
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), y.LastSeen.Compare(x.LastSeen), x.Address.Compare(y.Address))
}

// Addresses returns the addresses of all entries, in no order.
func (b *Book) Addresses() []netip.AddrPort {
	all := make([]netip.AddrPort, 0, len(b.entries))
	for a := range b.entries {
		all = append(all, a)
	}
	return all
}

// Record takes the result of a probe. An address that is not in the book comes
// into it if it is a proxy's.
func (b *Book) Record(addr netip.AddrPort, source backend.Source, v backend.Verdict, rtt time.Duration, at time.Time) {
	e := b.entries[addr]
	if e == nil {
		if !v.IsProxy() || !b.makeRoom() {
			return
		}
		e = &backend.Entry{Address: addr, Source: source}
		b.entries[addr] = e
	}
	at = at.UTC().Truncate(time.Second)
	b.changed = b.changed || v.IsProxy() || e.Verdict != v
	if e.Verdict = v; v.IsProxy() {
		if e.LastSeen = at; e.FirstSeen.IsZero() {
			e.FirstSeen = at
		}
		e.RTTs = append(e.RTTs[max(0, len(e.RTTs)-maxRTTs+1):], backend.Milliseconds(rtt))
	}
}

// Change makes all of the changes, or none.
func (b *Book) Change(changes []backend.BookChange) error {
	before := b.copy()
	for _, c := range changes {
		if err := b.change(c); err != nil {
			*b = before
			return err
		}
	}
	b.changed = true
	return nil
}

func (b *Book) copy() Book {
	entries := make(map[netip.AddrPort]*backend.Entry, len(b.entries))
	for addr, e := range b.entries {
		one := *e
		entries[addr] = &one
	}
	return Book{entries, maps.Clone(b.names), b.changed}
}

func (b *Book) change(c backend.BookChange) error {
	if !c.Address.IsValid() {
		return &backend.Error{Code: backend.BadAddress, Message: "A change of the address book names no address"}
	}
	if c.Remove {
		b.remove(c.Address)
		return nil
	}
	if c.Name != nil && *c.Name != "" {
		if err := b.checkName(c.Address, *c.Name); err != nil {
			return err
		}
	}
	e := b.entries[c.Address]
	if e == nil {
		if !b.makeRoom() {
			return &backend.Error{Code: backend.BookFull, Message: fmt.Sprintf("The address book holds %d proxies with a name or a star, and no more; remove one first", MaxEntries)}
		}
		e = &backend.Entry{Address: c.Address, Source: backend.FromUser}
		b.entries[c.Address] = e
	}
	if c.Name != nil {
		b.setName(e, *c.Name)
	} else if e.Name == "" && c.Suggested != "" && b.checkName(c.Address, c.Suggested) == nil {
		b.setName(e, c.Suggested)
	}
	if c.Favourite != nil {
		e.Favourite = *c.Favourite
	}
	return nil
}

// Forget removes what has been silent for too long at the time now.
func (b *Book) Forget(now time.Time) { b.forget(now) }

// forget removes what has been silent for too long, and what there is no room for.
func (b *Book) forget(now time.Time) {
	for addr, e := range b.entries {
		if !isDear(e) && !e.LastSeen.IsZero() && now.Sub(e.LastSeen) > maxSilence {
			b.remove(addr)
		}
	}
	for len(b.entries) > MaxEntries {
		b.removeLeast()
	}
}

func isDear(e *backend.Entry) bool { return e.Favourite || e.Name != "" }

// makeRoom reports whether the book holds one more entry, which may cost the
// least of those without name and star.
func (b *Book) makeRoom() bool {
	if len(b.entries) < MaxEntries {
		return true
	}
	return b.removeLeast()
}

// removeLeast removes the entry that is least dear. It returns false if that has
// a name or a star.
func (b *Book) removeLeast() bool {
	var least *backend.Entry
	for _, e := range b.entries {
		if least == nil || compare(e, least) > 0 {
			least = e
		}
	}
	if isDear(least) && len(b.entries) <= MaxEntries {
		return false
	}
	b.remove(least.Address)
	return true
}

// checkName returns an error of code [backend.BadName] if the entry of addr cannot
// have the name.
func (b *Book) checkName(addr netip.AddrPort, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if other, isTaken := b.names[strings.ToLower(name)]; isTaken && other != addr {
		return &backend.Error{Code: backend.BadName, Message: fmt.Sprintf("%s is called %q already", other, b.entries[other].Name)}
	}
	return nil
}

// setName gives the entry a name that has been checked; empty: none.
func (b *Book) setName(e *backend.Entry, name string) {
	delete(b.names, strings.ToLower(e.Name))
	if e.Name = name; name != "" {
		b.names[strings.ToLower(name)] = e.Address
	}
}

func (b *Book) remove(addr netip.AddrPort) {
	if e := b.entries[addr]; e != nil {
		b.setName(e, "")
		delete(b.entries, addr)
		b.changed = true
	}
}
