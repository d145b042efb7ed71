package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"gopkg.in/natefinch/lumberjack.v2"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/engine"
	"mycoproxy/backend/mycelium"
	"mycoproxy/backend/pipe"
	"mycoproxy/backend/settings"
)

func newServe() *cobra.Command {
	var verbose bool
	var peers []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the service in the foreground",
		Long: "Run the service in the foreground, until Ctrl-C. It finds proxies, and connects when\n" +
			"told to: mycoproxy connect. Flags beat the environment, which beats the settings file.",
		Args: noArgs,
	}
	c.Flags().String("listen", "", "`ADDRESS` for applications to connect to (default [::]:1080)")
	c.Flags().String("api", "", "loopback `ADDRESS` to offer the control API on too, such as 127.0.0.1:8995")
	c.Flags().StringArrayVar(&peers, "peer", nil, "`ADDRESS` to scan besides the node's routes; may be given again")
	c.Flags().String("node", "", "`URL` of the Mycelium node's API (default http://127.0.0.1:8989)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := loadSettings()
		if err != nil {
			return err
		}
		for _, name := range []string{"listen", "api", "node"} {
			if flag := c.Flags().Lookup(name); flag.Changed {
				if err := s.Set(name, flag.Value.String()); err != nil {
					return usageError{fmt.Errorf("--%s: %w", name, err)}
				}
			}
		}
		if peers != nil {
			if err := s.Set("peers", strings.Join(peers, ",")); err != nil {
				return usageError{fmt.Errorf("--peer: %w", err)}
			}
		}
		socket, release, err := takeControl(c.Context())
		if err != nil {
			return err
		}
		defer release()
		return serve(c.Context(), socket, s, newLog(c.ErrOrStderr(), settings.LogFile(), verbose), false)
	}
	return c
}

const (
	takeOverLimit = 5 * time.Second // for a tray to leave the work to a service
	takeOverPause = 20 * time.Millisecond
)

const (
	logSize  = 10 // MiB
	logFiles = 3  // kept besides the current one
)

// newLog writes to stderr and to the file. Where that cannot be written, stderr
// gets everything all the same.
func newLog(stderr io.Writer, name string, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	os.MkdirAll(settings.StateFolder(), 0o700) // if it fails, so does the write below
	file := &lumberjack.Logger{Filename: name, MaxSize: logSize, MaxBackups: logFiles}
	log := slog.New(slog.NewTextHandler(both{stderr, file}, &slog.HandlerOptions{Level: level}))
	if _, err := file.Write(nil); err != nil {
		log.Warn("the log goes to standard error alone", "error", err)
	}
	return log
}

// both writes to each, whether the other can be written or not.
type both [2]io.Writer

func (b both) Write(p []byte) (int, error) {
	b[0].Write(p)
	b[1].Write(p)
	return len(p), nil
}

// serve runs the service behind the control socket, on its own or in the tray's
// process, until ctx is done or a client wants it to end.
func serve(ctx context.Context, socket net.Listener, s settings.Settings, log *slog.Logger, inTray bool) error {
	defer socket.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	group, ctx := errgroup.WithContext(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx)) // until the port is free
	defer stopServing()
	e, done := newEngine(s, log, inTray)
	defer done()
	handler := control.NewHandler(e, end)
	if s.API.IsValid() {
		l, err := pipe.Bind(s.API.AddrPort)
		if err != nil {
			return pipe.Explain(s.API.AddrPort, err)
		}
		log.Info("the API is open", "address", l.Addr())
		group.Go(func() error { return control.ServeLoopback(ctx, l, control.NewHandler(e, nil), log) })
	}
	log.Info("the service starts", "version", programVersion(), "pid", os.Getpid(), "node", s.Node, "peers", len(s.Peers))
	group.Go(func() error { return control.Serve(serving, socket, handler, log) })
	group.Go(func() error {
		defer stopServing()
		e.Run(ctx)
		return nil
	})
	err := group.Wait()
	log.Info("the service ends")
	return err
}

// takeControl opens the control socket. A tray that has it, because it does the
// work itself, is asked to leave that to us; another service is an error.
func takeControl(ctx context.Context) (socket net.Listener, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	for {
		socket, release, err = control.Listen(settings.ControlFolder())
		if err == nil {
			return socket, release, nil
		}
		if !errors.Is(err, control.ErrAlreadyRunning) {
			return nil, nil, fmt.Errorf("open the control socket: %w", err)
		}
		if err := askToLeave(ctx); err != nil {
			return nil, nil, err
		}
		select {
		case <-time.After(takeOverPause): // for it to end its connections
		case <-ctx.Done():
			return nil, nil, errors.New("already running")
		}
	}
}

// askToLeave ends the engine of a tray. That nobody answers is no error.
func askToLeave(ctx context.Context) error {
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	state, err := client.State(ctx)
	switch {
	case errors.Is(err, backend.ErrNotRunning):
		return nil
	case err != nil:
		return fmt.Errorf("already running: %w", err)
	case !state.Tray:
		return fmt.Errorf("already running (pid %d)", state.PID)
	}
	if err := client.Shutdown(ctx); err != nil {
		return fmt.Errorf("take over from the tray (pid %d): %w", state.PID, err)
	}
	return nil
}

// keep writes a setting to the settings file. One that the environment sets could
// be written, but would not last.
func keep(name string, write func(file string) error) error {
	variable := settings.EnvPrefix + strings.ToUpper(name)
	if _, set := os.LookupEnv(variable); set {
		return fmt.Errorf("the environment variable %s says otherwise", variable)
	}
	return write(settings.ConfigFile())
}

// newEngine makes the engine that the settings describe. The function it
// returns is to be called when the engine is not needed any more.
func newEngine(s settings.Settings, log *slog.Logger, inTray bool) (e *engine.Engine, done func()) {
	folder := settings.StateFolder()
	config := engine.Config{
		Version:         programVersion(),
		Listen:          s.Listen.AddrPort,
		Share:           s.Share,
		Warm:            s.Warm,
		Probe:           s.Probe,
		SaveLastCommand: func(c backend.LastCommand) error { return settings.SaveLastCommand(folder, c) },
		SaveShare: func(share backend.Share) error {
			return keep("share", func(file string) error { return settings.SaveShare(file, share) })
		},
		Tray: inTray,
		Log:  log,
	}
	if s.API.IsValid() {
		config.Own = append(config.Own, s.API.AddrPort)
	}
	for _, p := range s.Peers {
		config.Peers = append(config.Peers, p.AddrPort)
	}
	done = func() {}
	if base := s.Node.String(); base != "" {
		node := mycelium.NewNode(base, log)
		config.Node = base
		config.Routes = func(ctx context.Context) ([]netip.Addr, error) { return node.Peers(ctx) }
		done = node.Close
	}
	if s.Reconnect {
		var err error
		if config.LastCommand, err = settings.LoadLastCommand(folder); err != nil {
			log.Warn("starting without the last command", "error", err)
		}
	}
	return engine.New(config), done
}
