//go:build cgo

package tray

func escape(s string) string  { return s }
func shorten(s string) string { return s }

// menuIsOpen is always false: the system tells only when the menu opens.
func menuIsOpen() bool { return false }
