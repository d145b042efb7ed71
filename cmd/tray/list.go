package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"mycoproxy/backend"
)

func newList() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the proxies, fastest first",
		Args:  noArgs,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, _ []string) error {
			state, err := b.State(ctx)
			if err != nil {
				return err
			}
			list := state.Proxies
			if all {
				if list, err = b.Peers(ctx); err != nil {
					return err
				}
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), list)
			}
			if len(list) == 0 {
				fmt.Fprintln(c.ErrOrStderr(), "No proxies are known. Probing:", probingText(state, time.Now()))
				return nil
			}
			return writeTable(c.OutOrStdout(), list, time.Now())
		}),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "every peer, proxy or not")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs: a JSON array")
	return c
}

// writeTable aligns the columns first and colours the lines afterwards, since the
// escape sequences of the colours would count as width.
func writeTable(out io.Writer, list []backend.Proxy, now time.Time) error {
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ADDRESS\tVERDICT\tROUND TRIP\tLAST SEEN")
	for _, p := range list {
		seen := "never"
		if !p.LastSeen.IsZero() {
			seen = ago(p.LastSeen, now)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Address, p.Verdict, p.RTT, seen)
	}
	t.Flush()
	i := 0
	for line := range strings.Lines(aligned.String()) {
		paint := color.New(color.Bold)
		if i > 0 {
			paint = colours[list[i-1].Verdict]
		}
		if _, err := fmt.Fprintln(out, paint.Sprint(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
		i++
	}
	return nil
}

var colours = map[backend.Verdict]*color.Color{
	backend.Valid:        color.New(color.FgGreen),
	backend.AuthRequired: color.New(color.FgYellow),
	backend.NotAProxy:    color.New(color.Faint),
	backend.NotListening: color.New(color.Faint),
	backend.Unknown:      color.New(color.Faint),
}
