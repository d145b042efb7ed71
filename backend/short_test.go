package backend

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestShortAddress(t *testing.T) {
	for in, want := range map[string]string{
		"[407:8458:dbf5:4ed7::1]:1080":                   "407:8458:…:1",
		"[407:8458:dbf5:4ed7::1]:1081":                   "[407:8458:…:1]:1081",
		"[54f:b680:ba6e:7ced:d7d2:5a5b:1c0e:9a04]:1080":  "54f:b680:…:9a04",
		"[400::1]:1080":                                  "400::1",
		"[400:8458::1]:1080":                             "400:8458::1",
		"[407:0:1::2]:9":                                 "[407:0:…:2]:9",
		"127.0.0.1:1080":                                 "127.0.0.1",
		"127.0.0.1:9050":                                 "127.0.0.1:9050",
		"[::1]:1080":                                     "::1",
		"[2001:db8:1111:2222:3333:4444:5555:6666]:1080":  "2001:db8:1111:2222:3333:4444:5555:6666",
		"[2001:db8:1111:2222:3333:4444:5555:6666]:10800": "[2001:db8:1111:2222:3333:4444:5555:6666]:10800",
	} {
		if got := ShortAddress(netip.MustParseAddrPort(in)); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

// Addresses come from hashes, or from a subnet that does and then "::1".
func TestShortAddressesDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	same := 0
	for range 1000 {
		a := [16]byte{4 | byte(r.IntN(2)), 15: 1}
		for i := 1; i < 8; i++ {
			a[i] = byte(r.Uint32())
		}
		short := ShortAddress(netip.AddrPortFrom(netip.AddrFrom16(a), DefaultPort))
		if seen[short] {
			same++
		}
		seen[short] = true
	}
	if same > 1 {
		t.Errorf("%d of 1000 look like another", same)
	}
}
