package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"mycoproxy/assets/icons"
	"mycoproxy/backend"
	"mycoproxy/backend/logging"
	"mycoproxy/demo"
	"mycoproxy/notify"
	"mycoproxy/tray"
)

// stayWithTray shows a tray for b, where there is a desktop, until ctx is done
// or the user quits.
func stayWithTray(ctx context.Context, b backend.Backend, log *slog.Logger) error {
	desktop := notify.NewDesktop(icons.App)
	defer desktop.Close()
	err := showTray(ctx, desktop, tray.Config{Backend: b, Notifications: true, Log: log})
	if !errors.Is(err, tray.ErrNoDesktop) {
		return err
	}
	<-ctx.Done()
	return nil
}

func newDemo() *cobra.Command {
	var once, verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it on this machine alone, with small proxies of its own",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			log := slog.New(slog.DiscardHandler)
			if verbose {
				var flush func()
				log, flush = logging.New(slog.LevelInfo, c.ErrOrStderr())
				defer flush()
			}
			return demo.Run(c.Context(), demo.Options{
				Version: programVersion(), Out: c.OutOrStdout(), Once: once, Log: log,
				Stay: func(ctx context.Context, b backend.Backend) error { return stayWithTray(ctx, b, log) },
			})
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the page; the exit code is 0 if every step worked")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the engine's log")
	return c
}
