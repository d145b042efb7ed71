package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"mycoproxy/backend"
	"mycoproxy/backend/settings"
)

const (
	newer = `{"nodeSubnet":"54f:1::/64","nodeIp":"54f:1::7","nodePubkey":"00"}`
	older = `{"nodeSubnet":"54f:1::/64","nodePubkey":"00"}`
	two   = `[{"subnet":"406:1::/64","metric":20},{"subnet":"406:2::/64","metric":0},
		{"subnet":"406:3::/64","metric":"infinite"},{"subnet":"54f:1::/64","metric":0},{"subnet":"2001:db8::/64","metric":1}]`
	one = `[{"subnet":"406:1::/64","metric":20}]`
)

func TestNode(t *testing.T) {
	for name, c := range map[string]struct {
		admin, routes         string
		addresses             []string
		node, routed, overlay Outcome
		wantNode, wantRoutes  string
		wantOverlay           string
	}{
		"in order": {newer, two, []string{"127.0.0.1", "54f:1::7"}, OK, OK, OK,
			"54f:1::7 answers; its version is 0.7.8 or newer", "2 other nodes", "54f:1::7"},
		"older": {older, one, []string{"54f:1::7"}, Note, OK, OK,
			"older than 0.7.8|Update", "the route to 1 other node", "54f:1::7"},
		"alone, without an interface": {newer, `[]`, []string{"127.0.0.1"}, OK, Bad, Bad,
			"answers", "knows no other node|mycelium peers list", "address of the node's subnet 54f:1::/64|--no-tun"},
		"another node's interface": {newer, one, []string{"406:1::1"}, OK, OK, Bad,
			"answers", "1 other", "54f:1::/64|--no-tun"},
		"nonsense": {`<html>`, one, []string{"406:1::1"}, Bad, Skipped, OK,
			"not the JSON expected|setting node", "does not tell", "406:1::1"},
		"bad routes": {newer, `{}`, nil, Bad, Skipped, Skipped,
			"not the JSON expected|setting node", "does not tell", "this machine has none"},
	} {
		t.Run(name, func(t *testing.T) {
			api := http.NewServeMux()
			api.HandleFunc("/api/v1/admin", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.admin) })
			api.HandleFunc("/api/v1/admin/routes/selected", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.routes) })
			server := httptest.NewServer(api)
			defer server.Close()
			s := Subject{Settings: settings.Default(), Addresses: func() map[netip.Addr]bool {
				there := map[netip.Addr]bool{}
				for _, a := range c.addresses {
					there[netip.MustParseAddr(a)] = true
				}
				return there
			}}
			if err := s.Settings.Set("node", server.URL); err != nil {
				t.Fatal(err)
			}
			info, err := s.askNode(t.Context())
			if got := s.checkNode(info, err); !got.is(c.node, c.wantNode) {
				t.Errorf("node: %+v", got)
			}
			if got := s.checkRoutes(info, err); !got.is(c.routed, c.wantRoutes) {
				t.Errorf("routes: %+v", got)
			}
			if got := s.checkOverlay(info, err); !got.is(c.overlay, c.wantOverlay) {
				t.Errorf("overlay: %+v", got)
			}
		})
	}
}

// The node is that of the running service, whatever the settings say by now.
func TestWhichNode(t *testing.T) {
	s := Subject{Settings: settings.Default(), Addresses: backend.LocalAddresses}
	s.State = backend.State{Phase: backend.Disconnected}
	info, err := s.askNode(t.Context())
	for _, got := range []Finding{s.checkNode(info, err), s.checkRoutes(info, err), s.checkOverlay(info, err)} {
		if !got.is(Skipped, "no node is set") {
			t.Errorf("the service has none: %+v", got)
		}
	}
	s.State.Node = &backend.Node{Address: "http://127.0.0.1:1"}
	if got := s.checkNode(s.askNode(t.Context())); !got.is(Bad, "Mycelium node not reachable at 127.0.0.1:1: |Start Mycelium") {
		t.Errorf("the service has another: %+v", got)
	}
}
