package notify

import (
	"fmt"
	"net/netip"

	"mycoproxy/backend"
)

// Diff is what to tell a user who knows the state old, now that the state is new.
// It is the zero Notification if the user commanded all that changed, or need not
// know of it. There may have been states between the two.
func Diff(old, new backend.State) Notification {
	switch {
	case old.Phase == backend.Offline:
		return Notification{} // this is the state at the start
	case new.Phase == backend.Offline && (new.Error == nil || new.Error.Code != backend.Crashed):
		return Notification{} // somebody told it to end
	case new.Phase == backend.Offline:
		return stopped("Applications cannot connect through it until it runs again.")
	case new.Phase == backend.Connected && new.Remote != nil:
		return diffRemote(old, new)
	case isNews(old.Error, new.Error):
		return failed(new.Error)
	case old.Phase == backend.Connected && hasRestarted(old, new):
		if new.Phase == backend.Connecting {
			return stopped("It is about to connect again.")
		}
		return stopped("You are not connected any more.")
	default:
		return Notification{}
	}
}

func stopped(body string) Notification {
	return Notification{ServiceStopped, "The Mycoproxy service has stopped", body}
}

// isNews reports whether now is an error other than was, and of a kind that
// explains to the user why there is no connection.
func isNews(was, now *backend.Error) bool {
	if now == nil || was != nil && *was == *now {
		return false
	}
	return now.Code == backend.PortInUse || now.Code == backend.CannotBind || now.Code == backend.ListenerLost
}

func hasRestarted(old, new backend.State) bool { return old.PID != new.PID }

// diffRemote compares remotes; new is connected.
func diffRemote(old, new backend.State) Notification {
	now, was := new.Remote, old.Remote
	if old.Phase != backend.Connected {
		was = nil
	}
	switch {
	case was == nil || was.Address != now.Address:
		byService := was != nil && !hasRestarted(old, new) && was.Mode == backend.Auto && now.Mode == backend.Auto
		switch {
		case !now.Answering:
			return gone(new)
		case byService:
			return moved(*was, new)
		default:
			return connected(new)
		}
	case was.Answering && !now.Answering:
		return gone(new)
	case !was.Answering && now.Answering:
		return Notification{Back, name(now.Address) + " answers again", applications(new)}
	case now.Mode == backend.Explicit && isLocked(new, now.Address) && !isLocked(old, now.Address):
		return Notification{NeedsPassword, name(now.Address) + " needs a password", passwordHint}
	default:
		return Notification{}
	}
}

const passwordHint = "Your applications must log in to it themselves."

func connected(s backend.State) Notification {
	r := s.Remote
	n := Notification{Kind: Connected, Title: "Connected to " + name(r.Address)}
	switch {
	case isLocked(s, r.Address):
		n.Body = "This proxy needs a password. " + passwordHint
	case r.Mode == backend.Auto:
		n.Body = fastestOf(s) + withRTT(s, r.Address)
	default:
		n.Body = "As you chose" + withRTT(s, r.Address)
	}
	if r.Mode == backend.Explicit && !backend.Overlay.Contains(r.Address.Addr()) {
		n.Body += " It is not an overlay address."
	}
	n.Body += " " + applications(s)
	return n
}

// fastestOf says of how many proxies the remote is the fastest.
func fastestOf(s backend.State) string {
	valid := 0
	for _, p := range s.Proxies {
		if p.Verdict == backend.Valid {
			valid++
		}
	}
	if valid < 2 {
		return "The only valid proxy"
	}
	return fmt.Sprintf("The fastest of %d proxies", valid)
}

// withRTT ends a sentence about the proxy, with its round-trip time if that is known.
func withRTT(s backend.State, a netip.AddrPort) string {
	if p, ok := s.Proxy(a); ok && p.RTT != 0 {
		return ", " + p.RTT.String() + "."
	}
	return "."
}

// applications says where they connect to.
func applications(s backend.State) string {
	at, ok := s.ApplicationAddress()
	if !ok {
		return "But applications cannot reach the local port."
	}
	return fmt.Sprintf("Applications use %s.", at)
}

func gone(s backend.State) Notification {
	n := Notification{Kind: Gone, Title: trouble(s, s.Remote.Address)}
	switch {
	case s.Remote.Mode == backend.Explicit && s.Probing.On:
		n.Body = "It is kept, because you chose it, and asked again every minute."
	case s.Remote.Mode == backend.Explicit:
		n.Body = "It is kept, because you chose it."
	case s.Probing.On:
		n.Body = "No other proxy answers. The first that does takes its place."
	default:
		n.Body = "No other proxy answers, and probing is off."
	}
	return n
}

// moved tells of a remote that the service chose in place of was.
func moved(was backend.Remote, s backend.State) Notification {
	now := s.Remote.Address
	switch {
	case !was.Answering: // which the user has been told
		return Notification{Moved, "Connected to " + name(now), fmt.Sprintf("In place of %s%s", name(was.Address), withRTT(s, now))}
	case hasVerdict(s, was.Address, backend.Valid): // so the user asked for the fastest again
		n := connected(s)
		n.Kind = Moved
		return n
	default:
		return Notification{Moved, trouble(s, was.Address), fmt.Sprintf("Connected to %s instead%s", name(now), withRTT(s, now))}
	}
}

// trouble says what is wrong with a remote that cannot be used.
func trouble(s backend.State, a netip.AddrPort) string {
	if isLocked(s, a) {
		return name(a) + " now needs a password"
	}
	return name(a) + " does not answer"
}

func isLocked(s backend.State, a netip.AddrPort) bool {
	return hasVerdict(s, a, backend.AuthRequired)
}

func hasVerdict(s backend.State, a netip.AddrPort, v backend.Verdict) bool {
	p, ok := s.Proxy(a)
	return ok && p.Verdict == v
}

func name(a netip.AddrPort) string { return backend.ShortAddress(a) }
