package pipe

import "golang.org/x/sys/windows"

const errInUse = windows.WSAEADDRINUSE

// Errors of accept after which the listener will never accept again.
var fatalErrors = []error{windows.WSAEBADF, windows.WSAEINVAL, windows.WSAENOTSOCK, windows.WSAEOPNOTSUPP}
