package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
)

func newConnect() *cobra.Command {
	return &cobra.Command{
		Use:   "connect [ADDR]",
		Short: "Connect to the fastest proxy, or to the one at ADDR",
		Long: "Connect to the fastest valid proxy, or to the one at ADDR, with or without a port (1080).\n" +
			"While connected, it switches. ADDR is not checked: it may need a password, which your\n" +
			"application then has to give.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("connect takes one address, not %d", len(args))}
			}
			return nil
		},
		ValidArgsFunction: completeProxies,
		RunE:              withService(connect),
	}
}

func connect(ctx context.Context, c *cobra.Command, b backend.Backend, args []string) error {
	var remote netip.AddrPort
	if len(args) == 1 {
		var err error
		if remote, err = backend.ParseAddress(args[0]); err != nil {
			return err
		}
	}
	got, err := b.Connect(ctx, remote)
	if err != nil {
		return err
	}
	if !backend.Overlay.Contains(got.Addr()) {
		fmt.Fprintf(c.ErrOrStderr(), "mycoproxy: %s is not an overlay address\n", got.Addr())
	}
	fmt.Fprintf(c.OutOrStdout(), "connected to %s\n", got)
	state, err := b.State(ctx)
	if err != nil || state.Listen == nil {
		return err
	}
	if len(state.Listen.Reached) == 0 {
		fmt.Fprintf(c.ErrOrStderr(), "mycoproxy: the listener on %s cannot be reached over 127.0.0.1 or ::1\n", state.Listen.Address)
		return nil
	}
	fmt.Fprintf(c.OutOrStdout(), "applications: SOCKS5 proxy at %s\n", joined(state.Listen.Reached, " or "))
	return nil
}

func joined(addrs []netip.AddrPort, separator string) string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, separator)
}

// completeProxies offers the proxies that the running service knows.
func completeProxies(c *cobra.Command, args []string, _ string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		withService(func(ctx context.Context, _ *cobra.Command, b backend.Backend, _ []string) error {
			state, err := b.State(ctx)
			for _, p := range state.Proxies {
				list = append(list, cobra.CompletionWithDesc(p.Address.String(), p.Verdict.String()))
			}
			return err
		})(c, nil)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func newDisconnect() *cobra.Command {
	return &cobra.Command{
		Use:   "disconnect",
		Short: "Close the listener and every connection through it",
		Args:  noArgs,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, _ []string) error {
			if err := b.Disconnect(ctx); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "disconnected")
			return nil
		}),
	}
}

func newProbe() *cobra.Command {
	probe := &cobra.Command{Use: "probe", Short: "Look for proxies, or stop looking", Args: subcommandOnly, RunE: needSubcommand}
	for _, sub := range []struct {
		name, short, done string
		do                func(backend.Backend, context.Context) error
	}{
		{"start", "Turn probing on: a scan now, and one every minute", "probing is on", backend.Backend.StartProbe},
		{"stop", "Turn probing off", "probing is off", backend.Backend.StopProbe},
		{"now", "Scan now", "scanning", backend.Backend.ProbeNow},
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
