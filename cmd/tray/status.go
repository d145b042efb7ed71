package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"mycoproxy/backend"
)

func newStatus() *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what the service is doing",
		Args:  noArgs,
		RunE: withService(func(ctx context.Context, c *cobra.Command, b backend.Backend, _ []string) error {
			out := c.OutOrStdout()
			if watch {
				return watchStatus(ctx, b, out, asJSON)
			}
			state, err := b.State(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(out, state)
			}
			_, err = io.WriteString(out, statusText(state, time.Now()))
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs: the whole state as JSON")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "a line now and at each change, until Ctrl-C")
	return c
}

// watchStatus prints a line now, and again at each change that the line shows.
func watchStatus(ctx context.Context, b backend.Backend, out io.Writer, asJSON bool) error {
	last := ""
	err := b.Watch(ctx, func(s backend.State) {
		if asJSON {
			json.NewEncoder(out).Encode(s)
		} else if line := statusLine(s); line != last {
			fmt.Fprintln(out, time.Now().Format(time.TimeOnly), "", line)
			last = line
		}
	})
	if ctx.Err() != nil {
		return nil // the user ends a watch with Ctrl-C
	}
	return err
}

// writeJSON writes JSON for programs, indented so that people can read it, too.
func writeJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// statusLine is the state in one line.
func statusLine(s backend.State) string {
	parts := []string{connection(s, false)}
	if s.Error != nil {
		parts = append(parts, s.Error.Message)
	}
	probing := "probing is off"
	if s.Probing.On {
		probing = fmt.Sprintf("%s of %s", count(len(s.Proxies), "proxy", "proxies"), count(s.Probing.Peers, "peer", "peers"))
	}
	parts = append(parts, probing)
	if s.Node != nil && s.Node.Error != "" {
		parts = append(parts, s.Node.Error)
	}
	if s.Streams.Open > 0 {
		parts = append(parts, count(int(s.Streams.Open), "stream", "streams")+" open")
	}
	return strings.Join(parts, "; ")
}

// connection is the phase and the remote in words, with the remote's round-trip
// time if rtt is set.
func connection(s backend.State, rtt bool) string {
	if s.Remote == nil {
		return s.Phase.String()
	}
	how := s.Remote.Mode.String()
	if p, ok := s.Proxy(s.Remote.Address); ok {
		if rtt {
			how += ", " + p.RTT.String()
		}
		if p.Verdict == backend.AuthRequired {
			how += ", needs a password"
		}
	}
	if !s.Remote.Answering {
		how += ", not answering"
	}
	return fmt.Sprintf("%s to %s (%s)", s.Phase, s.Remote.Address, how)
}

// statusText is the state for people.
func statusText(s backend.State, now time.Time) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("state", "%s", connection(s, true))
	if s.Remote != nil {
		row("since", "%s (%s)", s.Remote.Since.Local().Format(time.DateTime), ago(s.Remote.Since, now))
	}
	if s.Error != nil {
		row("error", "%s", s.Error.Message)
	}
	if l := s.Listen; l != nil {
		reached := "it cannot be reached from this machine"
		if len(l.Reached) > 0 {
			reached = "reached at " + backend.JoinAddresses(l.Reached, " and ")
		}
		row("listen", "%s, %s; share is %s", l.Address, reached, l.Share)
	}
	row("probing", "%s", probingText(s, now))
	if s.Node != nil {
		trouble := s.Node.Error
		if trouble == "" {
			trouble = s.Node.Address
		}
		row("node", "%s", trouble)
	}
	st := s.Streams
	row("streams", "%d open, %d in all, %s up, %s down", st.Open, st.Total, humanize.Bytes(uint64(st.BytesUp)), humanize.Bytes(uint64(st.BytesDown)))
	if st.Refused > 0 {
		row("refused", "%s from other machines", count(int(st.Refused), "connection", "connections"))
	}
	row("service", "version %s, pid %d", s.Version, s.PID)
	return b.String()
}

func probingText(s backend.State, now time.Time) string {
	p := s.Probing
	found := fmt.Sprintf("%s among %s", count(len(s.Proxies), "proxy", "proxies"), count(p.Peers, "peer", "peers"))
	switch {
	case !p.On:
		return "off; " + found
	case p.Scanning:
		return fmt.Sprintf("on, %s; scanning for %s", found, seconds(now.Sub(p.Last)))
	default:
		return fmt.Sprintf("on, %s; last scan %s, the next in %s", found, ago(p.Last, now), seconds(p.Next.Sub(now)))
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func ago(t, now time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }

func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", int(max(d, 0).Round(time.Second).Seconds()))
}
