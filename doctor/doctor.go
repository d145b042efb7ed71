package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/mycelium"
	"mycoproxy/backend/settings"
)

const (
	limit = 5 * time.Second        // for all checks together, and of the node's client for one answer
	grace = 500 * time.Millisecond // beyond it, for checks to notice that it is over
)

// Outcome is how a check went.
type Outcome int

const (
	OK      Outcome = iota
	Note            // it works, but not as one might expect
	Bad             // something is wrong
	Skipped         // there was nothing to check
)

var outcomes = [...]string{"ok", "note", "bad", "skipped"}

func (o Outcome) String() string               { return outcomes[o] }
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Finding is what a check found.
type Finding struct {
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"`           // what is so, or why the check was skipped
	Cure    string  `json:"cure,omitempty"` // what to do; empty: nothing, or nothing is known
}

// Result is a check and what it found.
type Result struct {
	Name string `json:"name"`
	Finding
}

// Subject is what the checks look at, besides the network, the files and the node.
type Subject struct {
	Version string // of this program
	Program string // the path of this program

	Settings      settings.Settings
	SettingsError error  // not nil: they could not be read, and Settings are the defaults
	ConfigFile    string // need not exist
	StateFolder   string // need not exist

	State      backend.State
	StateError error // not nil: the service could not be asked, and State is zero

	Desktop bool // this process belongs to a desktop session

	// Addresses are those of this machine's interfaces.
	Addresses func() map[netip.Addr]bool

	// Installed returns what starts at login; nil: that is not checked.
	Installed func(context.Context) (Installation, error)

	// Offered is what [SessionBus] returns; nil: tray and notifications are not
	// checked.
	Offered func(ctx context.Context, service string, startable bool) (bool, error)
}

// Installation is what the system starts at login.
type Installation struct {
	Installed bool
	Enabled   bool   // it does start at login
	Program   string // path of the program that it starts
}

type check struct {
	name string
	run  func(context.Context) Finding
}

// Run makes all checks, and returns their results in the order in which to show
// them. It takes 5.5 seconds at most.
func Run(ctx context.Context, s Subject) []Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	node := sync.OnceValues(func() (mycelium.Info, error) { return s.askNode(ctx) })
	checks := []check{
		{"settings", s.checkSettings},
		{"state folder", s.checkStateFolder},
		{"service", s.checkService},
	}
	if s.Installed != nil {
		checks = append(checks, check{"login", s.checkLogin})
	}
	checks = append(checks,
		check{"node", func(context.Context) Finding { return s.checkNode(node()) }},
		check{"routes", func(context.Context) Finding { return s.checkRoutes(node()) }},
		check{"overlay", func(context.Context) Finding { return s.checkOverlay(node()) }},
		check{"port", s.checkPort},
		check{"listener", s.checkListener},
		check{"remote", s.checkRemote},
		check{"connect", s.checkConnect},
	)
	if s.Offered != nil {
		checks = append(checks, check{"tray", s.checkTray}, check{"notifications", s.checkNotifications})
	}
	return runAll(ctx, checks)
}

// runAll makes all checks at the same time. It does not wait for one that has not
// ended when limit and grace are over.
func runAll(ctx context.Context, checks []check) []Result {
	results := make([]Result, len(checks))
	over, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+grace)
	defer cancel()
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			found := make(chan Finding, 1)
			go func() { found <- c.run(ctx) }()
			results[i].Name = c.name
			select {
			case results[i].Finding = <-found:
			case <-over.Done():
				results[i].Finding = bad("", "the check did not end within %v", limit)
			}
		})
	}
	all.Wait()
	return results
}

func ok(format string, args ...any) Finding {
	return Finding{Outcome: OK, Text: fmt.Sprintf(format, args...)}
}

func skipped(why string) Finding { return Finding{Outcome: Skipped, Text: why} }

func note(cure, format string, args ...any) Finding {
	return Finding{Note, fmt.Sprintf(format, args...), cure}
}

func bad(cure, format string, args ...any) Finding {
	return Finding{Bad, fmt.Sprintf(format, args...), cure}
}
