package notify

import (
	"strings"
	"unicode"
)

// appName is what desktops call the sender.
const appName = "Mycoproxy"

// plain returns the notification without what some desktop would take for more
// than text: control characters, and the end of the XML section that Windows
// gets the text in.
func (n Notification) plain() Notification {
	n.Title, n.Body = plain(n.Title), plain(n.Body)
	return n
}

func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")) // which a message bus refuses
	return strings.ReplaceAll(s, "]]>", "]] >")
}
