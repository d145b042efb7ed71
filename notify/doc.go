// Package notify tells the user, by notifications of the desktop, what happened
// to the connection.
//
// [Diff] says what one state means to somebody who knew another. A [Notifier]
// applies it to the states that a [backend.Backend] publishes: it keeps what the
// user was told last, compares that with the newest state, and so can hold a
// word back and later speak only if there still is something to say. A [Desktop]
// shows the result.
package notify
