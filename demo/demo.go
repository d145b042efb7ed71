package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/engine"
	"mycoproxy/backend/pipe/listen"
)

// Options are what a demo is given.
type Options struct {
	Version string
	Out     io.Writer    // takes the steps as they happen
	Once    bool         // end after the page instead of staying up
	Log     *slog.Logger // takes the engine's log

	// Stay is called with the engine after the page, and returns when the demo is
	// to end; nil: the demo ends when the context of Run does.
	Stay func(context.Context, backend.Backend) error

	// Ports are tried in order for the listener; nil: 1080 and the 99 that follow.
	Ports []uint16
}

const (
	scanLimit  = 8 * time.Second
	fetchLimit = 10 * time.Second
)

// Run shows each step as it happens and then, unless Once is set, stays up
// until ctx is done. It returns an error if a step did not work.
func Run(ctx context.Context, o Options) error {
	d := &demo{Options: o, began: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fmt.Fprint(d.Out, "Mycoproxy demo: all of it on this machine, nothing is sent anywhere else.\n\n")
	s, err := startServers()
	defer s.close()
	if err != nil {
		return fmt.Errorf("start the demo's own servers: %w", err)
	}
	d.servers = s
	listen, err := d.choosePort()
	if err != nil {
		return err
	}
	d.engine = engine.New(engine.Config{
		Version: o.Version,
		Listen:  listen,
		Peers:   s.addresses(),
		Probe:   true,
		Tray:    true, // if there is one, it is in this process
		Log:     o.Log,
	})
	var running sync.WaitGroup
	running.Go(func() { d.engine.Run(ctx) })
	defer running.Wait()
	defer cancel()

	for _, step := range []func(context.Context) error{d.scan, d.connect, d.fetch} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if o.Once {
		return nil
	}
	fmt.Fprintf(d.Out, "\nIt works. Point a browser at SOCKS5 proxy %s, port %d, or try\n\n    curl -x %s %s\n\nCtrl-C ends the demo.\n",
		d.proxy.Addr(), d.proxy.Port(), backend.ApplicationURL(d.proxy), s.page)
	if o.Stay != nil {
		return o.Stay(ctx, d.engine)
	}
	<-ctx.Done()
	return nil
}

type demo struct {
	Options
	began   time.Time
	servers *servers
	engine  *engine.Engine
	proxy   netip.AddrPort // where applications connect, set by connect
}

// step prints one line with the time since the demo began.
func (d *demo) step(format string, args ...any) {
	fmt.Fprintf(d.Out, "%6.2f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// choosePort returns the first address that can be bound.
func (d *demo) choosePort() (netip.AddrPort, error) {
	ports := d.Ports
	if ports == nil {
		for p := range uint16(100) {
			ports = append(ports, backend.DefaultPort+p)
		}
	}
	var last error
	for i, port := range ports {
		addr := netip.AddrPortFrom(netip.IPv6Unspecified(), port)
		l, err := listen.Bind(addr)
		if err == nil {
			l.Close()
			if i > 0 {
				d.step("%v", listen.Explain(netip.AddrPortFrom(addr.Addr(), ports[0]), last))
				d.step("using port %d instead", port)
			}
			return addr, nil
		}
		if last == nil {
			last = err
		}
	}
	return netip.AddrPort{}, fmt.Errorf("no port from %d to %d can be bound: %w", ports[0], ports[len(ports)-1], last)
}

// scan waits for the first scan and prints each peer as it becomes known.
func (d *demo) scan(ctx context.Context) error {
	d.step("%d peers to probe", len(d.servers.peers))
	ctx, cancel := context.WithTimeout(ctx, scanLimit)
	defer cancel()
	printed := map[netip.AddrPort]bool{}
	ended := false
	err := d.engine.Watch(ctx, func(s backend.State) {
		ended = !s.Probing.Scanning && !s.Probing.Last.IsZero()
		peers, _ := d.engine.Peers(ctx)
		for _, p := range peers {
			if p.Verdict != backend.Unknown && !printed[p.Address] {
				printed[p.Address] = true
				d.step("%-16s %-14s %8s  %s", p.Address, p.Verdict, p.RTT, d.name(p.Address))
			}
		}
		if ended {
			cancel()
		}
	})
	if !ended {
		return fmt.Errorf("the first scan did not end: %w", err)
	}
	return nil
}

func (d *demo) name(addr netip.AddrPort) string {
	for _, p := range d.servers.peers {
		if p.addr == addr {
			return p.name
		}
	}
	return "?"
}

// connect races the valid proxies and prints who won.
func (d *demo) connect(ctx context.Context) error {
	remote, err := d.engine.Connect(ctx, netip.AddrPort{})
	if err != nil {
		return err
	}
	d.step("race of the valid ones: %s answered first (%s)", remote, d.name(remote))
	state, err := d.engine.State(ctx)
	if err != nil {
		return err
	}
	at, ok := state.ApplicationAddress()
	if !ok {
		return errors.New("the listener cannot be reached from this machine")
	}
	d.proxy = at
	d.step("listening on %s, reached at %s", state.Listen.Address, backend.JoinAddresses(state.Listen.Reached, " and "))
	return nil
}

// fetch gets the page the way a browser would, the name resolved by the proxy.
func (d *demo) fetch(ctx context.Context) error {
	proxy, err := url.Parse(backend.ApplicationURL(d.proxy))
	if err != nil {
		return err
	}
	client := http.Client{
		Timeout:   fetchLimit,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true},
	}
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.servers.page, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("fetch a page through %s: %w", proxy, err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && n != pageSize {
		err = fmt.Errorf("%d of %d bytes came", n, pageSize)
	}
	if err != nil {
		return fmt.Errorf("fetch a page through %s: %w", proxy, err)
	}
	d.step("fetched a page of %d bytes through %s in %.1f ms", n, proxy, float64(time.Since(began).Microseconds())/1000)
	return nil
}
