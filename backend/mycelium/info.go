package mycelium

import (
	"context"
	"encoding/json"
	"net/netip"
)

// Info is what a node tells of itself.
type Info struct {
	Subnet  netip.Prefix // its own
	Address netip.Addr   // its own; zero: its version is older than 0.7.8
	Routes  int          // to other nodes, those with an infinite metric left out
}

// Info asks the node about itself. The error is a sentence that names the node.
func (n *Node) Info(ctx context.Context) (Info, error) {
	info, err := ask(ctx, n, "/api/v1/admin", parseInfo)
	if err != nil {
		return Info{}, err
	}
	routes, err := ask(ctx, n, "/api/v1/admin/routes/selected", parseRoutes)
	if err != nil {
		return Info{}, err
	}
	for _, r := range routes {
		if subnet, err := r.prefix(); err == nil && !r.infinite() && subnet != info.Subnet {
			info.Routes++
		}
	}
	return info, nil
}

func parseInfo(body []byte) (info Info, err error) {
	if info.Subnet, err = parseAdmin(body); err != nil {
		return info, err
	}
	var own struct {
		NodeIP netip.Addr `json:"nodeIp"`
	}
	if json.Unmarshal(body, &own) != nil {
		return info, errNotJSON
	}
	info.Address = own.NodeIP
	return info, nil
}
