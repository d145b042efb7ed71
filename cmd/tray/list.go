package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
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
		Short: "List the proxies, favourites and the fastest first",
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
			return writeTable(c.OutOrStdout(), list, all, time.Now())
		}),
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "every peer, proxy or not")
	c.Flags().BoolVar(&asJSON, "json", false, "for programs: a JSON array")
	return c
}

// writeTable aligns the columns first and colours the lines afterwards, since the
// escape sequences of the colours would count as width.
// There is a column of names if there are any, and one that says why an address is
// among the peers if all of them are shown.
func writeTable(out io.Writer, list []backend.Proxy, all bool, now time.Time) error {
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	named := slices.ContainsFunc(list, func(p backend.Proxy) bool { return p.Name != "" || p.Favourite })
	row := func(address, name, verdict, rtt, seen, from string) {
		cells := []string{address, name, verdict, rtt, seen, from}
		if !all {
			cells = cells[:5]
		}
		if !named {
			cells = slices.Delete(cells, 1, 2)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	row("ADDRESS", "NAME", "VERDICT", "ROUND TRIP", "LAST SEEN", "FROM")
	for _, p := range list {
		seen := "never"
		if !p.LastSeen.IsZero() {
			seen = ago(p.LastSeen, now)
		}
		name := p.Name
		if p.Favourite {
			name = strings.TrimSpace("★ " + name)
		}
		row(p.Address.String(), cmp.Or(name, "-"), p.Verdict.String(), p.RTT.String(), seen, p.Source.String())
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
