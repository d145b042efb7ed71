package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
)

func newProbe() *cobra.Command {
	probe := &cobra.Command{Use: "probe", Short: "Look for proxies, or stop looking", Args: subcommandOnly, RunE: needSubcommand}
	for _, sub := range []struct {
		name, short, done string
		do                func(backend.Backend, context.Context) error
	}{
		{"start", "Turn probing on: a scan now, and one every minute", "probing is on", backend.Backend.StartProbe},
		{"stop", "Turn probing off", "probing is off", backend.Backend.StopProbe},
		{"now", "Scan now, and turn probing on if it is off", "scanning; probing is on", backend.Backend.ProbeNow},
	} {
		probe.AddCommand(&cobra.Command{
			Use:   sub.name,
			Short: sub.short,
			Args:  noArgs,
			RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, _ []string) error {
				if err := sub.do(b, ctx); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), sub.done)
				return nil
			}),
		})
	}
	return probe
}
