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
// may open it; folder is not used. Another service that has it gives
// [ErrAlreadyRunning]. There is nothing to release.
func Listen(string) (l net.Listener, release func(), err error) {
	path, sid, err := pipe()
	if err != nil {
		return nil, nil, err
	}
	l, err = winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + sid + ")"})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		err = ErrAlreadyRunning // it is made as the first of its name, or not at all
	}
	return l, func() {}, err
}

func dial(ctx context.Context, _ string) (net.Conn, error) {
	path, _, err := pipe()
	if err != nil {
		return nil, err
	}
	return winio.DialPipeContext(ctx, path)
}

func pipe() (path, sid string, err error) {
	u, err := user.Current()
	if err != nil {
		return "", "", err
	}
	return `\\.\pipe\mycoproxy-` + u.Uid, u.Uid, nil
}

// checkPeer has nothing to do: the pipe lets nobody else in.
func checkPeer(net.Conn) error { return nil }
