package notify

import (
	"errors"

	"mycoproxy/backend"
)

// Kind is what a notification is about.
type Kind int

const (
	Notice         Kind = iota // not about the connection
	Connected                  // to a remote that the user asked for
	ConnectFailed              // the user's command failed, otherwise than by CannotBind
	CannotBind                 // the listener's port could not be bound
	ListenerLost               // the listener ended by itself
	ServiceStopped             // by itself
	Gone                       // the remote does not answer
	Back                       // the remote answers again
	Moved                      // another remote took the place of one that the service chose
	NeedsPassword              // the remote wants a password from now on
)

// isPassing reports whether it is a kind that a remote which comes and goes would
// cause again and again. Of those, one a minute is told at most.
func (k Kind) isPassing() bool { return k >= Gone }

// Notification is one thing to tell the user. The zero value is nothing to tell.
type Notification struct {
	Kind  Kind
	Title string // the fact
	Body  string // what goes with it, whole sentences
}

// Failed is what to tell a user whose click ended with err; nothing, if err is
// nil or says that a later command superseded the click.
func Failed(err error) Notification {
	if err == nil || errors.Is(err, backend.ErrSuperseded) {
		return Notification{}
	}
	return failed(backend.AsError(err))
}

func failed(err *backend.Error) Notification {
	n := Notification{Kind: ConnectFailed, Title: "That did not work", Body: err.Message + "."}
	switch err.Code {
	case backend.PortInUse:
		n.Kind, n.Title = CannotBind, "Not connected: the port is taken"
	case backend.CannotBind:
		n.Kind, n.Title = CannotBind, "Not connected: no port to listen on"
	case backend.ListenerLost:
		n.Kind, n.Title = ListenerLost, "Not connected any more"
	case backend.NoValidProxy:
		n.Title = "No proxy to connect to"
	case backend.BadAddress, backend.OwnListener:
		n.Title = "Not the address of a proxy"
	case backend.Internal:
		n.Body = "It failed: " + err.Message + "."
	case backend.NotRunning:
		n.Title = "The service is not running"
		n.Body = "Start it, and try again."
	}
	return n
}
