package tray

import (
	"fmt"
	"net/netip"
	"time"

	"mycoproxy/backend"
)

// model is all that the view depends on.
type model struct {
	state         backend.State
	now           time.Time
	notifications bool
	atLogin       bool // the service and the tray start at login
	canSetAtLogin bool
	canStart      bool // there is a service that could be started
}

// render makes the view of a model, with the rows of an arrangement that may be
// older than the model.
func render(m model, a arrangement) view {
	s := m.state
	v := view{icon: iconOf(s), title: titleText(s), tooltip: "Mycoproxy: " + lowerFirst(stateText(s))}
	isOffline := s.Phase == backend.Offline
	set := func(r row, label string, do action) { v.rows[r] = item{label: label, do: do} }
	tick := func(r row, label string, on bool, do action) { v.rows[r] = item{label, on, do} }

	set(rowState, stateText(s), action{})
	if a.shown[rowError] {
		set(rowError, orDash(errorText(s)), action{})
	}
	if a.shown[rowNodeError] {
		set(rowNodeError, orDash(nodeText(s)), action{})
	}
	if a.shown[rowStartService] {
		set(rowStartService, "Start the service", when(isOffline, action{verb: startService}))
	}
	if s.Phase == backend.Connected || s.Phase == backend.Connecting {
		set(rowConnection, "Disconnect", action{verb: disconnect})
	} else {
		set(rowConnection, "Connect to the fastest", when(!isOffline, action{verb: connect}))
	}
	renderProxies(&v, m, a)
	set(rowAddress, "Connect to address…", when(!isOffline, action{verb: askAddress}))
	set(rowScan, scanText(s, m.now), when(!isOffline && !s.Probing.Scanning, action{verb: scanNow}))
	if s.Probing.On {
		set(rowProbing, "Stop probing", action{verb: setProbing})
	} else {
		set(rowProbing, "Start probing", when(!isOffline, action{verb: setProbing, on: true}))
	}
	_, isReachable := s.ApplicationAddress()
	set(rowCopy, "Copy proxy address", when(isReachable, action{verb: copyAddress}))
	share := "Share on local network"
	if s.Share == backend.ShareAll {
		share = "Share with everyone"
	}
	tick(rowShare, share, s.Share != backend.ShareOff, when(!isOffline, action{verb: setShare, on: s.Share == backend.ShareOff}))
	if m.canSetAtLogin {
		tick(rowLogin, "Start at login", m.atLogin, action{verb: setAtLogin, on: !m.atLogin})
	}
	tick(rowNotifications, "Notifications", m.notifications, action{verb: setNotifications, on: !m.notifications})
	if s.Tray && s.Remote != nil {
		set(rowQuit, "Quit (nothing is forwarded then)", action{verb: quit})
	} else {
		set(rowQuit, "Quit", action{verb: quit})
	}
	set(rowDisconnectQuit, "Disconnect and quit", when(!isOffline, action{verb: disconnectQuit}))
	return v
}

// when is the action if it is possible now, else none, which makes the row gray.
func when(possible bool, do action) action {
	if !possible {
		return action{}
	}
	return do
}

// renderProxies makes the rows of the proxies.
func renderProxies(v *view, m model, a arrangement) {
	s := m.state
	known := map[netip.AddrPort]backend.Proxy{}
	for _, p := range s.Proxies {
		known[p.Address] = p
	}
	of := func(addr netip.AddrPort) item {
		p, isKnown := known[addr]
		isRemote := s.Remote != nil && s.Remote.Address == addr
		label := backend.ShortAddress(addr) + " · " + proxyText(s, p, isKnown, isRemote)
		return item{label, isRemote, when(isKnown || isRemote, action{verb: connect, remote: addr})}
	}
	for i, addr := range a.valid {
		if addr.IsValid() {
			v.rows[rowValid+row(i)] = of(addr)
		}
	}
	for i, addr := range a.locked {
		if addr.IsValid() {
			at, it := rowLocked+2*row(i), of(addr)
			v.rows[at] = item{label: it.label, checked: it.checked}
			v.rows[at+1] = item{label: "    Connect anyway…", do: when(!it.checked, it.do)}
		}
	}
	if !a.valid[0].IsValid() && !a.locked[0].IsValid() {
		v.rows[rowNoProxies] = item{label: noProxiesText(s)}
	}
	if a.hasMore {
		label := fmt.Sprintf("Choose another… (%d found)", len(s.Proxies))
		v.rows[rowChoose] = item{label: label, do: when(len(s.Proxies) > 0, action{verb: choose})}
	}
}
