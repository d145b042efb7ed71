//go:build !linux

package listen

import "net"

func setOptions(*net.ListenConfig) {}

// SetOtherMachine prepares an accepted connection from another machine. Here
// there is nothing to do.
func SetOtherMachine(net.Conn) {}
