// Package userservice registers Mycoproxy with the system, for this user and
// without root: the service to start at login and again after a crash, and the
// tray to start with the desktop session.
//
//	m := userservice.Manager{}
//	err := m.Install(ctx)
//
// Each system has its own way:
//
//   - Linux: a systemd user unit, and an XDG autostart entry for the tray. Where
//     no systemd user manager can be reached there is no service, but the tray
//     is registered all the same: it does the service's work itself.
//   - macOS: a launch agent for each.
//   - Windows, which has no services for a user: values under the user's Run
//     key. There nothing starts the service again after a crash but the next login.
package userservice
