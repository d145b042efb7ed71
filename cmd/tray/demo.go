package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"mycoproxy/demo"
)

func newDemo() *cobra.Command {
	var once, verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it on this machine alone, with small proxies of its own",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			log := slog.New(slog.DiscardHandler)
			if verbose {
				log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			}
			return demo.Run(c.Context(), demo.Options{Version: programVersion(), Out: c.OutOrStdout(), Once: once, Log: log})
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the page; the exit code is 0 if every step worked")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the engine's log")
	return c
}
