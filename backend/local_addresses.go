package backend

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// LocalAddresses returns the addresses of this machine's interfaces, without
// zones. The map may be up to a second old and is shared: it is only to be read.
func LocalAddresses() map[netip.Addr]bool { return thisMachine.addresses() }

var thisMachine = localAddresses{list: net.InterfaceAddrs}

// localMaxAge is how old an answer of LocalAddresses may be. To list the
// interfaces takes long where there are many, and every refused connection asks.
const localMaxAge = time.Second

// localAddresses keeps the addresses that list returned last.
type localAddresses struct {
	list   func() ([]net.Addr, error)
	latest atomic.Pointer[localSnapshot]
	mu     sync.Mutex // held while latest is replaced
}

type localSnapshot struct {
	addresses map[netip.Addr]bool
	taken     time.Time
}

// isFresh reports whether s is there and not too old. A time in the future is
// that of a clock which has been set back, or of a test with a clock of its own.
func (s *localSnapshot) isFresh() bool {
	if s == nil {
		return false
	}
	age := time.Since(s.taken)
	return age >= 0 && age < localMaxAge
}

func (l *localAddresses) addresses() map[netip.Addr]bool {
	if s := l.latest.Load(); s.isFresh() {
		return s.addresses
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.latest.Load()
	if old.isFresh() {
		return old.addresses // another caller has replaced it meanwhile
	}
	s := &localSnapshot{taken: time.Now()}
	listed, err := l.list()
	if err != nil && old != nil {
		s.addresses = old.addresses // the machine has its addresses even if it is out of descriptors
	} else {
		s.addresses = make(map[netip.Addr]bool, len(listed))
		for _, a := range listed {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				s.addresses[p.Addr().Unmap()] = true
			}
		}
	}
	l.latest.Store(s)
	return s.addresses
}
