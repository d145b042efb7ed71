// Package tray is the icon in the desktop's panel, and its menu.
//
// The menu is a fixed set of rows, made once. For each state, [arrange] decides
// which rows are shown and which proxy has which row, and [render] what they say;
// then the screen changes only what differs. While the menu is open the old
// arrangement is kept, so that no row moves under the pointer.
//
// A click is data: the [action] of the row that was shown. What it does goes
// through a [backend.Backend], so the tray does not know in which process the work
// is done.
package tray
