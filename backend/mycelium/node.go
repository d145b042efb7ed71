package mycelium

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mycoproxy/backend"
)

const (
	callTimeout   = 5 * time.Second // for one request, its answer included
	maxAnswer     = 16 << 20        // bytes of one answer
	maxLookups    = 32              // keys looked up at the same time
	maxComplaints = 1000            // messages that are logged once
)

// Node asks one Mycelium node for the addresses of all the others. Its methods
// may be called from any goroutine.
type Node struct {
	base string // without a slash at the end
	host string
	http http.Client
	log  *slog.Logger

	mu         sync.Mutex
	addresses  map[netip.Prefix]netip.Addr // by subnet; they never change
	complaints map[string]bool
}

// NewNode returns a Node for the HTTP API at base, such as
// "http://127.0.0.1:8989". Nothing is sent before the first call of Peers.
func NewNode(base string, log *slog.Logger) *Node {
	n := &Node{
		base:       strings.TrimRight(base, "/"),
		log:        log,
		addresses:  map[netip.Prefix]netip.Addr{},
		complaints: map[string]bool{},
	}
	if u, err := url.Parse(base); err == nil {
		n.host = u.Host
	}
	n.http = http.Client{
		Transport: &http.Transport{ // no proxy: the node is on this machine
			MaxIdleConnsPerHost: maxLookups,
			IdleConnTimeout:     10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return n
}

// Close gives back the connections that are kept for the next call.
func (n *Node) Close() { n.http.CloseIdleConnections() }

// Peers returns the address of each node that the node has a finite route to,
// itself and the addresses of this machine left out. With an error the list
// holds what could be found all the same; it is nil only if the routes could
// not be read. The error is a sentence that names the node. One call of the
// node's API takes 5 seconds at most; after one without any answer Peers makes
// no more.
func (n *Node) Peers(ctx context.Context) ([]netip.Addr, error) {
	own, err := ask(ctx, n, "/api/v1/admin", parseAdmin)
	if err != nil {
		return nil, err
	}
	routes, err := ask(ctx, n, "/api/v1/admin/routes/selected", parseRoutes)
	if err != nil {
		return nil, err
	}
	var skipped problems
	subnets := []netip.Prefix{}
	seen := map[netip.Prefix]bool{own: true}
	for _, r := range routes {
		if r.infinite() {
			continue
		}
		subnet, err := r.prefix()
		if err != nil {
			skipped.add(err)
		} else if !seen[subnet] {
			seen[subnet] = true
			subnets = append(subnets, subnet)
		}
	}
	err = n.lookUp(ctx, subnets, &skipped)
	peers := n.known(subnets)
	if err == nil {
		err = skipped.summary(n.host)
	}
	return peers, err
}

// lookUp fills n.addresses for the subnets that are not in it yet.
func (n *Node) lookUp(ctx context.Context, subnets []netip.Prefix, skipped *problems) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxLookups)
	for _, subnet := range subnets {
		n.mu.Lock()
		_, known := n.addresses[subnet]
		n.mu.Unlock()
		if known {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			key, err := ask(ctx, n, "/api/v1/pubkey/"+subnet.Addr().String(), parseKey)
			var status statusError
			var answer *answerError
			switch {
			case errors.As(err, &status) && status == http.StatusNotFound:
				return nil // the key has not reached the node yet
			case errors.As(err, &status):
				skipped.add(fmt.Errorf("route to %s: %w", subnet, status))
				return nil
			case errors.As(err, &answer):
				skipped.add(fmt.Errorf("route to %s: %w", subnet, answer.err))
				return nil
			case err != nil:
				return err
			}
			addr := Address(key)
			if !subnet.Contains(addr) {
				n.complain("key of a route derives an address outside of it", "subnet", subnet, "address", addr)
				addr = netip.Addr{}
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.addresses[subnet] = addr
			return nil
		})
	}
	return group.Wait()
}

// known returns the addresses of the subnets, those of this machine left out.
func (n *Node) known(subnets []netip.Prefix) []netip.Addr {
	local := backend.LocalAddresses()
	n.mu.Lock()
	defer n.mu.Unlock()
	peers := make([]netip.Addr, 0, len(subnets))
	for _, subnet := range subnets {
		if addr := n.addresses[subnet]; addr.IsValid() && !local[addr] {
			peers = append(peers, addr)
		}
	}
	return peers
}

// complain logs a message once, however often it comes with the same arguments.
func (n *Node) complain(message string, args ...any) {
	what := fmt.Sprint(message, args)
	n.mu.Lock()
	known := n.complaints[what] || len(n.complaints) >= maxComplaints
	n.complaints[what] = true
	n.mu.Unlock()
	if !known {
		n.log.Warn(message, args...)
	}
}

// ask sends one GET and reads the answer with parse.
func ask[T any](ctx context.Context, n *Node, path string, parse func([]byte) (T, error)) (value T, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path, nil)
	if err != nil {
		return value, fmt.Errorf("Mycelium node's address %q cannot be used: %w", n.base, err)
	}
	response, err := n.http.Do(request)
	if err != nil {
		return value, fmt.Errorf("Mycelium node not reachable at %s: %w", n.host, cause(ctx, err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return value, fmt.Errorf("Mycelium node at %s: %s: %w", n.host, path, statusError(response.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return value, fmt.Errorf("Mycelium node at %s: %s: answer broke off: %w", n.host, path, cause(ctx, err))
	}
	if len(body) > maxAnswer {
		return value, fmt.Errorf("Mycelium node at %s: %s: answer of more than %d MiB", n.host, path, maxAnswer>>20)
	}
	value, err = parse(body)
	if err != nil {
		return value, fmt.Errorf("Mycelium node at %s: %s: %w", n.host, path, &answerError{err})
	}
	return value, nil
}

// statusError is an HTTP status that is not 200.
type statusError int

func (s statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("answered %d %s", int(s), http.StatusText(int(s))))
}

// answerError says why an answer that came whole makes no sense.
type answerError struct{ err error }

func (e *answerError) Error() string { return e.err.Error() }

// cause returns what is wrong without the request and the address, which the
// errors of package net repeat.
func cause(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", callTimeout)
	}
	var system *os.SyscallError
	if errors.As(err, &system) {
		return system.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// problems counts the routes that were skipped, and keeps the first one's error.
type problems struct {
	mu    sync.Mutex
	first error
	count int
}

func (p *problems) add(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = err
	}
	p.count++
}

func (p *problems) summary(host string) error {
	switch p.count {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("Mycelium node at %s: %w", host, p.first)
	default:
		return fmt.Errorf("Mycelium node at %s: %w (and %d more like it)", host, p.first, p.count-1)
	}
}
