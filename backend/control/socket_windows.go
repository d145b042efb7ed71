package control

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"

	"github.com/Microsoft/go-winio"
	"github.com/gofrs/flock"
	"golang.org/x/sys/windows"
)

const lockName = "control.lock"

// Listen makes the control pipe. Its name holds the user's SID, and nobody else
// may open it. Another service that has it gives [ErrAlreadyRunning]. In folder,
// which it makes, there is only a lock: no other service can have the pipe
// before release is called, even if the listener is closed.
func Listen(folder string) (l net.Listener, release func(), err error) {
	path, sid, err := pipe()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, err
	}
	lock := flock.New(filepath.Join(folder, lockName))
	first, err := lock.TryLock()
	if err == nil && !first {
		err = ErrAlreadyRunning
	}
	if err == nil {
		l, err = winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + sid + ")"})
		if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
			err = ErrAlreadyRunning // it is made as the first of its name, or not at all
		}
	}
	if err != nil {
		lock.Close()
		return nil, nil, err
	}
	useUpFirst(path)
	return l, func() { lock.Close() }, nil
}

// useUpFirst takes away the instance of a pipe that only holds its name. Nobody
// serves it, and Windows lets nobody in; but Wine does, and its first client
// would wait for ever.
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

func pipe() (path, sid string, err error) {
	u, err := user.Current()
	if err != nil {
		return "", "", err
	}
	return `\\.\pipe\mycoproxy-` + u.Uid, u.Uid, nil
}

// checkPeer has nothing to do: the pipe lets nobody else in.
func checkPeer(net.Conn) error { return nil }
