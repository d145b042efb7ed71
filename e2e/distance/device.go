//go:build linux

package distance

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open makes a TUN device of that name in the network namespace of the calling
// thread. The device exists until the file is closed.
func Open(name string) (*os.File, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make device %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil // the runtime can wait for the descriptor only now that it has a device
}
