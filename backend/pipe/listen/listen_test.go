package listen

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mycoproxy/backend"
)

var here = netip.MustParseAddr("192.168.9.1")

func TestAccessPolicy(t *testing.T) {
	for source, want := range map[string]string{ // the words of Share that serve it
		"127.0.0.1":         "off lan all",
		"127.9.9.9":         "off lan all",
		"::1":               "off lan all",
		"::ffff:127.0.0.1":  "off lan all",
		"192.168.9.1":       "off lan all", // ourselves, over our own address
		"::ffff:10.1.2.3":   "lan all",
		"10.1.2.3":          "lan all",
		"172.16.0.1":        "lan all",
		"192.168.1.1":       "lan all",
		"169.254.3.4":       "lan all",
		"fe80::1%eth0":      "lan all",
		"fd00::1":           "lan all",
		"407:8458::1":       "all",
		"5ff:ffff::1":       "all",
		"2001:db8::1":       "all",
		"198.51.100.1":      "all",
		"172.32.0.1":        "all",
		"::ffff:8.8.8.8":    "all",
		"100.64.0.1":        "all",
		"::":                "all",
		"64:ff9b::7f00:1":   "all",
		"::127.0.0.1":       "all",
		"2002:7f00:0001::1": "all",
	} {
		for _, share := range []backend.Share{backend.ShareOff, backend.ShareLAN, backend.ShareAll} {
			served := strings.Contains(" "+want+" ", " "+share.String()+" ")
			addr := netip.MustParseAddr(source)
			if got := isLocal(addr, here) || servesOthers(share, addr); got != served {
				t.Errorf("share %v, source %s: %v, want %v", share, source, got, served)
			}
		}
	}
}

func TestOwnInterfaceAddressIsServed(t *testing.T) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		// A link-local one may be another machine's too, on another link, unless
		// it is the very address that was connected to.
		addr := netip.MustParsePrefix(i.String()).Addr()
		if got := isLocal(addr, here); got == addr.IsLinkLocalUnicast() {
			t.Errorf("%v is an address of this machine: served %v", addr, got)
		}
		if !isLocal(addr, addr) {
			t.Errorf("%v connected to itself and is refused", addr)
		}
	}
}

func TestListens(t *testing.T) {
	for _, c := range []struct {
		listen, addr string
		want         bool
	}{
		{"[::]:1080", "[::1]:1080", true},
		{"[::]:1080", "127.0.0.1:1080", true},
		{"[::]:1080", "127.3.2.1:1080", true},
		{"0.0.0.0:1080", "127.0.0.1:1080", true},
		{"[::]:1080", "[::ffff:127.0.0.1]:1080", true},
		{"[::]:1080", "127.0.0.1:1081", false},
		{"[::]:1080", "[407::1]:1080", false},
		{"127.0.0.1:1080", "127.0.0.1:1080", true},
		{"127.0.0.1:1080", "[::1]:1080", false},
	} {
		if got := Listens(netip.MustParseAddrPort(c.listen), netip.MustParseAddrPort(c.addr), backend.LocalAddresses()); got != c.want {
			t.Errorf("listener %s, address %s: %v", c.listen, c.addr, got)
		}
	}
}

func TestExplainNamesTheHolder(t *testing.T) {
	l, err := Bind(netip.MustParseAddrPort("[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := AddrPort(l.Addr())
	_, err = Bind(addr)
	want := fmt.Sprintf("Could not bind TCP listener on %s: address already in use by %s, pid %d", addr, filepath.Base(os.Args[0]), os.Getpid())
	if got := Explain(addr, err); got.Code != backend.PortInUse || got.Message != want {
		t.Errorf("%v %q, want %q", got.Code, got.Message, want)
	}
	_, err = Bind(netip.MustParseAddrPort("192.0.2.1:1080"))
	if got := Explain(netip.MustParseAddrPort("192.0.2.1:1080"), err); got.Code != backend.CannotBind ||
		got.Message != "Could not bind TCP listener on 192.0.2.1:1080: cannot assign requested address" {
		t.Errorf("%v %q", got.Code, got.Message)
	}
}

func TestSelfTest(t *testing.T) {
	for address, want := range map[string][]string{
		"[::]:0":      {"127.0.0.1", "::1"},
		"0.0.0.0:0":   {"127.0.0.1"},
		"127.0.0.1:0": {"127.0.0.1"},
		"[::1]:0":     {"::1"},
	} {
		l, err := Bind(netip.MustParseAddrPort(address))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		reached := SelfTest(t.Context(), l, func(c net.Conn) { t.Errorf("accepted %v", c.RemoteAddr()) })
		for _, r := range reached {
			got = append(got, r.Addr().String())
			if r.Port() != AddrPort(l.Addr()).Port() {
				t.Errorf("reached at %v, bound to %v", r, l.Addr())
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s reached over %v, want %v", address, got, want)
		}
		l.Close()
	}
}

// Another program answers at the address: that is not ours. A client of ours
// that comes meanwhile is not lost.
func TestSelfTestIsNotFooled(t *testing.T) {
	bind := func(address string) net.Listener {
		l, err := Bind(netip.MustParseAddrPort(address))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	ours, another := bind("[::1]:0"), bind("127.0.0.1:0")
	client, err := net.Dial("tcp", ours.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var others []net.Conn
	admit := func(c net.Conn) { others = append(others, c) }
	if isReached(t.Context(), ours.(*net.TCPListener), AddrPort(another.Addr()), admit) {
		t.Error("another program's listener counts as ours")
	}
	if len(others) != 1 || AddrPort(others[0].RemoteAddr()) != AddrPort(client.LocalAddr()) {
		t.Errorf("the client is lost: %v", others)
	}
	for _, c := range others {
		c.Close()
	}
}
