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

// standardFile is standard input, standard output or standard error.
type standardFile struct {
	id     uint32
	device string         // its name in a console
	file   **os.File      // the variable of package os
	handle windows.Handle // what the program was started with
}

// attachConsole connects the program to the console that it was started in, if
// there is one. As a program for the desktop it has none by itself, so that no
// black window opens with the tray. What is redirected stays redirected. If all
// three files are, as with the service, the program shows nothing in the console,
// and so it is not attached and goes on when the console is closed.
func attachConsole() {
	files := []standardFile{
		{windows.STD_INPUT_HANDLE, "CONIN$", &os.Stdin, 0},
		{windows.STD_OUTPUT_HANDLE, "CONOUT$", &os.Stdout, 0},
		{windows.STD_ERROR_HANDLE, "CONOUT$", &os.Stderr, 0},
	}
	allRedirected := true
	for i := range files {
		files[i].handle, _ = windows.GetStdHandle(files[i].id)
		allRedirected = allRedirected && isOpen(files[i].handle)
	}
	if allRedirected {
		return
	}
	const ofParent = ^uintptr(0)
	if ok, _, _ := attachConsoleProc.Call(ofParent); ok == 0 {
		return
	}
	for _, f := range files {
		f.connect()
	}
}

// connect opens the console in place of the file, unless that is redirected. The
// handle is set in both cases: attaching the console may have replaced it.
func (f standardFile) connect() {
	if !isOpen(f.handle) {
		console, err := os.OpenFile(f.device, os.O_RDWR, 0)
		if err != nil {
			return
		}
		*f.file, f.handle = console, windows.Handle(console.Fd())
	}
	windows.SetStdHandle(f.id, f.handle)
}

func isOpen(h windows.Handle) bool {
	kind, err := windows.GetFileType(h)
	return err == nil && kind != windows.FILE_TYPE_UNKNOWN
}

// leaveConsole lets the program go on when the terminal is closed, or when a
// Ctrl-C in it was meant for another.
func leaveConsole() { freeConsoleProc.Call() }
