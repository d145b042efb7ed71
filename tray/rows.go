package tray

import (
	"net/netip"

	"mycoproxy/assets/icons"
)

// row is a place in the menu, from top to bottom.
type row int

const (
	rowState row = iota
	rowError
	rowNodeError
	rowStartService
	rowConnection // disconnect, or connect to the fastest
	rowNoProxies
	rowValid // the first of maxValid rows
)

const (
	rowLocked = rowValid + maxValid // the first of maxLocked pairs: the proxy, and what connects to it anyway

	rowChoose = rowLocked + 2*maxLocked + iota - 1
	rowAddress
	rowScan
	rowProbing
	rowCopy
	rowShare
	rowLogin
	rowNotifications
	rowQuit
	rowDisconnectQuit

	rowCount
)

const (
	// proxyRows are as many as, with all the others, fit a screen 768 pixels high.
	proxyRows = 12
	maxValid  = proxyRows
	maxLocked = 3
)

// separated are the rows with a line above them.
var separated = map[row]bool{rowConnection: true, rowNoProxies: true, rowAddress: true, rowCopy: true, rowQuit: true}

// checkable reports whether a row can have a tick.
func (r row) checkable() bool {
	isProxy := r >= rowValid && r < rowLocked || r >= rowLocked && r < rowChoose && (r-rowLocked)%2 == 0
	return isProxy || r == rowShare || r == rowLogin || r == rowNotifications
}

// view is all that the user sees of the tray. Its zero value shows nothing.
type view struct {
	icon    icons.State
	title   string // what screen readers say of the icon on Linux
	tooltip string
	rows    [rowCount]item
}

// item is what one row shows, and does when it is clicked. Its zero value is a
// row that is not shown.
type item struct {
	label   string // empty: not shown
	checked bool
	do      action // zero: the row is gray
}

// action is what a click asks for.
type action struct {
	verb   verb
	remote netip.AddrPort // of connect; zero: the fastest
	on     bool           // of the verbs that turn something on or off
}

type verb int

const (
	nothing verb = iota
	connect
	disconnect
	askAddress
	choose
	scanNow
	setProbing
	copyAddress
	setShare
	setAtLogin
	setNotifications
	startService
	quit
	disconnectQuit
)
