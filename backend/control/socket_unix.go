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
)

const (
	socketName = "control.sock"
	maxPath    = 103 // bytes of a socket's path, on the system that allows the fewest
)

// Listen makes the control socket in folder, which it makes too. If another
// service has it, the error is [ErrAlreadyRunning]; a socket that was left by one
// that died is replaced. No other service can have the socket before release is
// called, even if the listener is closed.
func Listen(folder string) (l net.Listener, release func(), err error) {
	path := filepath.Join(folder, socketName)
	if len(path) > maxPath {
		return nil, nil, fmt.Errorf("the path of the control socket is longer than %d bytes: %s", maxPath, path)
	}
	release, err = lock(folder)
	if err != nil {
		return nil, nil, err
	}
	l, err = listenAt(path)
	if err != nil {
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// listenAt replaces what is at path, and lets nobody but the user reach it.
func listenAt(path string) (net.Listener, error) {
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil { // it may have been made by others
		return nil, err
	}
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

// checkPeer returns an error unless the other end is this user, or root, whom
// nothing keeps out.
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
