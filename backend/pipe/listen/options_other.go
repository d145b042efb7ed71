//go:build !linux

package listen

import "net"

func setOptions(*net.ListenConfig) {} // Go's own are right here
