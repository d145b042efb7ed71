package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
	"mycoproxy/backend/userservice"
)

// serviceStatus is what "service status" prints.
type serviceStatus struct {
	userservice.Status
	Version     string `json:"version,omitempty"`   // of the registered service, if that answers
	OtherPID    int    `json:"other_pid,omitempty"` // of what answers in its place
	ThisVersion string `json:"this_version"`        // of this program
}

func newServiceStatus() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what is installed, what runs, and which binary it is",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s := newUserService()
			defer s.client.Close()
			status, err := s.report(c.Context())
			if err != nil && !errors.Is(err, userservice.ErrNoManager) {
				return withCure(err)
			}
			if asJSON {
				if err := writeJSON(c.OutOrStdout(), status); err != nil {
					return err
				}
			} else if _, err := io.WriteString(c.OutOrStdout(), status.text()); err != nil {
				return err
			}
			switch {
			case err != nil:
				return hinted{fmt.Errorf("%w: %w", backend.ErrNotRunning, err), cures[userservice.ErrNoManager]}
			case !status.Installed && !status.Running:
				return hinted{backend.ErrNotRunning, "Install and start it with: mycoproxy service install"}
			case !status.Running:
				return hinted{backend.ErrNotRunning, "Start it with: mycoproxy service start"}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func (s *userService) report(ctx context.Context) (serviceStatus, error) {
	registered, err := s.Status(ctx)
	status := serviceStatus{Status: registered, ThisVersion: programVersion()}
	if state, err := s.client.State(ctx); err == nil {
		if status.Running && status.PID == state.PID {
			status.Version = state.Version
		} else {
			status.OtherPID = state.PID
		}
	}
	return status, err
}

func (s serviceStatus) text() string {
	installed, runs, tray := "not installed", "no", "does not start with the desktop"
	switch {
	case s.Installed && s.Enabled:
		installed = "installed, starts at login"
	case s.Installed:
		installed = "installed, but turned off at login"
	}
	switch {
	case s.Version != "":
		runs = fmt.Sprintf("yes, version %s, pid %d", s.Version, s.PID)
	case s.Running:
		runs = fmt.Sprintf("yes, pid %d, but it does not answer", s.PID)
	}
	if s.OtherPID != 0 {
		runs += fmt.Sprintf("; the tray or a terminal does the work (pid %d)", s.OtherPID)
	}
	if s.TrayAtLogin {
		tray = "starts with the desktop"
	}
	text := fmt.Sprintf("service   %s\n", installed)
	if s.Program != "" {
		text += fmt.Sprintf("program   %s\n", s.Program)
	}
	text += fmt.Sprintf("running   %s\ntray      %s\n", runs, tray)
	if s.Version != "" && s.Version != s.ThisVersion {
		text += fmt.Sprintf("note      %s\n", otherVersion())
	}
	return text
}
