package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"

	"github.com/spf13/cobra"

	"mycoproxy/assets/icons"
	"mycoproxy/backend"
	"mycoproxy/backend/control"
	"mycoproxy/backend/daemon"
	"mycoproxy/backend/settings"
	"mycoproxy/notify"
	"mycoproxy/tray"
	"mycoproxy/tray/dialog"
)

func newTray() *cobra.Command {
	return &cobra.Command{
		Use:   "tray",
		Short: "Show the tray icon (the same as mycoproxy alone)",
		Long: "Show the tray icon. It uses the running service; if there is none, it does the service's\n" +
			"work itself, so that all commands work in both cases.",
		Args: noArgs,
		RunE: runTray,
	}
}

// runTray shows the tray until the user quits it. What goes wrong is shown as a
// notification, too: most users start it without a terminal.
func runTray(c *cobra.Command, _ []string) error {
	desktop := notify.NewDesktop(icons.App)
	defer desktop.Close()
	err := runTrayOn(c, desktop)
	if err != nil && c.Context().Err() == nil && !errors.Is(err, tray.ErrNoDesktop) {
		desktop.Notify(c.Context(), notify.Notification{Kind: notify.ConnectFailed, Title: "Mycoproxy cannot run", Body: err.Error()})
	}
	return err
}

func runTrayOn(c *cobra.Command, desktop *notify.Desktop) error {
	ctx := c.Context()
	s, err := loadSettings()
	if err != nil {
		return err
	}
	release, err := daemon.LockTray()
	if errors.Is(err, daemon.ErrTrayRunning) {
		desktop.Notify(ctx, secondTray) // for those who did not start it in a terminal
		fmt.Fprintln(c.OutOrStdout(), "Mycoproxy's tray is already running: look for its icon in the panel.")
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	leaveConsole()

	log, closeLog := daemon.NewLog(c.ErrOrStderr(), settings.TrayLogFile(), slog.LevelInfo)
	defer closeLog()
	systrayLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	stdlog.SetFlags(0)
	stdlog.SetOutput(systrayLog.Writer()) // systray logs to the standard logger alone
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	login := login{newUserService()}
	defer login.client.Close()
	return showTray(ctx, desktop, tray.Config{
		Backend: daemon.Attach(daemon.AttachConfig{
			Service:   client,
			Installed: login.starts,
			Serve:     func(ctx context.Context) error { return serveInTray(ctx, log) },
			Explain:   explain,
			Log:       log,
		}),
		Notifications: s.Notifications,
		KeepNotifications: func(on bool) error {
			return daemon.SaveSetting("notifications", func(file string) error { return settings.SaveNotifications(file, on) })
		},
		Login: login,
		Log:   log,
	})
}

// showTray adds the desktop to the configuration and shows the tray, until ctx is
// done or the user quits.
func showTray(ctx context.Context, desktop *notify.Desktop, c tray.Config) error {
	c.Notifier = notify.New(notify.Config{Send: desktop.Notify, Off: !c.Notifications, Log: c.Log})
	c.Desktop = tray.Desktop{Ask: dialog.Ask, Choose: dialog.Choose, Copy: dialog.Copy}
	err := tray.Run(ctx, c)
	if errors.Is(err, tray.ErrNoDesktop) {
		return hinted{err, "Without a desktop, run the service: mycoproxy serve"}
	}
	return err
}

// explain says to the user why there is no service.
func explain(err error) *backend.Error {
	var failed *daemon.ServeError
	switch {
	case errors.As(err, &failed):
		return &backend.Error{Code: backend.NotRunning, Message: "The service cannot run: " + failed.Err.Error()}
	case errors.Is(err, daemon.ErrStopped):
		return &backend.Error{Code: backend.NotRunning, Message: "It is installed, but does not run; its log may say why: " + settings.LogFile()}
	default:
		return backend.AsError(err)
	}
}

// serveInTray does the service's work in this process, until a service that
// starts wants to do it.
func serveInTray(ctx context.Context, log *slog.Logger) error {
	s, err := loadSettings() // again, since they may have changed meanwhile
	if err != nil {
		return err
	}
	socket, release, err := control.Listen(settings.ControlFolder())
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	defer release()
	return daemon.Serve(ctx, socket, daemon.Config{Version: programVersion(), Settings: s, Tray: true, Log: log})
}

// secondTray tells somebody who starts a tray beside the one that runs.
var secondTray = notify.Notification{
	Title: "Mycoproxy is already running",
	Body:  "Its icon is in the panel.",
}
