//go:build unix

package backend

import "golang.org/x/sys/unix"

var localErrors = []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}
