// Package desktop tests the tray as it is used: the built binary in a login
// session of its own, with folders and a session bus that nobody else has, and
// SOCKS servers on loopback.
//
// Half of the tests have no display. They bring what a panel brings, a
// StatusNotifierWatcher, and read and click the menu over the session bus. The
// other half have a headless X server with a real panel, window manager and
// notification service, and a real pointer. They leave screenshots in the folder
// screenshots, which git ignores; "make screenshots" takes two of them into docs.
//
// The tests need packages that "make setup-ci" installs, and the pictures also
// root, for a network namespace. Without them tests are skipped by name, or fail
// if CI=true. The binary is built without the race detector, because systray has
// races of its own.
package desktop
