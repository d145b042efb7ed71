package tray

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mycoproxy/assets/icons"
	"mycoproxy/backend"
)

var update = flag.Bool("update", false, "write the menus that the tests see to testdata")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// text is the view as lines: each row with its tick, or an empty box if it can have
// one; what is gray is in parentheses.
func (v view) text() string {
	var b strings.Builder
	names := map[icons.State]string{icons.Disconnected: "disconnected", icons.Connecting: "connecting", icons.Connected: "connected", icons.Trouble: "trouble"}
	fmt.Fprintf(&b, "icon: %s\ntitle: %s\ntooltip: %s\n\n", names[v.icon], v.title, v.tooltip)
	for r, it := range v.rows {
		if separated[row(r)] {
			b.WriteString("----\n")
		}
		if it.label == "" {
			continue
		}
		box := "    "
		if row(r).checkable() {
			box = "[ ] "
		}
		if it.checked {
			box = "[x] "
		}
		label := it.label
		if it.do == (action{}) {
			label = "(" + label + ")"
		}
		b.WriteString(strings.TrimRight(box+label, " ") + "\n")
	}
	return b.String()
}

func addr(n int) netip.AddrPort {
	return netip.MustParseAddrPort(fmt.Sprintf("[407:%x:dbf5:4ed7::%x]:1080", 0x8450+n, n))
}

// proxies are some valid ones, ever slower, then some that need a password.
func proxies(valid, locked int) []backend.Proxy {
	var list []backend.Proxy
	for i := range valid + locked {
		p := backend.Proxy{Address: addr(i + 1), Verdict: backend.Valid, RTT: backend.Milliseconds(time.Duration(10*(i+1)) * time.Millisecond)}
		if i >= valid {
			p.Verdict = backend.AuthRequired
		}
		list = append(list, p)
	}
	return list
}

func disconnected() backend.State {
	return backend.State{
		Version: "1",
		Phase:   backend.Disconnected,
		Probing: backend.Probing{On: true, Peers: 214, Last: noon.Add(-40 * time.Second), Next: noon.Add(20 * time.Second)},
		Node:    &backend.Node{Address: "http://127.0.0.1:8989"},
		Proxies: proxies(3, 1),
	}
}

func connected(to netip.AddrPort) backend.State {
	s := disconnected()
	s.Phase = backend.Connected
	s.Remote = &backend.Remote{Address: to, Since: noon, Answering: true}
	s.Listen = &backend.Listener{
		Address: netip.MustParseAddrPort("[::]:1080"),
		Reached: []netip.AddrPort{netip.MustParseAddrPort("[::1]:1080"), netip.MustParseAddrPort("127.0.0.1:1080")},
	}
	return s
}

func with(s backend.State, change func(*backend.State)) backend.State {
	change(&s)
	return s
}

// Each state has its menu in testdata.
func TestMenus(t *testing.T) {
	for name, m := range map[string]model{
		"waiting": {},
		"crashed": {state: backend.State{Error: backend.ErrCrashed}, atLogin: true, canStart: true},
		"cannot-run": {state: backend.State{Error: &backend.Error{Code: backend.NotRunning,
			Message: `The service cannot run: config.toml:3: share: "LAN" is none of: off, lan, all`}}},
		"disconnected": {state: disconnected()},
		"first-scan": {state: with(disconnected(), func(s *backend.State) {
			s.Proxies, s.Probing = nil, backend.Probing{On: true, Scanning: true, Peers: 214, Last: noon}
		})},
		"nothing-found": {state: with(disconnected(), func(s *backend.State) { s.Proxies, s.Probing.Peers = nil, 1 })},
		"probing-off": {state: with(disconnected(), func(s *backend.State) {
			s.Proxies, s.Probing = nil, backend.Probing{Peers: 2}
		})},
		"connecting": {state: with(disconnected(), func(s *backend.State) { s.Phase = backend.Connecting })},
		"connected":  {state: connected(addr(2)), atLogin: true},
		"connected-in-tray": {state: with(connected(addr(2)), func(s *backend.State) {
			s.Tray, s.Share = true, backend.ShareLAN
		})},
		"connected-to-locked": {state: with(connected(addr(4)), func(s *backend.State) { s.Remote.Mode = backend.Explicit })},
		"connected-elsewhere": {state: with(connected(netip.MustParseAddrPort("127.0.0.1:9050")), func(s *backend.State) {
			s.Remote.Mode, s.Share = backend.Explicit, backend.ShareAll
		})},
		"not-answering": {state: with(connected(addr(2)), func(s *backend.State) { s.Remote.Answering = false })},
		"port-taken": {state: with(disconnected(), func(s *backend.State) {
			s.Error = &backend.Error{Code: backend.PortInUse, Message: "Could not bind TCP listener on [::]:1080: address already in use by danted, pid 812"}
		})},
		"no-node": {state: with(disconnected(), func(s *backend.State) {
			s.Node.Error = "Mycelium node not reachable at 127.0.0.1:8989: connection refused"
		})},
		"not-reached": {state: with(connected(addr(2)), func(s *backend.State) { s.Listen.Reached = nil })},
		"long":        {state: with(connected(addr(40)), func(s *backend.State) { s.Proxies = proxies(60, 10) })},
	} {
		m.now, m.notifications, m.canSetAtLogin = noon, true, true
		got := render(m, arrange(m)).text()
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || got != string(want) {
			t.Errorf("%s is\n%s\nwant (%v)\n%s", name, got, err, want)
		}
	}
}

// The longest menu there can be has few enough rows for a screen 768 pixels
// high, of which a panel takes 40 and a row 26 at most.
func TestLongestMenuFits(t *testing.T) {
	for locked := range 12 {
		m := model{now: noon, canSetAtLogin: true, canStart: true, state: with(connected(addr(40)), func(s *backend.State) {
			s.Proxies = proxies(60, locked)
			s.Error = backend.ErrNoValidProxy
			s.Node.Error = "trouble"
		})}
		lines := strings.Count(render(m, arrange(m)).text(), "\n") - 4 - len(separated)
		if height := 40 + 26*lines + 10*len(separated); height > 768 {
			t.Errorf("%d rows, %d pixels", lines, height)
		}
	}
}

// However many proxies there are, the fastest and the remote are shown, and the
// rest can be chosen from a list.
func TestArrange(t *testing.T) {
	for valid := range 20 {
		for locked := range 6 {
			for remote := range valid + locked + 2 {
				s := disconnected()
				if remote > 0 {
					s = connected(addr(remote))
				}
				s.Proxies = proxies(valid, locked)
				a := arrange(model{state: s})
				shown := map[netip.AddrPort]bool{}
				for _, addr := range append(a.valid[:], a.locked[:]...) {
					if addr.IsValid() {
						if shown[addr] {
							t.Errorf("%v is shown twice", addr)
						}
						shown[addr] = true
					}
				}
				all := valid + locked
				if remote > all {
					all++
				}
				if a.hasMore != (len(shown) < all) {
					t.Errorf("%d valid, %d locked: %d are shown, hasMore is %v", valid, locked, len(shown), a.hasMore)
				}
				if remote > 0 && !shown[addr(remote)] {
					t.Errorf("%d valid, %d locked: the remote %d is not shown", valid, locked, remote)
				}
				if valid > 0 && remote <= valid && !shown[addr(1)] {
					t.Errorf("%d valid, %d locked, remote %d: the fastest is not shown", valid, locked, remote)
				}
			}
		}
	}
}

// While the menu is open it keeps its arrangement: no row comes, goes or
// changes its place, whatever happens.
func TestNothingMovesWhileTheMenuIsOpen(t *testing.T) {
	before := model{now: noon, state: disconnected()}
	a := arrange(before)
	for name, s := range map[string]backend.State{
		"all gone": with(disconnected(), func(s *backend.State) { s.Proxies = nil }),
		"other order": with(connected(addr(3)), func(s *backend.State) {
			s.Proxies = []backend.Proxy{s.Proxies[2], s.Proxies[1], s.Proxies[0]}
			s.Error, s.Node.Error = backend.ErrNoValidProxy, "trouble"
		}),
		"more":       with(disconnected(), func(s *backend.State) { s.Proxies = proxies(60, 9) }),
		"no service": {},
	} {
		old, now := render(before, a), render(model{now: noon, state: s}, a)
		for r := range rowCount {
			wasShown, isShown := old.rows[r].label != "", now.rows[r].label != ""
			proxyWas, _, _ := strings.Cut(old.rows[r].label, " · ")
			proxyIs, _, _ := strings.Cut(now.rows[r].label, " · ")
			if wasShown != isShown || r >= rowValid && r < rowChoose && proxyWas != proxyIs {
				t.Errorf("%s: row %d was %q and is %q", name, r, old.rows[r].label, now.rows[r].label)
			}
		}
	}
}
