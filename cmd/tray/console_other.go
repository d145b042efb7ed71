//go:build !windows

package main

// attachConsole does nothing: other systems than Windows connect a program to the
// terminal that it was started in.
func attachConsole() {}

// leaveConsole does nothing: here the shell decides what becomes of its programs.
func leaveConsole() {}
