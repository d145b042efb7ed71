package main

import (
	"context"
	"fmt"
	"net/netip"

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
	fmt.Fprintf(c.OutOrStdout(), "connected to %s\n", got)
	if remote.IsValid() && !backend.Overlay.Contains(remote.Addr()) {
		fmt.Fprintf(c.OutOrStdout(), "note: %s is not an overlay address\n", remote.Addr())
	}
	state, err := b.State(ctx)
	if err != nil || state.Listen == nil {
		return err
	}
	at, ok := state.ApplicationAddress()
	if !ok {
		fmt.Fprintf(c.ErrOrStderr(), "mycoproxy: the listener on %s cannot be reached over 127.0.0.1 or ::1\n", state.Listen.Address)
		return nil
	}
	fmt.Fprintf(c.OutOrStdout(), "applications: SOCKS5 proxy at %s\n", at)
	return nil
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
