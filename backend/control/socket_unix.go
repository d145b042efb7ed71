//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tailscale/peercred"
	"golang.org/x/sys/unix"
)

const (
	socketName = "control.sock"
	lockName   = "control.lock"
	maxPath    = 103 // bytes of a socket's path, of the system with the shortest
)

// Listen makes the control socket in folder, which it makes too. Another
// service that has it gives [ErrAlreadyRunning]; a socket that a dead one left
// is replaced. No other service can have it before release is called, even if
// the listener is closed.
func Listen(folder string) (l net.Listener, release func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(folder, socketName)
	if len(path) > maxPath {
		return nil, nil, fmt.Errorf("the path of the control socket is longer than %d bytes: %s", maxPath, path)
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrAlreadyRunning
	}
	if err == nil {
		l, err = listenAt(path)
	}
	if err != nil {
		lock.Close()
		return nil, nil, err
	}
	return l, func() { lock.Close() }, nil
}

func listenAt(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func dial(ctx context.Context, folder string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(folder, socketName))
}

// checkPeer returns an error unless the other end is this user, or root, who
// could get in anyhow.
func checkPeer(c net.Conn) error {
	creds, err := peercred.Get(c)
	if err != nil {
		return err
	}
	uid, ok := creds.UserID()
	if !ok || uid != strconv.Itoa(os.Getuid()) && uid != "0" {
		return fmt.Errorf("its user is %q", uid)
	}
	return nil
}
