package warm

import "bytes"

const (
	version4 = 4
	version5 = 5

	noAuthentication = 0 // methods of a greeting
	gssapi           = 1
)

// repeatable is the length of the beginning of said that may be said a second
// time to the same remote: the greeting and the request (RFC 1928 sections 3 and
// 4; SOCKS4: the request). Nothing else is: not a login, and not what a client
// sends behind its request.
func repeatable(said []byte) int {
	switch {
	case len(said) == 0:
		return 0
	case said[0] == version4:
		return min(len(said), requestLength4(said))
	case len(said) < 2:
		return len(said)
	}
	greeting := 2 + int(said[1])
	if len(said) <= greeting {
		return len(said)
	}
	return min(len(said), greeting+requestLength(said[greeting:]))
}

// requestLength is the length of the request that rest begins with, so far as
// is known yet; 0 if rest is none.
func requestLength(rest []byte) int {
	const head, port = 4, 2
	switch {
	case rest[0] != version5:
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

// requestLength4 is the length of a SOCKS4 request: eight bytes, a user ID that
// ends with a zero, and after an address of 0.0.0.x (SOCKS4a) a name that does.
func requestLength4(said []byte) int {
	const head, longest = 8, 255
	if len(said) <= head {
		return head
	}
	length := head
	texts := 1
	if bytes.Equal(said[4:7], []byte{0, 0, 0}) && said[7] != 0 {
		texts = 2
	}
	for range texts {
		i := bytes.IndexByte(said[length:], 0)
		if i < 0 {
			return length + longest + 1
		}
		length += i + 1
	}
	return length
}

// isPlain reports whether said is a greeting that offers no password, and no
// more: that alone may be said to a second remote.
func isPlain(said []byte) bool {
	return len(said) >= 2 && said[0] == version5 && len(said) == 2+int(said[1]) &&
		len(bytes.Trim(said[2:], string([]byte{noAuthentication, gssapi}))) == 0
}
