package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"mycoproxy/backend/daemon"
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
		socket, release, err := daemon.TakeOver(c.Context(), settings.ControlFolder())
		if err != nil {
			return err
		}
		defer release()
		level := slog.LevelInfo
		if verbose {
			level = slog.LevelDebug
		}
		log, closeLog := daemon.NewLog(c.ErrOrStderr(), settings.LogFile(), level)
		defer closeLog()
		return daemon.Serve(c.Context(), socket, daemon.Config{Version: programVersion(), Settings: s, Log: log})
	}
	return c
}
