package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sync/errgroup"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/engine"
	"mycoproxy/backend/mycelium"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/settings"
)

// Config is what a service is made of.
type Config struct {
	Version  string
	Settings settings.Settings
	Tray     bool // the service runs in the process of the tray
	Log      *slog.Logger
}

// Serve runs a service behind the control socket, and behind the loopback API if
// the settings name one, until ctx is done or a client ends the service. It
// closes the socket, and returns when the listener's port is free.
func Serve(ctx context.Context, socket net.Listener, c Config) error {
	defer socket.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	group, ctx := errgroup.WithContext(ctx)
	// Clients see the service until its engine has ended, which is after ctx has.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	e, closeNode := newEngine(c)
	defer closeNode()
	if api := c.Settings.API; api.IsValid() {
		l, err := listen.Bind(api.AddrPort)
		if err != nil {
			return listen.Explain(api.AddrPort, err)
		}
		c.Log.Info("the API is open", "address", l.Addr())
		group.Go(func() error { return control.ServeLoopback(ctx, l, control.NewHandler(e, nil), c.Log) })
	}
	c.Log.Info("the service starts", "version", c.Version, "pid", os.Getpid(), "node", c.Settings.Node, "peers", len(c.Settings.Peers))
	group.Go(func() error { return control.Serve(serving, socket, control.NewHandler(e, end), c.Log) })
	group.Go(func() error {
		defer stopServing()
		e.Run(ctx)
		return nil
	})
	err := group.Wait()
	c.Log.Info("the service ends")
	return err
}

// newEngine makes the engine that the settings describe. closeNode gives back
// its connections to the node when the engine has ended.
func newEngine(c Config) (e *engine.Engine, closeNode func()) {
	s, folder := c.Settings, settings.StateFolder()
	config := engine.Config{
		Version:         c.Version,
		Listen:          s.Listen.AddrPort,
		Share:           s.Share,
		Warm:            s.Warm,
		Probe:           s.Probe,
		SaveLastCommand: func(c backend.LastCommand) error { return settings.SaveLastCommand(folder, c) },
		SaveShare: func(share backend.Share) error {
			return SaveSetting("share", func(file string) error { return settings.SaveShare(file, share) })
		},
		Tray: c.Tray,
		Log:  c.Log,
	}
	if s.API.IsValid() {
		config.Own = append(config.Own, s.API.AddrPort)
	}
	for _, p := range s.Peers {
		config.Peers = append(config.Peers, p.AddrPort)
	}
	closeNode = func() {}
	if base := s.Node.String(); base != "" {
		node := mycelium.NewNode(base, c.Log)
		config.Node = base
		config.Routes = func(ctx context.Context) ([]netip.Addr, error) { return node.Peers(ctx) }
		closeNode = node.Close
	}
	if s.Reconnect {
		var err error
		if config.LastCommand, err = settings.LoadLastCommand(folder); err != nil {
			c.Log.Warn("starting without the last command", "error", err)
		}
	}
	return engine.New(config), closeNode
}
