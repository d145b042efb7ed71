package main

import (
	"os"

	"golang.org/x/sys/windows"
)

var (
	kernel32          = windows.NewLazySystemDLL("kernel32.dll")
	attachConsoleProc = kernel32.NewProc("AttachConsole")
	freeConsoleProc   = kernel32.NewProc("FreeConsole")
)

// stream is one of the three standard ones.
type stream struct {
	id     uint32
	device string // what it is in a terminal
	file   **os.File
	handle windows.Handle // as the program was started
}

// attachConsole connects the program to the terminal that it was started in, if
// there is one. As a program for the desktop it has none by itself, so that no
// black window opens with the tray. What is redirected stays so; where all of it
// is, as with the service, there is nothing to show in the terminal, and the
// program does not end with it.
func attachConsole() {
	streams := []stream{
		{windows.STD_INPUT_HANDLE, "CONIN$", &os.Stdin, 0},
		{windows.STD_OUTPUT_HANDLE, "CONOUT$", &os.Stdout, 0},
		{windows.STD_ERROR_HANDLE, "CONOUT$", &os.Stderr, 0},
	}
	allRedirected := true
	for i := range streams {
		streams[i].handle, _ = windows.GetStdHandle(streams[i].id)
		allRedirected = allRedirected && isOpen(streams[i].handle)
	}
	if allRedirected {
		return
	}
	const ofParent = ^uintptr(0)
	if ok, _, _ := attachConsoleProc.Call(ofParent); ok == 0 {
		return
	}
	for _, s := range streams {
		s.connect()
	}
}

// connect gives the stream the terminal, unless it is redirected. To have
// attached the console may have replaced the handle even then.
func (s stream) connect() {
	if !isOpen(s.handle) {
		f, err := os.OpenFile(s.device, os.O_RDWR, 0)
		if err != nil {
			return
		}
		*s.file, s.handle = f, windows.Handle(f.Fd())
	}
	windows.SetStdHandle(s.id, s.handle)
}

func isOpen(h windows.Handle) bool {
	kind, err := windows.GetFileType(h)
	return err == nil && kind != windows.FILE_TYPE_UNKNOWN
}

// leaveConsole lets the program go on when the terminal is closed, or when a
// Ctrl-C in it was meant for another.
func leaveConsole() { freeConsoleProc.Call() }
