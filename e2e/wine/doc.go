// Package wine tests the program for Windows under Wine: the tray, with real
// clicks on its icon in a taskbar, its service, its command line, its forwarder,
// and the installer. SOCKS servers are on loopback, outside of Wine. Screenshots
// go to the folder screenshots, which git ignores.
//
// Wine has no PowerShell, so dialogs are not seen here; nor are toasts, in whose
// place balloons come.
//
// The tests need packages that "make setup-ci" installs. Without them they are
// skipped by name, or fail if CI=true.
package wine
