//go:build unix

package listen

import "golang.org/x/sys/unix"

const errInUse = unix.EADDRINUSE

// fatalErrors are the errors of accept after which nothing will be accepted any more.
var fatalErrors = []error{unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP}
