// Package notify tells the user, by notifications of the desktop, what happened
// to the connection.
//
// [Diff] says what a new state means to somebody who knows an old one. A
// [Notifier] applies it to the states that a [backend.Backend] publishes. It keeps
// the state that the user knows and compares the newest with that, not with the
// one before: so it can hold a notification back, and drop it if the change has
// been undone meanwhile. A [Desktop] shows the notifications.
package notify
