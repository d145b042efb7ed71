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
