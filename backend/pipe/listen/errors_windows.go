package listen

import "golang.org/x/sys/windows"

const errInUse = windows.WSAEADDRINUSE

// fatalErrors are the errors of accept after which nothing will be accepted any more.
var fatalErrors = []error{windows.WSAEBADF, windows.WSAEINVAL, windows.WSAENOTSOCK, windows.WSAEOPNOTSUPP}
