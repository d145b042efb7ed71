//go:build unix

package pipe

import "golang.org/x/sys/unix"

const errInUse = unix.EADDRINUSE

// Errors of accept after which the listener will never accept again.
var fatalErrors = []error{unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP}
