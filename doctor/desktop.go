package doctor

import "context"

const noDesktop = "there is no desktop here"

func (s Subject) checkTray(ctx context.Context) Finding {
	if !s.Desktop {
		return skipped(noDesktop)
	}
	return s.checkOffered(ctx, "org.kde.StatusNotifierWatcher", false, "tray icons",
		"On GNOME install the extension AppIndicator and KStatusNotifierItem Support; elsewhere add a tray to the panel")
}

func (s Subject) checkNotifications(ctx context.Context) Finding {
	switch {
	case !s.Settings.Notifications:
		return skipped("turned off: setting notifications")
	case !s.Desktop:
		return skipped(noDesktop)
	}
	return s.checkOffered(ctx, "org.freedesktop.Notifications", true, "notifications",
		"Install a notification service, such as dunst")
}

// checkOffered looks for the service with which the desktop shows such things.
func (s Subject) checkOffered(ctx context.Context, service string, startable bool, things, cure string) Finding {
	there, err := s.Offered(ctx, service, startable)
	switch {
	case err != nil:
		return bad("Start the program from the desktop session", "the session bus cannot be asked: %v", err)
	case !there:
		return bad(cure, "this desktop shows no %s", things)
	default:
		return ok("this desktop shows %s", things)
	}
}
