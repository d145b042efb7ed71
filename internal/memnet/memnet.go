// Package memnet is a network in memory for tests: dials with their delays,
// servers that answer a greeting as they are told to, and listeners. A test
// under testing/synctest runs on it on fake time, which sockets of the system
// would stop.
package memnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Server is what happens to a connection; it is closed when Server returns.
type Server func(net.Conn)

// Network is a network. Its zero value has no servers: every dial is refused.
type Network struct {
	// Default serves the addresses that Serve was not called for; nil: they refuse.
	Default Server

	mu        sync.Mutex
	servers   map[netip.AddrPort]Server
	delays    map[netip.AddrPort]time.Duration
	listeners map[netip.AddrPort]*listener
	dials     []Dial
	open      int
	mostOpen  int
}

// Dial is one dial that was made.
type Dial struct {
	Address netip.AddrPort
	At      time.Time
}

// Serve makes s the server at addr; nil: dials there are refused from now on.
func (n *Network) Serve(addr netip.AddrPort, s Server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = map[netip.AddrPort]Server{}
	}
	n.servers[addr] = s
}

// Delay makes dials to addr take d.
func (n *Network) Delay(addr netip.AddrPort, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.delays == nil {
		n.delays = map[netip.AddrPort]time.Duration{}
	}
	n.delays[addr] = d
}

// Dials returns the dials made so far.
func (n *Network) Dials() []Dial {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Dial(nil), n.dials...)
}

// Open is the number of dialled connections, and of dials, that have not ended,
// and the most that there have been at once.
func (n *Network) Open() (now, most int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open, n.mostOpen
}

// Dial has the form of [net.Dialer.DialContext].
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.dials = append(n.dials, Dial{addr, time.Now()})
	n.open++
	n.mostOpen = max(n.mostOpen, n.open)
	delay := n.delays[addr]
	n.mu.Unlock()

	select {
	case <-time.After(delay):
	case <-ctx.Done():
		n.closed()
		return nil, ctx.Err()
	}
	n.mu.Lock()
	serve, named := n.servers[addr]
	if !named {
		serve = n.Default
	}
	n.mu.Unlock()
	if serve == nil {
		n.closed()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := NewPair(dialler, addr)
	ours.onClose = n.closed
	go func() {
		defer theirs.Close()
		serve(theirs)
	}()
	return ours, nil
}

// dialler is where dials come from.
var dialler = netip.MustParseAddrPort("[400::1]:4711")

func (n *Network) closed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open--
}

// Answers reads the SOCKS5 greeting, waits unless the other side closes, and
// writes the answer.
func Answers(after time.Duration, answer ...byte) Server {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			return
		}
		c.SetReadDeadline(time.Now().Add(after))
		Silent(c)
		c.SetReadDeadline(time.Time{})
		c.Write(answer)
	}
}

// Silent reads and never answers.
func Silent(c net.Conn) { io.Copy(io.Discard, c) }

// Echo writes what it reads.
func Echo(c net.Conn) { io.Copy(c, c) }

// Listen binds addr in this network. Like that of the system it fails while
// another listener has the address.
func (n *Network) Listen(addr netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	if n.listeners == nil {
		n.listeners = map[netip.AddrPort]*listener{}
	}
	l := &listener{network: n, addr: addr, conns: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Connect connects to the listener at addr, from source.
func (n *Network) Connect(addr, source netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := NewPair(source, addr)
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// FailAccept makes the accept under way on the listener at addr fail with err.
func (n *Network) FailAccept(addr netip.AddrPort, err error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	l.failed <- err
}

type listener struct {
	network *Network
	addr    netip.AddrPort
	conns   chan net.Conn
	failed  chan error
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.addr)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }
