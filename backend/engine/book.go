package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/scan"
)

const (
	saveGap = 5 * time.Second // between two times that the book is saved

	// A peer without a route that has been silent in so many scans is asked after
	// 2 minutes, then 4, and so on.
	silentScans = 3
	maxRest     = 30 * time.Minute
)

// Book implements [backend.Backend].
func (e *Engine) Book(ctx context.Context) (entries []backend.Entry, err error) {
	err = e.do(ctx, func() { entries = e.book.Entries() })
	return entries, err
}

// ChangeBook implements [backend.Backend].
func (e *Engine) ChangeBook(ctx context.Context, changes []backend.BookChange) error {
	var refused error
	if err := e.do(ctx, func() {
		if refused = e.book.Change(changes); refused == nil {
			e.setPeers()
		}
	}); err != nil {
		return err
	}
	return refused
}

// remember puts the address that the user connects to into the book.
func (e *Engine) remember(addr netip.AddrPort) {
	if _, isKnown := e.book.Get(addr); addr.IsValid() && !isKnown {
		if err := e.book.Change([]backend.BookChange{{Address: addr}}); err != nil {
			e.log.Warn("the address book does not take the remote", "error", err)
			return
		}
		e.setPeers()
	}
}

// record keeps what a probe found, in table and book.
func (e *Engine) record(r scan.Result) {
	if r.Verdict == backend.Unknown {
		return
	}
	e.table.Record(r)
	e.book.Record(r.Address, e.source(r.Address), r.Verdict, r.RTT, r.At)
}

// setPeers makes the peers those of the settings, the routes and the book,
// without this service's own listeners. It returns those that are new.
func (e *Engine) setPeers() (fresh []netip.AddrPort) {
	all := slices.Concat(e.book.Addresses(), e.config.Peers)
	for route := range e.routes {
		all = append(all, route)
	}
	local := backend.LocalAddresses() // read once: there may be thousands of peers
	fresh = e.table.Set(slices.DeleteFunc(all, func(a netip.AddrPort) bool { return !e.routes[a] && e.isOwn(a, local) }))
	e.table.Describe(func(p *backend.Proxy) {
		entry, _ := e.book.Get(p.Address)
		p.Name, p.Favourite, p.Source = entry.Name, entry.Favourite, e.source(p.Address)
	})
	return fresh
}

// source returns why the address is among the peers.
func (e *Engine) source(addr netip.AddrPort) backend.Source {
	switch {
	case slices.Contains(e.config.Peers, addr):
		return backend.FromUser
	case e.routes[addr]:
		return backend.FromRoute
	default:
		return backend.FromBook
	}
}

// lacksRoute reports whether the node may have no route to the address yet. The
// remote, which is in use, has one.
func (e *Engine) lacksRoute(addr netip.AddrPort) bool {
	return e.config.Routes != nil && backend.Overlay.Contains(addr.Addr()) && !e.routes[addr] && !e.isRemote(addr)
}

// rests reports whether a scan in the background leaves the peer out, because it
// has been silent for long and nothing but the book tells of it.
func (e *Engine) rests(addr netip.AddrPort) bool {
	failures, probed := e.table.Silence(addr)
	if failures < silentScans || e.source(addr) != backend.FromBook || e.isRemote(addr) {
		return false
	}
	rest := maxRest
	if doublings := failures - silentScans; doublings < 4 {
		rest = 2 * time.Minute << doublings
	}
	return time.Since(probed) < rest-scan.Interval/2 // scans do not begin to the second
}

// saveBooks is the task that writes the book; the loop never waits for a disk.
func (e *Engine) saveBooks() {
	for range e.dirty {
		e.saveBook()
		select {
		case <-time.After(saveGap):
		case <-e.quit:
		}
	}
}

func (e *Engine) saveBook() {
	if e.config.SaveBook == nil {
		return
	}
	var entries []backend.Entry
	if err := e.do(context.Background(), func() { entries = e.book.Entries() }); err != nil {
		entries = e.book.Entries() // the loop has ended
	}
	if err := e.config.SaveBook(entries); err != nil {
		e.log.Warn("the address book was not saved", "error", err)
	}
}
