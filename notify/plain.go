package notify

import (
	"strings"
	"unicode"
)

// appName is what desktops call the sender.
const appName = "Mycoproxy"

// plain returns the notification without what a desktop would not take as text:
// control characters, bytes that are not UTF-8, which a message bus refuses, and
// the end of the CDATA section in which Windows gets the text.
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
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.ReplaceAll(s, "]]>", "]] >")
}
