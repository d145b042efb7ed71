package control

import (
	"context"
	"errors"
	"net"
	"os/user"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// Listen makes the control pipe. Its name holds the user's SID, and nobody else
// may open it. If another service has it, the error is [ErrAlreadyRunning]. In
// folder, which it makes, there is only a lock: no other service can have the
// pipe before release is called, even if the listener is closed.
func Listen(folder string) (l net.Listener, release func(), err error) {
	path, sid, err := pipe()
	if err != nil {
		return nil, nil, err
	}
	release, err = lock(folder)
	if err != nil {
		return nil, nil, err
	}
	l, err = winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + sid + ")"})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		err = ErrAlreadyRunning // a pipe of this name is there, and winio makes only the first
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	useUpFirst(path)
	return l, release, nil
}

// useUpFirst connects to the pipe once and hangs up. winio keeps the first
// instance of a pipe only to hold its name, and serves those that it makes
// later. Windows lets no client connect to that one, so there this fails and
// changes nothing. Wine, on which the tests of the Windows program run, does:
// without this the first client is given the instance that nobody serves, and
// waits for ever. It cannot be done in the tests, since they run the program
// that is shipped.
func useUpFirst(path string) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err == nil {
		windows.CloseHandle(h)
	}
}

func dial(ctx context.Context, _ string) (net.Conn, error) {
	path, _, err := pipe()
	if err != nil {
		return nil, err
	}
	return winio.DialPipeContext(ctx, path)
}

// pipe is the path of this user's control pipe, and the SID in it.
func pipe() (path, sid string, err error) {
	u, err := user.Current()
	if err != nil {
		return "", "", err
	}
	return `\\.\pipe\mycoproxy-` + u.Uid, u.Uid, nil
}

// checkPeer has nothing to do: the pipe lets nobody else in.
func checkPeer(net.Conn) error { return nil }
