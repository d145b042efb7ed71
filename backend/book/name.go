package book

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"mycoproxy/backend"
)

// MaxName is how many characters a name may have.
const MaxName = 40

// CheckName returns an error of code [backend.BadName] if a proxy cannot be called
// so: a name has 1 to 40 characters that can be seen, does not begin or end with a
// space, and is not an address.
func CheckName(name string) error {
	bad := func(why string) error {
		return &backend.Error{Code: backend.BadName, Message: fmt.Sprintf("%.60q cannot be the name of a proxy: %s", name, why)}
	}
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return bad("it is not UTF-8")
	case n == 0:
		return bad("it is empty")
	case n > MaxName:
		return bad(fmt.Sprintf("it has %d characters, and %d are the most", n, MaxName))
	case strings.ContainsFunc(name, isHidden):
		return bad("it holds a character that cannot be seen")
	case strings.TrimSpace(name) != name:
		return bad("a space is at its end")
	case strings.HasPrefix(name, "-"):
		return bad("it begins as an option does")
	}
	if _, err := backend.ParseAddress(name); err == nil {
		return bad("it is an address")
	}
	return nil
}

// isHidden reports whether r is a control character, or one that changes the
// direction of others or cannot be seen for another reason. The two joiners of
// Arabic, Persian and Indic scripts are not.
func isHidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return !unicode.IsPrint(r) && r != nonJoiner && r != joiner
}

// Find returns the address that text stands for: one that it writes, or that of
// the entry with this name, or of the only one whose name begins so; case does
// not matter. Its errors have the code [backend.BadAddress].
func Find(entries []backend.Entry, text string) (netip.AddrPort, error) {
	addr, err := backend.ParseAddress(text)
	if err == nil {
		return addr, nil
	}
	var begin []backend.Entry
	for _, e := range entries {
		switch {
		case e.Name == "":
		case strings.EqualFold(e.Name, text):
			return e.Address, nil
		case hasPrefixFold(e.Name, text):
			begin = append(begin, e)
		}
	}
	switch len(begin) {
	case 0:
		if looksLikeName(text) {
			return netip.AddrPort{}, &backend.Error{Code: backend.BadAddress, Message: fmt.Sprintf("No proxy is called %.60q", text)}
		}
		return netip.AddrPort{}, err
	case 1:
		return begin[0].Address, nil
	}
	names := make([]string, len(begin))
	for i, e := range begin {
		names[i] = fmt.Sprintf("%q", e.Name)
	}
	return netip.AddrPort{}, &backend.Error{Code: backend.BadAddress, Message: fmt.Sprintf("%q could be %s", text, strings.Join(names, ", "))}
}

func hasPrefixFold(name, text string) bool {
	n, t := []rune(name), []rune(text)
	return len(t) > 0 && len(n) >= len(t) && strings.EqualFold(string(n[:len(t)]), text)
}

// looksLikeName reports whether text is not meant as an address.
func looksLikeName(text string) bool {
	return CheckName(text) == nil && !strings.ContainsAny(text, ".:[]/")
}
