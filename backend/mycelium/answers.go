package mycelium

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"mycoproxy/backend"
)

// route is one entry of /admin/routes/selected. Next hop and seqno are of no use here.
type route struct {
	Subnet string          `json:"subnet"`
	Metric json.RawMessage `json:"metric"` // an integer, or "infinite"
}

func (r route) infinite() bool { return string(r.Metric) == `"infinite"` }

// prefix reads the subnet, which must be a /64 of the overlay.
func (r route) prefix() (netip.Prefix, error) {
	p, err := netip.ParsePrefix(r.Subnet)
	if err != nil || p.Bits() != 64 || !backend.Overlay.Contains(p.Addr()) {
		return netip.Prefix{}, fmt.Errorf("route to %.60q, which is no /64 of the overlay", r.Subnet)
	}
	return p.Masked(), nil
}

func parseRoutes(body []byte) (routes []route, err error) {
	if json.Unmarshal(body, &routes) != nil || routes == nil {
		return nil, errNotJSON
	}
	return routes, nil
}

// parseAdmin returns the node's own subnet.
func parseAdmin(body []byte) (netip.Prefix, error) {
	var info struct {
		NodeSubnet string `json:"nodeSubnet"`
	}
	if json.Unmarshal(body, &info) != nil {
		return netip.Prefix{}, errNotJSON
	}
	p, err := netip.ParsePrefix(info.NodeSubnet)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("its own subnet is %.60q", info.NodeSubnet)
	}
	return p.Masked(), nil
}

func parseKey(body []byte) (key [32]byte, err error) {
	var answer struct {
		PublicKey string `json:"publicKey"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return key, errNotJSON
	}
	b, err := hex.DecodeString(answer.PublicKey)
	if err != nil || len(b) != len(key) {
		return key, errors.New("the public key is not 64 hexadecimal digits")
	}
	return [32]byte(b), nil
}

var errNotJSON = errors.New("the answer is not the JSON expected")
