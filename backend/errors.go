package backend

import (
	"errors"
	"slices"
)

// Code tells programs what kind of error it is. The control API, the exit code
// of the command line and the hints to users are all decided by it.
type Code string

const (
	NoValidProxy Code = "no_valid_proxy"  // no proxy is known to be valid, or none answered
	PortInUse    Code = "port_in_use"     // another program holds the listener's port
	CannotBind   Code = "cannot_bind"     // the listener's port could not be bound for another reason
	BadAddress   Code = "bad_address"     // not an address in one of the accepted forms
	OwnListener  Code = "own_listener"    // the address is the one that the service itself listens on
	BadRequest   Code = "bad_request"     // the request makes no sense
	Superseded   Code = "superseded"      // a later command took this one's place
	NotRunning   Code = "not_running"     // no service answers
	Crashed      Code = "crashed"         // the service ended without having been told to
	StateUnsaved Code = "state_not_saved" // the last command could not be written to disk
	ListenerLost Code = "listener_lost"   // the listener ended by itself
	Internal     Code = "internal"        // anything else
)

// Error is an error for people, with a code for programs. Its JSON form is the
// one of [State] and, with the message under "error", of the control API.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"` // a sentence without a full stop
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is an [*Error] of the same code, so that
// errors.Is(err, ErrNoValidProxy) holds on both sides of the control socket.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// The errors whose message is always the same.
var (
	ErrNoValidProxy = &Error{NoValidProxy, "No valid proxy available or connection failed"}
	ErrSuperseded   = &Error{Superseded, "Another command took the place of this one"}
	ErrNotRunning   = &Error{NotRunning, "The service is not running"}
	ErrCrashed      = &Error{Crashed, "The service ended by itself"}
)

// AsError returns the [*Error] in err's chain, so that whoever needs a code has
// one. Any other error becomes one of code [Internal] with err's text, and nil
// stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Internal, err.Error()}
}

// IsLocal reports whether a network call failed for want of something on this
// machine, descriptors or memory, which says nothing of the other side.
func IsLocal(err error) bool {
	return slices.ContainsFunc(localErrors, func(local error) bool { return errors.Is(err, local) })
}
