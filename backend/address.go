package backend

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the port of SOCKS (IANA, RFC 1928), used where an address names none.
const DefaultPort = 1080

// Overlay is the range of Mycelium's addresses.
var Overlay = netip.MustParsePrefix("400::/7")

const acceptedForms = "407:…::1, [407:…::1], [407:…::1]:1080, 127.0.0.1:9050, socks5://[407:…::1]:1080"

// JoinAddresses writes the addresses with the separator between them.
func JoinAddresses(addrs []netip.AddrPort, separator string) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, separator)
}

// ParseAddress reads the address of a proxy: an IPv6 address, bare or in
// brackets, or an IPv4 address, each with or without a port ([DefaultPort] if
// without), or the same after "socks5://". Names, zones, port 0, multicast and
// unspecified addresses are errors of code [BadAddress] that show the accepted
// forms. IPv4-mapped IPv6 addresses come out as IPv4.
func ParseAddress(s string) (netip.AddrPort, error) {
	bad := func(why string) (netip.AddrPort, error) {
		return netip.AddrPort{}, &Error{BadAddress, fmt.Sprintf("%.60q is not the address of a proxy: %s (accepted: %s)", s, why, acceptedForms)}
	}
	host, port, err := splitPort(strings.TrimPrefix(s, "socks5://"))
	if err != nil {
		return bad(err.Error())
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return bad("not an IP address")
	case addr.Zone() != "":
		return bad("it has a zone")
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() {
		return bad("not the address of one machine")
	}
	return netip.AddrPortFrom(addr, port), nil
}

func splitPort(s string) (host string, port uint16, err error) {
	host, digits, hasPort := s, "", false
	if rest, ok := strings.CutPrefix(s, "["); ok {
		var after string
		host, after, ok = strings.Cut(rest, "]")
		if !ok || !strings.Contains(host, ":") {
			return "", 0, fmt.Errorf("the brackets do not hold an IPv6 address")
		}
		if digits, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return "", 0, fmt.Errorf("unexpected text after the bracket")
		}
	} else if strings.Count(s, ":") == 1 {
		host, digits, hasPort = strings.Cut(s, ":")
	}
	if !hasPort {
		return host, DefaultPort, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("the port is not a number from 1 to 65535")
	}
	return host, uint16(n), nil
}
