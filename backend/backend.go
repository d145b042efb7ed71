package backend

import (
	"context"
	"net/netip"
)

// Backend finds proxies and forwards to one. All methods may be called at the
// same time from any goroutine. Their errors are an [*Error] wherever there is
// something that a user can act on.
type Backend interface {
	// State returns one complete snapshot.
	State(ctx context.Context) (State, error)

	// Watch calls fn with a snapshot now and then at each change, one call at
	// a time, skipping snapshots that fn was too slow for; stream counters
	// alone count as a change once a second. It returns only with an error.
	Watch(ctx context.Context, fn func(State)) error

	// Peers returns every known peer with its verdict, proxies first.
	Peers(ctx context.Context) ([]Proxy, error)

	// Connect forwards to remote, or to the proxy that answers first if remote
	// is the zero AddrPort, and returns the address it forwards to. While
	// connected it switches: the listener stays bound, streams to the old
	// remote are closed. It fails with [ErrNoValidProxy], or
	// with an error of code [OwnListener], [PortInUse] or [CannotBind]. If ctx
	// ends first, the attempt is given up.
	Connect(ctx context.Context, remote netip.AddrPort) (netip.AddrPort, error)

	// Disconnect closes the listener and every stream. The port is free when
	// it returns. Disconnecting twice is the same as once.
	Disconnect(ctx context.Context) error

	// SetShare changes whom the listener serves, now and from now on. Streams
	// of machines that it does not serve any more are closed. It fails with an
	// error of code [StateUnsaved] if the change is made but will not last.
	SetShare(ctx context.Context, share Share) error

	// StartProbe turns probing on, with a scan at once. Twice is the same as once.
	StartProbe(ctx context.Context) error

	// StopProbe turns probing off and cancels the probes under way.
	StopProbe(ctx context.Context) error

	// ProbeNow brings the next scan forward, and turns probing on if it is off.
	ProbeNow(ctx context.Context) error
}
