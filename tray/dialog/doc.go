// Package dialog asks the user with the desktop's own dialogs: zenity or
// kdialog on Linux and the BSDs, osascript on macOS, PowerShell on Windows.
// Each dialog is a child process of its own. It also puts text on the desktop's
// clipboard.
//
// What is shown reaches the child as data, never as part of a script, and is
// shown as it is: markup and mnemonics in it mean nothing.
package dialog
