package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/internal/memnet"
)

func (l *lab) peer(addr netip.AddrPort) (backend.Proxy, bool) {
	l.t.Helper()
	peers, err := l.Peers(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	i := slices.IndexFunc(peers, func(p backend.Proxy) bool { return p.Address == addr })
	if i < 0 {
		return backend.Proxy{}, false
	}
	return peers[i], true
}

// A proxy that was found stays when the node has no route to it any more, and is
// asked on. What never was a proxy goes.
func TestProxyStaysWithoutItsRoute(t *testing.T) {
	var isGone atomic.Bool
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), memnet.Echo)
		c.Routes = func(context.Context) ([]netip.Addr, error) {
			if isGone.Load() {
				return []netip.Addr{}, nil
			}
			return []netip.Addr{addr(1).Addr(), addr(2).Addr()}, nil
		}
	}, func(t *testing.T, l *lab) {
		l.until("one scan", 15*time.Second, scanned)
		if p, _ := l.peer(addr(1)); p.Source != backend.FromRoute || p.Verdict != backend.Valid {
			t.Errorf("with its route it is %+v", p)
		}
		isGone.Store(true)
		time.Sleep(20 * time.Minute)
		if p, has := l.peer(addr(1)); !has || p.Source != backend.FromBook || p.Verdict != backend.Valid || time.Since(p.LastSeen) > 2*time.Minute {
			t.Errorf("after 20 minutes without a route it is %+v", p)
		}
		if _, has := l.peer(addr(2)); has {
			t.Error("what is no proxy is kept")
		}
	})
}

// What is known is asked before the node has said a word.
func TestKnownProxiesNeedNoNode(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.Book = []backend.Entry{{Address: addr(1), Verdict: backend.Valid, LastSeen: time.Now()}}
		c.LastCommand = backend.LastCommand{Connected: true}
		c.Routes = func(ctx context.Context) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}, func(t *testing.T, l *lab) {
		l.until("connected", 2*time.Second, func(s backend.State) bool { return s.Phase == backend.Connected })
	})
}

// The first connection to an address makes the node look for a route, and the
// second uses it.
func TestSecondTryOfAScan(t *testing.T) {
	tries := 0
	inLab(t, 0, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		c.Book = []backend.Entry{{Address: addr(1)}}
		c.Routes = func(context.Context) ([]netip.Addr, error) { return nil, errors.New("not reachable") }
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if tries++; tries == 1 {
				return nil, errors.New("no route to host")
			}
			return l.net.Dial(ctx, network, address)
		}
	}, func(t *testing.T, l *lab) {
		l.until("found", 7*time.Second, func(s backend.State) bool { return len(s.Proxies) == 1 })
		if p, _ := l.peer(addr(1)); tries != 2 || p.Failures != 0 {
			t.Errorf("%d tries, %+v", tries, p)
		}
	})
}

// A peer that is silent for long is asked less and less often, at least every half
// hour, and whenever the user says so.
func TestSilentPeersRest(t *testing.T) {
	var dials []time.Time
	inLab(t, 0, func(l *lab, c *Config) {
		c.Book = []backend.Entry{{Address: addr(1), Name: "Anna"}}
		c.Routes = func(context.Context) ([]netip.Addr, error) { return nil, errors.New("not reachable") }
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return nil, errors.New("no route to host")
		}
	}, func(t *testing.T, l *lab) {
		began := time.Now()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		var at []int // minutes, of the first of two tries
		for i := 0; i < len(dials); i += 2 {
			at = append(at, int(dials[i].Sub(began).Round(time.Minute).Minutes()))
		}
		if want := []int{0, 1, 2, 4, 8, 16, 32, 62, 92, 122, 152}; !slices.Equal(at, want) {
			t.Errorf("asked after %v minutes, want %v", at, want)
		}
		before := len(dials)
		if err := l.ProbeNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(dials) != before+2 {
			t.Errorf("asked %d times when told to", len(dials)-before)
		}
	})
}

func TestNamesAndFavourites(t *testing.T) {
	inLab(t, 3, func(l *lab, c *Config) {
		l.net.Serve(addr(1), open)
		l.net.Serve(addr(2), memnet.Answers(20*time.Millisecond, 5, 0))
		l.net.Serve(addr(3), locked)
	}, func(t *testing.T, l *lab) {
		l.until("three", 2*time.Second, func(s backend.State) bool { return len(s.Proxies) == 3 })
		err := l.ChangeBook(t.Context(), []backend.BookChange{
			{Address: addr(2), Name: new("Anna"), Favourite: new(true)}, {Address: addr(3), Name: new("Ben")}, {Address: addr(9), Name: new("Carla")},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := l.state().Proxies
		if p[0].Address != addr(2) || p[0].Name != "Anna" || !p[0].Favourite || p[1].Address != addr(1) || p[2].Name != "Ben" {
			t.Errorf("the proxies are %+v", p)
		}
		if nine, has := l.peer(addr(9)); !has || nine.Name != "Carla" || nine.Source != backend.FromBook {
			t.Errorf("what was named is %+v", nine)
		}
		var known *backend.Error
		if err := l.ChangeBook(t.Context(), []backend.BookChange{{Address: addr(1), Name: new("anna")}}); !errors.As(err, &known) || known.Code != backend.BadName {
			t.Errorf("a name that is taken: %v", err)
		}
		l.ChangeBook(t.Context(), []backend.BookChange{{Address: addr(9), Remove: true}, {Address: addr(2), Remove: true}})
		if _, has := l.peer(addr(9)); has {
			t.Error("what was removed is still a peer")
		}
		if two, has := l.peer(addr(2)); !has || two.Name != "" || two.Favourite {
			t.Errorf("a peer of the settings that was removed from the book is %+v", two)
		}
	})
}

// A remote that the user names is in the book from then on.
func TestRemoteIsRemembered(t *testing.T) {
	inLab(t, 0, func(l *lab, c *Config) { l.net.Serve(addr(1), open) }, func(t *testing.T, l *lab) {
		l.connect(addr(1))
		l.until("it is a peer", time.Second, func(s backend.State) bool { return s.Probing.Peers == 1 })
		entries, err := l.Book(t.Context())
		if err != nil || len(entries) != 1 || entries[0].Address != addr(1) || entries[0].Source != backend.FromUser {
			t.Errorf("%+v, %v", entries, err)
		}
	})
}

// The book is saved at most once in five seconds, and at the end.
func TestBookIsSaved(t *testing.T) {
	var saved [][]backend.Entry
	var at []time.Duration
	began := time.Now()
	inLab(t, 0, func(l *lab, c *Config) {
		began = time.Now()
		c.SaveBook = func(entries []backend.Entry) error {
			saved, at = append(saved, entries), append(at, time.Since(began))
			return errors.New("the disk is full")
		}
	}, func(t *testing.T, l *lab) {
		name := func(i int) {
			l.ChangeBook(t.Context(), []backend.BookChange{{Address: addr(i)}})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if len(saved) > 0 {
			t.Error("saved without a change")
		}
		for i := range 8 { // one a second
			name(i + 1)
			time.Sleep(time.Second)
		}
		l.stop()
		if want := []time.Duration{60 * time.Second, 65 * time.Second, 68 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("saved after %v, want %v", at, want)
		}
		if n := len(saved); n > 0 && len(saved[n-1]) != 8 {
			t.Errorf("%d entries at the end", len(saved[n-1]))
		}
	})
}
