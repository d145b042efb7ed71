package backend

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unicode/utf8"
)

// ShortAddress returns an address for people to read. An overlay address loses
// its middle, as in "407:8458:…:1", since its ends tell it from others. Other
// addresses are whole, and so are those that would not get shorter. The port is shown unless
// it is [DefaultPort].
func ShortAddress(a netip.AddrPort) string {
	host := a.Addr().String()
	if Overlay.Contains(a.Addr()) {
		b := a.Addr().As16()
		group := func(i int) uint16 { return binary.BigEndian.Uint16(b[2*i:]) }
		if short := fmt.Sprintf("%x:%x:…:%x", group(0), group(1), group(7)); utf8.RuneCountInString(short) < len(host) {
			host = short
		}
	}
	switch {
	case a.Port() == DefaultPort:
		return host
	case a.Addr().Is4():
		return fmt.Sprintf("%s:%d", host, a.Port())
	default:
		return fmt.Sprintf("[%s]:%d", host, a.Port())
	}
}
