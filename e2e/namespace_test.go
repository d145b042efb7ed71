//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace: a machine of its own, as far as the network goes.
type namespace struct {
	lab     *lab
	name    string
	overlay string      // its address there; empty: none yet
	calls   chan func() // run on a thread that is inside
}

func newNamespace(lab *lab, name string) (*namespace, error) {
	n := &namespace{lab: lab, name: fmt.Sprintf("mpe%d-%s", os.Getpid(), name), calls: make(chan func())}
	if err := run("ip", "netns", "add", n.name); err != nil {
		return nil, err
	}
	entered := make(chan error)
	go n.inside(entered)
	if err := <-entered; err != nil {
		return nil, err
	}
	// The network does not change under a browser, which would give its requests up: no
	// link-local address becomes valid late, and no router is heard of.
	for _, key := range []string{"all/accept_dad", "default/accept_dad", "default/accept_ra"} {
		var err error
		n.do(func() { err = os.WriteFile("/proc/sys/net/ipv6/conf/"+key, []byte("0"), 0) }) // of the thread's namespace
		if err != nil {
			return nil, err
		}
	}
	return n, n.ip("link", "set", "lo", "up")
}

// inside runs calls on a thread that has entered the namespace. Sockets opened
// there belong to it, whoever uses them then.
func (n *namespace) inside(entered chan<- error) {
	runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
	f, err := os.Open("/run/netns/" + n.name)
	if err == nil {
		err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		f.Close()
	}
	entered <- err
	for call := range n.calls {
		call()
	}
}

func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.calls <- func() { defer close(done); f() }
	<-done
}

func (n *namespace) ip(args ...string) error {
	return run("ip", append([]string{"-n", n.name}, args...)...)
}

func (n *namespace) command(command ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name}, command...)...)
}

// join puts the namespace on a bridge of the switch.
func (n *namespace) join(device, bridge string, addrs ...string) error {
	port := fmt.Sprintf("p%d", n.lab.ports.Add(1))
	if err := n.ip("link", "add", device, "type", "veth", "peer", "name", port, "netns", n.lab.hub.name); err != nil {
		return err
	}
	if err := n.lab.hub.ip("link", "set", port, "master", bridge, "up"); err != nil {
		return err
	}
	if err := n.ip("link", "set", device, "up"); err != nil {
		return err
	}
	for _, a := range addrs {
		if err := n.address(device, a); err != nil {
			return err
		}
	}
	return nil
}

// joinOverlay puts the namespace on the overlay, with this address.
func (n *namespace) joinOverlay(addr string) error {
	n.overlay = addr
	if err := n.join("mycelium", overlay, addr+"/64"); err != nil {
		return err
	}
	return n.ip("-6", "route", "add", "400::/7", "dev", "mycelium")
}

// address gives a device an address that a server can bind at once. The system does
// not look whether another machine has it (duplicate address detection); without
// nodad it would still mark the address for a moment as one that it has to look for.
func (n *namespace) address(device, addr string) error {
	args := []string{"addr", "add", addr, "dev", device}
	if strings.Contains(addr, ":") {
		args = append(args, "nodad")
	}
	return n.ip(args...)
}

// etc gives commands in the namespace a file of their own in place of /etc/name.
func (n *namespace) etc(name, content string) error {
	folder := "/etc/netns/" + n.name
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	// Servers read it after they have dropped their rights.
	return os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644)
}

func (n *namespace) listen(address string) (l net.Listener, err error) {
	n.do(func() { l, err = net.Listen("tcp", address) })
	return l, err
}

func (n *namespace) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	n.do(func() { c, err = new(net.Dialer).DialContext(ctx, network, address) })
	return c, err
}

func (n *namespace) remove() {
	close(n.calls)
	run("ip", "netns", "del", n.name)
	os.RemoveAll("/etc/netns/" + n.name)
}
