package tray

import (
	"strings"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
)

// escape makes a label of a text: a single ampersand would underline the letter
// after it, as the key for the row.
func escape(s string) string { return strings.ReplaceAll(s, "&", "&&") }

// shorten makes a tooltip of a text: it has room for 128 UTF-16 units, of which the
// last must be zero.
func shorten(s string) string {
	u := utf16.Encode([]rune(s))
	if len(u) < 128 {
		return s
	}
	return string(utf16.Decode(u[:126])) + "…"
}

var getGUIThreadInfo = windows.NewLazySystemDLL("user32.dll").NewProc("GetGUIThreadInfo")

// menuIsOpen reports whether a menu of the program in the foreground is open; that
// program is ours while our menu is open.
func menuIsOpen() bool {
	const inMenuMode = 0x04
	info := struct {
		size, flags uint32
		windows     [6]windows.HWND
		caret       windows.Rect
	}{}
	info.size = uint32(unsafe.Sizeof(info))
	ok, _, _ := getGUIThreadInfo.Call(0, uintptr(unsafe.Pointer(&info)))
	return ok != 0 && info.flags&inMenuMode != 0
}
