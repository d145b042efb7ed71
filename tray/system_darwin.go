//go:build cgo

package tray

func escape(s string) string  { return s }
func shorten(s string) string { return s }
func prepare()                {}
func menuIsOpen() bool        { return false } // only its opening is told
