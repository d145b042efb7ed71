package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/daemon"
	"mycoproxy/backend/settings"
	"mycoproxy/backend/userservice"
)

func newService() *cobra.Command {
	group := &cobra.Command{Use: "service", Short: "Start the service at login, for you alone", Args: subcommandOnly, RunE: needSubcommand}
	for _, sub := range []struct {
		name, short, long string
		do                func(*userService, context.Context, io.Writer) error
	}{
		{"install", "Start the service now and at every login, and the tray with the desktop",
			"Start the service now and at every login, and the tray with the desktop. No root is needed.\n" +
				"After an upgrade it restarts the service with the new version.", (*userService).install},
		{"uninstall", "Stop the service, and remove all that was installed and written down",
			"Stop the service, and remove all that was installed, what the service remembers, and its\n" +
				"log. Your settings file stays.", (*userService).uninstall},
		{"start", "Start the service", "", (*userService).start},
		{"stop", "Stop the service until the next login", "", (*userService).stop},
	} {
		group.AddCommand(&cobra.Command{
			Use:   sub.name,
			Short: sub.short,
			Long:  sub.long,
			Args:  noArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				s := newUserService()
				defer s.client.Close()
				return withCure(sub.do(s, c.Context(), c.OutOrStdout()))
			},
		})
	}
	group.AddCommand(newServiceStatus(), newServiceUnit())
	return group
}

// newServiceUnit prints the unit for those who make packages.
func newServiceUnit() *cobra.Command {
	program := "/usr/bin/mycoproxy"
	c := &cobra.Command{
		Use:    "unit",
		Short:  "Print the systemd user unit",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), userservice.Unit(program))
			return err
		},
	}
	c.Flags().StringVar(&program, "program", program, "absolute `PATH` of the binary")
	return c
}

// userService has the manager of the registered service, and a client of the
// service that answers. That may be another one: "mycoproxy serve" in a terminal,
// or the tray.
type userService struct {
	userservice.Manager
	client *control.Client
}

func newUserService() *userService {
	client := control.NewClient(settings.ControlFolder())
	return &userService{client: client, Manager: userservice.Manager{
		Shutdown: client.Shutdown,
		Running: func(ctx context.Context) int {
			if state, _ := client.State(ctx); !state.Tray {
				return state.PID
			}
			return 0 // a tray is not the registered service, and leaves the work to it
		},
	}}
}

func (s *userService) install(ctx context.Context, out io.Writer) error {
	err := s.Install(ctx)
	if errors.Is(err, userservice.ErrNoManager) {
		return hinted{err, "The tray is registered all the same: it starts with the desktop, and does the service's work itself"}
	}
	if err != nil {
		return err
	}
	state, err := s.await(ctx)
	if err == nil && state.Version != programVersion() {
		if err = s.Stop(ctx); err == nil {
			state, err = s.startAndAwait(ctx)
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "installed: the service starts at login, the tray with the desktop")
	return tellRunning(out, state)
}

func (s *userService) uninstall(ctx context.Context, out io.Writer) error {
	if err := s.Uninstall(ctx); err != nil {
		return err
	}
	err := daemon.Forget()
	if errors.Is(err, daemon.ErrTrayRunning) || errors.Is(err, control.ErrAlreadyRunning) {
		_, err := fmt.Fprintln(out, "uninstalled; what is remembered and the log stay, since the tray or a terminal still does the work")
		return err
	}
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	_, err = fmt.Fprintln(out, "uninstalled")
	return err
}

func (s *userService) start(ctx context.Context, out io.Writer) error {
	state, err := s.startAndAwait(ctx)
	if err != nil {
		return err
	}
	return tellRunning(out, state)
}

func (s *userService) stop(ctx context.Context, out io.Writer) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "stopped")
	return err
}

func (s *userService) startAndAwait(ctx context.Context) (backend.State, error) {
	if err := s.Start(ctx); err != nil {
		return backend.State{}, err
	}
	return s.await(ctx)
}

// await waits until the registered service answers, it and no other.
func (s *userService) await(ctx context.Context) (backend.State, error) {
	state, err := daemon.Await(ctx, s.client, func(ctx context.Context) (int, error) {
		registered, err := s.Status(ctx)
		return registered.PID, err
	})
	var other *daemon.OtherError
	switch {
	case errors.As(err, &other):
		err = hinted{err, "End that one, then: mycoproxy service start"}
	case errors.Is(err, daemon.ErrSilent):
		err = hinted{err, "See why by running it here: mycoproxy serve    Its log is " + settings.LogFile()}
	}
	return state, err
}

func tellRunning(out io.Writer, state backend.State) error {
	_, err := fmt.Fprintf(out, "running: version %s, pid %d\n", state.Version, state.PID)
	if err == nil && state.Version != programVersion() {
		_, err = fmt.Fprintf(out, "note: %s\n", otherVersion())
	}
	return err
}

func otherVersion() string {
	return fmt.Sprintf("this is version %s; to run the service with it: mycoproxy service install", programVersion())
}

// cures are the hints for the errors of [userservice.Manager].
var cures = map[error]string{
	userservice.ErrRoot:         "Run it as yourself, without sudo",
	userservice.ErrNoManager:    "The tray does without the service: mycoproxy tray    So does a terminal: mycoproxy serve",
	userservice.ErrNotInstalled: "Install and start it with: mycoproxy service install",
	userservice.ErrMasked:       "Allow it with: systemctl --user unmask mycoproxy.service",
}

func withCure(err error) error {
	var own hinted
	if errors.As(err, &own) {
		return err
	}
	for known, cure := range cures {
		if errors.Is(err, known) {
			return hinted{err, cure}
		}
	}
	return err
}
