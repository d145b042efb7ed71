package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/settings"
	"mycoproxy/doctor"
)

func newDoctor() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check each thing that can be wrong, and say how to mend it",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			results := doctor.Run(c.Context(), subject(c.Context()))
			if asJSON {
				err = writeJSON(c.OutOrStdout(), results)
			} else {
				err = writeResults(c.OutOrStdout(), results)
			}
			wrong := 0
			for _, r := range results {
				if r.Outcome == doctor.Bad {
					wrong++
				}
			}
			if err == nil && wrong > 0 {
				err = fmt.Errorf("%d of %d checks found something wrong", wrong, len(results))
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs: a JSON array")
	return c
}

// subject is what the doctor examines: this machine, this user and what the
// service says.
func subject(ctx context.Context) doctor.Subject {
	s := doctor.Subject{
		Version:     programVersion(),
		ConfigFile:  settings.ConfigFile(),
		StateFolder: settings.StateFolder(),
		Desktop:     os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "",
		Addresses:   backend.LocalAddresses,
		Installed:   installed,
		Offered:     doctor.SessionBus(),
	}
	s.Program, _ = os.Executable()
	if s.Settings, s.SettingsError = loadSettings(); s.SettingsError != nil {
		s.Settings = settings.Default()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	s.State, s.StateError = client.State(ctx)
	return s
}

func installed(ctx context.Context) (doctor.Installation, error) {
	s := newUserService()
	defer s.client.Close()
	status, err := s.Status(ctx)
	return doctor.Installation{Installed: status.Installed, Enabled: status.Enabled, Program: status.Program}, err
}

// writeResults prints a line for each check, and the cure, if there is one, on the
// line below.
func writeResults(out io.Writer, results []doctor.Result) error {
	words := map[doctor.Outcome]string{doctor.OK: "ok", doctor.Note: "note", doctor.Bad: "BAD", doctor.Skipped: "skip"}
	paints := map[doctor.Outcome]*color.Color{
		doctor.OK:      color.New(color.FgGreen),
		doctor.Note:    color.New(color.FgYellow),
		doctor.Bad:     color.New(color.FgRed, color.Bold),
		doctor.Skipped: color.New(color.Faint),
	}
	var b strings.Builder
	for _, r := range results {
		text := r.Text
		if r.Outcome == doctor.Skipped {
			text = "skipped: " + text
		}
		fmt.Fprintf(&b, "%s %-14s %s\n", paints[r.Outcome].Sprintf("%-5s", words[r.Outcome]), r.Name, text)
		if r.Cure != "" {
			fmt.Fprintf(&b, "%21s%s\n", "", r.Cure)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
