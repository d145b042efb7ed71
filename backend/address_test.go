package backend

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"407:8458:dbf5:4ed7::1":             "[407:8458:dbf5:4ed7::1]:1080",
		"[407:8458:dbf5:4ed7::1]":           "[407:8458:dbf5:4ed7::1]:1080",
		"[407:8458:dbf5:4ed7::1]:1081":      "[407:8458:dbf5:4ed7::1]:1081",
		"127.0.0.1:9050":                    "127.0.0.1:9050",
		"127.0.0.1":                         "127.0.0.1:1080",
		"::1":                               "[::1]:1080",
		"socks5://[407::1]:1080":            "[407::1]:1080",
		"socks5://127.0.0.1:9":              "127.0.0.1:9",
		"::ffff:127.0.0.1":                  "127.0.0.1:1080",
		"[::ffff:127.0.0.1]:65535":          "127.0.0.1:65535",
		"407:8458:dbf5:4ed7:1111:2222:3:44": "[407:8458:dbf5:4ed7:1111:2222:3:44]:1080",
	} {
		got, err := ParseAddress(in)
		if err != nil || got != netip.MustParseAddrPort(want) {
			t.Errorf("ParseAddress(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "example.org", "example.org:1080", "localhost", "[localhost]:1080", "407::1:1080:", "fe80::1%eth0",
		"[fe80::1%eth0]:1080", "[407::1]:0", "[407::1]:65536", "[407::1]:", "[407::1]:-1", "[407::1]x", "[407::1", "407::1]:1080",
		"127.0.0.1:http", "[127.0.0.1]:1080", "http://[407::1]:1080", "socks5://", "socks5://socks5://[407::1]", "[::]:1080", "0.0.0.0",
		"ff02::1", "[407::1]:1080/", "127.0.0.1:1080:1080", "1.2.3", strings.Repeat("4", 1<<16),
	} {
		got, err := ParseAddress(in)
		if !errors.Is(err, &Error{Code: BadAddress}) || got.IsValid() {
			t.Errorf("ParseAddress(%.60q) = %v, %v; want an error of code bad_address", in, got, err)
		} else if !strings.Contains(err.Error(), acceptedForms) || len(err.Error()) > 400 {
			t.Errorf("ParseAddress(%.60q): %q does not show the accepted forms briefly", in, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"407::1", "[407::1]:1080", "127.0.0.1:9050", "socks5://[407::1]:1080", "fe80::1%eth0", "[::]:1080", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := ParseAddress(s)
		if err != nil {
			if !errors.Is(err, &Error{Code: BadAddress}) {
				t.Fatalf("%q: error %v without its code", s, err)
			}
			return
		}
		if addr.Port() == 0 || addr.Addr().Zone() != "" || addr.Addr().Is4In6() {
			t.Fatalf("%q: accepted as %v", s, addr)
		}
		if again, err := ParseAddress(addr.String()); err != nil || again != addr {
			t.Fatalf("%q: %v does not read back: %v, %v", s, addr, again, err)
		}
	})
}
