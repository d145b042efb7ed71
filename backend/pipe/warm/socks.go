package warm

import "bytes"

// repeatable is the length of the beginning of said that may be said a second
// time to the same remote: the greeting and the request (RFC 1928 sections 3 and
// 4). Nothing else is: not a login, and not what a client sends behind its request.
func repeatable(said []byte) int {
	if said[0] != 5 {
		return 0
	}
	if len(said) < 2 || len(said) <= 2+int(said[1]) {
		return len(said)
	}
	greeting := 2 + int(said[1])
	return min(len(said), greeting+requestLength(said[greeting:]))
}

// requestLength is the length of the request that rest begins with, so far as
// is known yet; 0 if rest is none.
func requestLength(rest []byte) int {
	const head, port = 4, 2
	switch {
	case rest[0] != 5:
		return 0
	case len(rest) <= head:
		return head
	}
	switch rest[3] {
	case 1: // IPv4
		return head + 4 + port
	case 3: // a name, behind its length
		return head + 1 + int(rest[4]) + port
	case 4: // IPv6
		return head + 16 + port
	default:
		return 0
	}
}

// isPlain reports whether said is a greeting that offers no password, and no
// more: that alone may be said to a second remote.
func isPlain(said []byte) bool {
	return len(said) >= 2 && said[0] == 5 && len(said) == 2+int(said[1]) &&
		len(bytes.Trim(said[2:], "\x00\x01")) == 0 // no authentication, GSSAPI
}
