package backend

import "golang.org/x/sys/windows"

var localErrors = []error{windows.WSAEMFILE, windows.WSAENOBUFS}
