package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"gopkg.in/natefinch/lumberjack.v2"

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
		return serve(c.Context(), s, c.ErrOrStderr(), verbose)
	}
	return c
}

const (
	logSize  = 10 // MiB
	logFiles = 3  // kept besides the current one
)

// newLog writes to stderr and to the log file. Where the file cannot be
// written, stderr gets everything all the same.
func newLog(stderr io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	os.MkdirAll(settings.StateFolder(), 0o700) // if it fails, so does the write below
	file := &lumberjack.Logger{Filename: settings.LogFile(), MaxSize: logSize, MaxBackups: logFiles}
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

// serve runs the service until ctx is done.
func serve(ctx context.Context, s settings.Settings, stderr io.Writer, verbose bool) error {
	socket, release, err := control.Listen(settings.ControlFolder())
	if errors.Is(err, control.ErrAlreadyRunning) {
		return alreadyRunning(ctx)
	}
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	defer release()
	log := newLog(stderr, verbose) // not before it is sure that no other service writes there
	group, ctx := errgroup.WithContext(ctx)
	e, done := newEngine(s, log)
	defer done()
	handler := control.NewHandler(e)
	if s.API.IsValid() {
		l, err := pipe.Bind(s.API.AddrPort)
		if err != nil {
			return pipe.Explain(s.API.AddrPort, err)
		}
		log.Info("the API is open", "address", l.Addr())
		group.Go(func() error { return control.ServeLoopback(ctx, l, handler, log) })
	}
	log.Info("the service starts", "version", programVersion(), "pid", os.Getpid(), "node", s.Node, "peers", len(s.Peers))
	group.Go(func() error { return control.Serve(ctx, socket, handler, log) })
	group.Go(func() error {
		e.Run(ctx)
		return nil
	})
	err = group.Wait()
	log.Info("the service ends")
	return err
}

func alreadyRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	state, err := client.State(ctx)
	if err != nil {
		return errors.New("already running")
	}
	return fmt.Errorf("already running (pid %d)", state.PID)
}

// newEngine makes the engine that the settings describe. The function it
// returns is to be called when the engine is not needed any more.
func newEngine(s settings.Settings, log *slog.Logger) (e *engine.Engine, done func()) {
	folder := settings.StateFolder()
	config := engine.Config{
		Version:  programVersion(),
		Listen:   s.Listen.AddrPort,
		Share:    s.Share,
		Probe:    s.Probe,
		Remember: func(m settings.Memory) error { return m.Save(folder) },
		Log:      log,
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
		if config.Memory, err = settings.LoadMemory(folder); err != nil {
			log.Warn("starting without the last command", "error", err)
		}
	}
	return engine.New(config), done
}
