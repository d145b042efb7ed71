package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/settings"
)

func newRoot() *cobra.Command {
	cobra.MousetrapHelpText = "" // else cobra refuses to be started from Windows' desktop
	root := &cobra.Command{
		Use:   "mycoproxy",
		Short: "Find SOCKS5 proxies on the Mycelium overlay and browse through one",
		Long: "Mycoproxy finds the SOCKS5 proxies among the nodes of the Mycelium overlay network,\n" +
			"connects to the one you choose, and forwards your applications' connections to it:\n" +
			"point them at the SOCKS5 proxy 127.0.0.1, port 1080.",
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,

		Args: subcommandOnly,
		RunE: runTray,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newTray(), newServe(), newStatus(), newList(), newConnect(), newDisconnect(), newProbe(), newService(), newConfig(), newDoctor(), newDemo(), newVersion(),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = subcommandOnly, needSubcommand
		}
	}
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "mycoproxy", programVersion())
			return err
		},
	}
}

func newConfig() *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "About the settings", Args: subcommandOnly, RunE: needSubcommand}
	config.AddCommand(&cobra.Command{
		Use:   "example",
		Short: "Print a settings file with every setting explained",
		Long:  "Print a settings file with every setting explained. Yours is\n" + settings.ConfigFile(),
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), settings.Example())
			return err
		},
	})
	return config
}

// withService runs f with a client of the running service.
func withService(f func(context.Context, *cobra.Command, backend.Backend, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client := control.NewClient(settings.ControlFolder())
		defer client.Close()
		return f(c.Context(), c, client, args)
	}
}

func loadSettings() (settings.Settings, error) {
	return settings.Load(settings.ConfigFile(), os.LookupEnv)
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, and %q is one", c.CommandPath(), args[0])}
	}
	return nil
}

func subcommandOnly(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s has no command %q", c.CommandPath(), args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return hinted{usageError{err}, "Did you mean: " + c.CommandPath() + " " + strings.Join(near, ", ") + "?"}
	}
	return usageError{err}
}

func needSubcommand(c *cobra.Command, _ []string) error {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return usageError{fmt.Errorf("%s needs one of: %s", c.CommandPath(), strings.Join(names, ", "))}
}
