// Package daemon runs the one service that a user has, and follows it from
// elsewhere.
//
// The service is an engine behind the control socket. It runs in a process of
// its own, or in that of the tray where no service is installed; who has the
// socket is the service:
//
//	socket, release, err := daemon.TakeOver(ctx, settings.ControlFolder())
//	if err != nil {
//		return err
//	}
//	defer release()
//	return daemon.Serve(ctx, socket, daemon.Config{Version: "1.0", Settings: s, Log: log})
//
// A service that starts takes over from a tray, and the tray follows it from
// then on: its [Attachment] is a [backend.Backend] that stays when services come
// and go.
//
// The errors of this package say what happened and can be told apart by type.
// What a user is to do about it, the caller says.
package daemon
