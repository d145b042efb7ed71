package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"os"

	"github.com/atotto/clipboard"
	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"mycoproxy/assets/icons"
	"mycoproxy/backend/control"
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
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	s, err := loadSettings()
	if err != nil {
		return err
	}
	release, err := onlyTray()
	if errors.Is(err, errSecondTray) {
		desktop.Notify(ctx, secondTray) // for those who did not start it in a terminal
		fmt.Fprintln(c.OutOrStdout(), "Mycoproxy's tray is already running: look for its icon in the panel.")
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	leaveConsole()

	log := newLog(c.ErrOrStderr(), settings.TrayLogFile(), false)
	systrayLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	stdlog.SetFlags(0)
	stdlog.SetOutput(systrayLog.Writer()) // it has no other way to be told where to
	client := control.NewClient(settings.ControlFolder())
	defer client.Close()
	login := login{newUserService()}
	defer login.client.Close()
	a := &attachment{
		Client:    client,
		installed: login.starts,
		serve:     func(ctx context.Context) error { return serveInTray(ctx, log) },
		log:       log,
	}
	defer a.running.Wait()
	defer cancel()
	return showTray(ctx, desktop, tray.Config{
		Backend:       a,
		Notifications: s.Notifications,
		KeepNotifications: func(on bool) error {
			return keep("notifications", func(file string) error { return settings.SaveNotifications(file, on) })
		},
		Login: login,
		Log:   log,
	})
}

// showTray shows a tray with what every one has, until ctx is done or the user quits.
func showTray(ctx context.Context, desktop *notify.Desktop, c tray.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	c.Notifier = notify.New(notify.Config{Send: desktop.Notify, Off: !c.Notifications, Log: c.Log})
	c.Desktop = tray.Desktop{Ask: dialog.Ask, Choose: dialog.Choose, Copy: copyText}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Notifier.Run(ctx)
	}()
	err := tray.Run(ctx, c)
	cancel()
	<-ended
	if errors.Is(err, tray.ErrNoDesktop) {
		return hinted{err, "Without a desktop, run the service: mycoproxy serve"}
	}
	return err
}

// serveInTray does the service's work in this process, until a service wants to.
func serveInTray(ctx context.Context, log *slog.Logger) error {
	s, err := loadSettings() // they may have changed since the last time
	if err != nil {
		return err
	}
	socket, release, err := control.Listen(settings.ControlFolder())
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	defer release()
	return serve(ctx, socket, s, log, true)
}

var errSecondTray = errors.New("another tray is running")

var secondTray = notify.Notification{
	Title: "Mycoproxy is already running",
	Body:  "Its icon is in the panel.",
}

// onlyTray makes sure that this is the only tray of this user, until release is called.
func onlyTray() (release func(), err error) {
	if err := os.MkdirAll(settings.ControlFolder(), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(settings.TrayLock())
	first, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("find out whether a tray is running: %w", err)
	}
	if !first {
		return nil, errSecondTray
	}
	return func() { lock.Unlock() }, nil
}

// copyText puts text on the clipboard. The program that does so may hang.
func copyText(ctx context.Context, text string) error {
	if clipboard.Unsupported {
		return errors.New("there is no program for the clipboard here: install xclip, xsel or wl-clipboard")
	}
	written := make(chan error, 1)
	go func() { written <- clipboard.WriteAll(text) }()
	select {
	case err := <-written:
		if err != nil {
			return fmt.Errorf("put %s on the clipboard: %w", text, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("put %s on the clipboard: %w", text, ctx.Err())
	}
}
