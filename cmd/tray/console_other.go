//go:build !windows

package main

// attachConsole does nothing: here a program has the terminal that it was started in.
func attachConsole() {}

// leaveConsole does nothing: the terminal's shell waits for its programs.
func leaveConsole() {}
