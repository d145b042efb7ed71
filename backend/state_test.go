package backend

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// The shape is documented and scripts depend on it, so it is compared to the letter.
func TestStateJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 20, 14, 3, 0, time.UTC)
	remote := netip.MustParseAddrPort("[407:8458:dbf5:4ed7::1]:1080")
	state := State{
		Version: "0.1.0",
		Phase:   Connected,
		Remote:  &Remote{Address: remote, Mode: Auto, Since: at, Answering: true},
		Listen: &Listener{
			Address: netip.MustParseAddrPort("[::]:1080"),
			Reached: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1080"), netip.MustParseAddrPort("[::1]:1080")},
		},
		Probing: Probing{On: true, Peers: 214, Last: at, Next: at.Add(time.Minute)},
		Node:    &Node{Address: "http://127.0.0.1:8989"},
		Proxies: []Proxy{{Address: remote, Verdict: Valid, RTT: Milliseconds(42100 * time.Microsecond), LastSeen: at}},
		Streams: Streams{Open: 3, Total: 120, BytesUp: 120034, BytesDown: 88123004},
		Error:   &Error{Code: PortInUse, Message: "taken"},
	}
	const want = `{
 "version": "0.1.0",
 "phase": "connected",
 "remote": {
  "address": "[407:8458:dbf5:4ed7::1]:1080",
  "mode": "auto",
  "since": "2026-11-22T20:14:03Z",
  "answering": true
 },
 "listen": {
  "address": "[::]:1080",
  "reached": [
   "127.0.0.1:1080",
   "[::1]:1080"
  ],
  "share": "off"
 },
 "share": "off",
 "probing": {
  "on": true,
  "scanning": false,
  "peers": 214,
  "last": "2026-11-22T20:14:03Z",
  "next": "2026-11-22T20:15:03Z"
 },
 "node": {
  "address": "http://127.0.0.1:8989",
  "error": ""
 },
 "proxies": [
  {
   "address": "[407:8458:dbf5:4ed7::1]:1080",
   "verdict": "valid",
   "rtt_ms": 42.1,
   "last_seen": "2026-11-22T20:14:03Z"
  }
 ],
 "streams": {
  "open": 3,
  "total": 120,
  "refused": 0,
  "bytes_up": 120034,
  "bytes_down": 88123004
 },
 "error": {
  "code": "port_in_use",
  "message": "taken"
 }
}`
	got, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("JSON is\n%s\nwant\n%s", got, want)
	}
	var back State
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, state) {
		t.Errorf("reads back as %+v, %v", back, err)
	}
}

func TestApplicationAddress(t *testing.T) {
	addrs := func(texts ...string) (list []netip.AddrPort) {
		for _, s := range texts {
			list = append(list, netip.MustParseAddrPort(s))
		}
		return list
	}
	for _, c := range []struct {
		what   string
		listen *Listener
		want   string
	}{
		{"nothing listens", nil, ""},
		{"reached at none", &Listener{Address: netip.MustParseAddrPort("[::]:1080")}, ""},
		{"both", &Listener{Reached: addrs("127.0.0.1:1080", "[::1]:1080")}, "127.0.0.1:1080"},
		{"both, the other way round", &Listener{Reached: addrs("[::1]:1080", "127.0.0.1:1080")}, "127.0.0.1:1080"},
		{"IPv6 alone", &Listener{Reached: addrs("[::1]:1081")}, "[::1]:1081"},
		{"one of the machine's", &Listener{Reached: addrs("192.0.2.7:1080")}, "192.0.2.7:1080"},
	} {
		got, ok := State{Listen: c.listen}.ApplicationAddress()
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s: %v, %v; want %q", c.what, got, ok, c.want)
		}
	}
	if got := ApplicationURL(addrs("[::1]:1080")[0]); got != "socks5h://[::1]:1080" {
		t.Errorf("the URL is %s", got)
	}
}

func TestProxyOfAState(t *testing.T) {
	one, two := netip.MustParseAddrPort("[407::1]:1080"), netip.MustParseAddrPort("[407::1]:1081")
	s := State{Proxies: []Proxy{{Address: one, Verdict: Valid}, {Address: two, Verdict: AuthRequired}}}
	for _, c := range []struct {
		state State
		addr  netip.AddrPort
		want  Verdict // Unknown: it is not known
	}{
		{s, one, Valid},
		{s, two, AuthRequired},
		{s, netip.MustParseAddrPort("[407::2]:1080"), Unknown},
		{s, netip.AddrPort{}, Unknown},
		{State{}, one, Unknown},
	} {
		p, ok := c.state.Proxy(c.addr)
		if ok != (c.want != Unknown) || p.Verdict != c.want || ok && p.Address != c.addr {
			t.Errorf("%v is %+v, %v", c.addr, p, ok)
		}
	}
}

func TestEnumsRefuseOtherWords(t *testing.T) {
	var s Share
	if err := s.UnmarshalText([]byte("lan")); err != nil || s != ShareLAN {
		t.Errorf("lan: %v, %v", s, err)
	}
	if err := s.UnmarshalText([]byte("LAN")); err == nil || err.Error() != `"LAN" is none of: off, lan, all` {
		t.Errorf("LAN: %v", err)
	}
	if got := Verdict(9).String(); got != "backend.Verdict(9)" {
		t.Errorf("out of range: %s", got)
	}
}
