package doctor

import "context"

const noDesktop = "there is no desktop here"

func (s Subject) checkTray(ctx context.Context) Finding {
	if !s.Desktop {
		return skipped(noDesktop)
	}
	there, err := s.Offered(ctx, "org.kde.StatusNotifierWatcher", false)
	switch {
	case err != nil:
		return bad("Start the program from the desktop session", "the session bus cannot be asked: %v", err)
	case !there:
		return bad("On GNOME install the extension AppIndicator and KStatusNotifierItem Support; elsewhere add a tray to the panel",
			"this desktop shows no tray icons")
	default:
		return ok("this desktop shows tray icons")
	}
}

func (s Subject) checkNotifications(ctx context.Context) Finding {
	switch {
	case !s.Settings.Notifications:
		return skipped("turned off: setting notifications")
	case !s.Desktop:
		return skipped(noDesktop)
	}
	there, err := s.Offered(ctx, "org.freedesktop.Notifications", true)
	switch {
	case err != nil:
		return bad("Start the program from the desktop session", "the session bus cannot be asked: %v", err)
	case !there:
		return bad("Install a notification service, such as dunst", "this desktop shows no notifications")
	default:
		return ok("this desktop shows notifications")
	}
}
