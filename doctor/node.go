package doctor

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"mycoproxy/backend"
	"mycoproxy/backend/mycelium"
)

var errNoNode = errors.New("no node is set")

// askNode asks the node that the service uses; where none runs, that of the settings.
func (s Subject) askNode(ctx context.Context) (mycelium.Info, error) {
	base := s.Settings.Node.String()
	if s.State.Phase != backend.Offline {
		base = ""
		if s.State.Node != nil {
			base = s.State.Node.Address
		}
	}
	if base == "" {
		return mycelium.Info{}, errNoNode
	}
	node := mycelium.NewNode(base, slog.New(slog.DiscardHandler))
	defer node.Close()
	return node.Info(ctx)
}

func (s Subject) checkNode(info mycelium.Info, err error) Finding {
	switch {
	case errors.Is(err, errNoNode):
		return skipped("no node is set; only your own peers are scanned")
	case err != nil:
		return bad("Start Mycelium, or say where its API is: setting node", "%v", err)
	case !info.Address.IsValid():
		return note("Update Mycelium if proxies are missing", "it answers; its version is older than 0.7.8")
	default:
		return ok("%s answers; its version is 0.7.8 or newer", info.Address)
	}
}

func (s Subject) checkRoutes(info mycelium.Info, err error) Finding {
	switch {
	case errors.Is(err, errNoNode):
		return skipped(errNoNode.Error())
	case err != nil:
		return skipped("the node does not tell them")
	case info.Routes == 0:
		return bad("Give the node a minute; then see whether it has peers: mycelium peers list", "the node knows no other node")
	case info.Routes == 1:
		return ok("the node knows the route to 1 other node")
	default:
		return ok("the node knows the routes to %d other nodes", info.Routes)
	}
}

// checkOverlay looks for an address of the node's subnet, or of any if the node
// does not tell its own.
func (s Subject) checkOverlay(info mycelium.Info, err error) Finding {
	if errors.Is(err, errNoNode) {
		return skipped(errNoNode.Error())
	}
	want := info.Subnet
	if err != nil {
		want = backend.Overlay
	}
	var found []string
	for _, a := range slices.SortedFunc(maps.Keys(s.Addresses()), netip.Addr.Compare) {
		if want.Contains(a) {
			found = append(found, a.String())
		}
	}
	switch {
	case len(found) > 0:
		return ok("this machine has %s", strings.Join(found, ", "))
	case err != nil:
		return skipped("the node does not tell its own, and this machine has none")
	default:
		return bad("Mycelium makes the interface: it must run as root, and without --no-tun",
			"no interface of this machine has an address of the node's subnet %s", info.Subnet)
	}
}
