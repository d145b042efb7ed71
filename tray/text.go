package tray

import (
	"fmt"
	"strings"
	"time"

	"mycoproxy/assets/icons"
	"mycoproxy/backend"
)

// longest is how many characters of a row are shown: with more of them the menu
// would be wider than a small screen.
const longest = 110

func cut(s string) string {
	r := []rune(s)
	if len(r) <= longest {
		return s
	}
	return strings.TrimSpace(string(r[:longest-1])) + "…"
}

// orDash makes a label of a text that may be empty, for a row that must be shown.
func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return cut(s)
}

func iconOf(s backend.State) icons.State {
	switch {
	case errorText(s) != "", nodeText(s) != "", s.Remote != nil && !s.Remote.Answering:
		return icons.Trouble
	case s.Phase == backend.Connected:
		return icons.Connected
	case s.Phase == backend.Connecting, s.Phase == backend.Offline:
		return icons.Connecting
	default:
		return icons.Disconnected
	}
}

// isUnreachable reports whether applications on this machine cannot reach the listener.
func isUnreachable(s backend.State) bool { return s.Listen != nil && len(s.Listen.Reached) == 0 }

// stateText is the state in one line.
func stateText(s backend.State) string {
	if s.Remote == nil {
		switch s.Phase {
		case backend.Offline:
			if s.Error == nil {
				return "Waiting for the service…"
			}
			return "The service is not running"
		case backend.Connecting:
			return "Connecting…"
		default:
			return "Not connected"
		}
	}
	name := backend.ShortAddress(s.Remote.Address)
	switch {
	case !s.Remote.Answering:
		return name + " does not answer"
	case s.Phase == backend.Connecting:
		return "Connecting to " + name + "…"
	}
	if p, ok := s.Proxy(s.Remote.Address); ok && p.Verdict == backend.Valid {
		return "Connected to " + name + " · " + p.RTT.String()
	}
	return "Connected to " + name
}

// titleText says in words what the icon shows. It has no round-trip time, which
// would change it at each scan.
func titleText(s backend.State) string {
	text, _, _ := strings.Cut(stateText(s), " · ")
	if iconOf(s) == icons.Trouble {
		return "Mycoproxy: trouble, " + lowerFirst(text)
	}
	return "Mycoproxy: " + lowerFirst(text)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// errorText is what is wrong apart from the node; empty: nothing.
func errorText(s backend.State) string {
	switch {
	case s.Error != nil:
		return s.Error.Message
	case isUnreachable(s):
		return fmt.Sprintf("Applications cannot reach %s: another program may hold 127.0.0.1", s.Listen.Address)
	default:
		return ""
	}
}

func nodeText(s backend.State) string {
	if s.Node == nil {
		return ""
	}
	return s.Node.Error
}

// proxyText is what to say of a proxy beside its address.
func proxyText(s backend.State, p backend.Proxy, isKnown, isRemote bool) string {
	switch {
	case isRemote && !s.Remote.Answering:
		return "does not answer"
	case isKnown && p.Verdict == backend.AuthRequired:
		return "needs a password"
	case isKnown:
		return p.RTT.String()
	case isRemote:
		return "your choice"
	default:
		return "gone"
	}
}

func noProxiesText(s backend.State) string {
	switch {
	case s.Phase == backend.Offline:
		return "No proxies"
	case s.Probing.Scanning:
		return "Looking for proxies…"
	case !s.Probing.On:
		return "No proxies: probing is off"
	default:
		return "No proxies found"
	}
}

// scanText is the scan row, with size and age of the last scan.
func scanText(s backend.State, now time.Time) string {
	peers := fmt.Sprintf("%d peers", s.Probing.Peers)
	if s.Probing.Peers == 1 {
		peers = "1 peer"
	}
	switch {
	case s.Phase == backend.Offline:
		return "Scan now"
	case s.Probing.Scanning:
		return "Scanning " + peers + "…"
	case s.Probing.Last.IsZero():
		return "Scan now · " + peers
	default:
		return "Scan now · " + peers + ", " + age(now.Sub(s.Probing.Last))
	}
}

// age is coarse, so that the menu does not change all the time.
func age(d time.Duration) string {
	switch {
	case d < 30*time.Second:
		return "just now"
	case d < time.Minute:
		return "half a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
}
