//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startServer has a peer serve at addr, port 1080.
type startServer = func(b *lab, n *namespace, addr string) error

// dante serves with these methods, and lets clients in or blocks them.
func dante(methods, clients string) startServer {
	return func(lab *lab, n *namespace, addr string) error {
		conf := filepath.Join(lab.folder, n.name+".dante")
		content := fmt.Sprintf(`logoutput: stderr
internal.protocol: ipv6
internal: %s port = 1080
external.protocol: ipv4
external: lan
user.privileged: root
user.unprivileged: nobody
clientmethod: none
socksmethod: %s
client %s { from: ::/0 to: ::/0 log: error }
socks pass { from: ::/0 to: ::/0 log: error }
socks pass { from: 0/0 to: 0/0 log: error }
`, addr, methods, clients)
		if err := os.WriteFile(conf, []byte(content), 0o600); err != nil {
			return err
		}
		return lab.keep(n.start("danted", nil, "danted", "-f", conf, "-p", conf+".pid"))
	}
}

// danteWithPassword demands a password: that of sockuser is sockpass.
func danteWithPassword(lab *lab, n *namespace, addr string) error {
	for file, line := range map[string]func() (string, error){
		"passwd": func() (string, error) { return "sockuser:x:4242:65534::/nonexistent:/usr/sbin/nologin\n", nil },
		"shadow": func() (string, error) {
			hash, err := exec.Command("openssl", "passwd", "-6", "sockpass").Output()
			return "sockuser:" + strings.TrimSpace(string(hash)) + ":19000:0:99999:7:::\n", err
		},
	} {
		old, err := os.ReadFile("/etc/" + file)
		if err != nil {
			return err
		}
		own, err := line()
		if err != nil {
			return err
		}
		if err := n.etc(file, string(old)+own); err != nil {
			return err
		}
	}
	if err := os.Chmod("/etc/netns/"+n.name+"/shadow", 0o600); err != nil {
		return err
	}
	return dante("username", "pass")(lab, n, addr)
}

func microsocks(args ...string) startServer {
	return func(lab *lab, n *namespace, addr string) error {
		return lab.keep(n.start("microsocks", nil, append([]string{"microsocks", "-i", addr, "-p", "1080"}, args...)...))
	}
}

// sshd starts an SSH server that lets root in with a key, and returns the key's file.
func sshd(lab *lab, n *namespace, address string, port int) (key string, err error) {
	prefix := filepath.Join(lab.folder, n.name)
	for _, file := range []string{prefix + ".hostkey", prefix + ".key"} {
		if err := run("ssh-keygen", "-qt", "ed25519", "-N", "", "-f", file); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		return "", err
	}
	return prefix + ".key", lab.keep(n.start("sshd", nil, "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", prefix+".hostkey",
		"-o", "AuthorizedKeysFile="+prefix+".key.pub", "-o", "StrictModes=no", "-o", "PermitRootLogin=yes", "-o", "UsePAM=no",
		"-o", "PidFile=none", "-o", "ListenAddress="+address, "-p", fmt.Sprint(port)))
}

func sshServer(lab *lab, n *namespace, addr string) error {
	_, err := sshd(lab, n, "["+addr+"]", 1080)
	return err
}

func sshDynamic(lab *lab, n *namespace, addr string) error {
	key, err := sshd(lab, n, "127.0.0.1", 22)
	if err != nil {
		return err
	}
	if err := waitFor(n, "127.0.0.1:22"); err != nil {
		return err
	}
	return lab.keep(n.start("ssh", nil, "ssh", "-N", "-F", "/dev/null", "-i", key, "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes", "-D", "["+addr+"]:1080", "root@127.0.0.1"))
}

func nginx(lab *lab, n *namespace, addr string) error {
	folder := filepath.Join(lab.folder, n.name+".nginx")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	conf := filepath.Join(folder, "conf")
	content := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; worker_processes 1; user root;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen [%[2]s]:1080; location / { return 200 "ok"; } } }
`, folder, addr)
	if err := os.WriteFile(conf, []byte(content), 0o600); err != nil {
		return err
	}
	return lab.keep(n.start("nginx", nil, "nginx", "-c", conf))
}

func redis(lab *lab, n *namespace, addr string) error {
	return lab.keep(n.start("redis", nil, "redis-server", "--bind", addr, "--port", "1080", "--save", "", "--protected-mode", "no", "--dir", lab.folder))
}

func nothing(*lab, *namespace, string) error { return nil }

func dropping(lab *lab, n *namespace, _ string) error {
	return filter(n, "tcp dport 1080 drop")
}

// filter has the rules of nft decide on all that comes in, in place of the rules
// before.
func filter(n *namespace, rules ...string) error {
	c := n.command("nft", "-f", "-")
	c.Stdin = strings.NewReader("table inet f; delete table inet f; table inet f { chain i { type filter hook input priority 0; " + strings.Join(rules, " ; ") + " ; } ; }\n")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// misbehaving serves each connection with handle, in this process.
func misbehaving(handle func(net.Conn)) startServer {
	return func(_ *lab, n *namespace, addr string) error {
		_, err := serveAt(n, netip.AddrPortFrom(netip.MustParseAddr(addr), 1080).String(), handle)
		return err
	}
}

// serveAt serves until stop is called.
func serveAt(n *namespace, address string, handle func(net.Conn)) (stop func(), err error) {
	return acceptAt(n, address, func(c net.Conn) {
		go func() {
			defer c.Close()
			handle(c)
		}()
	})
}

// acceptAt accepts until stop is called; the next connection when take has
// returned.
func acceptAt(n *namespace, address string, take func(net.Conn)) (stop func(), err error) {
	l, err := n.listen(address)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			take(c)
		}
	}()
	return func() { l.Close() }, nil
}

// slow reads the greeting and, after a while, answers as an open proxy.
func slow(wait time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		io.ReadFull(c, make([]byte, 3))
		time.Sleep(wait)
		c.Write([]byte{5, 0})
		io.Copy(io.Discard, c)
	}
}

// echo sends back what it gets. It hides that both ends are TCP connections, for
// which io.Copy would open a pipe each.
func echo(c net.Conn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }

func split(c net.Conn) {
	io.ReadFull(c, make([]byte, 3))
	c.Write([]byte{5})
	time.Sleep(700 * time.Millisecond)
	c.Write([]byte{0})
	io.Copy(io.Discard, c)
}

func socks4(c net.Conn) {
	io.ReadFull(c, make([]byte, 3))
	c.Write([]byte{0, 0x5b, 0, 0, 0, 0, 0, 0})
}

func reset(c net.Conn) {
	io.ReadFull(c, make([]byte, 3))
	c.(*net.TCPConn).SetLinger(0)
}

// notAccepting listens and never accepts. With a backlog of 0 its queue is
// filled, so that the system answers no more connections.
func notAccepting(backlog int) startServer {
	return func(_ *lab, n *namespace, addr string) (err error) {
		n.do(func() {
			at := &unix.SockaddrInet6{Port: 1080, Addr: netip.MustParseAddr(addr).As16()}
			var fd int
			if fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
				return
			}
			if err = unix.Bind(fd, at); err != nil {
				return
			}
			if err = unix.Listen(fd, backlog); err != nil || backlog > 0 {
				return
			}
			for range 4 {
				var c int
				if c, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
					return
				}
				if err = unix.Connect(c, at); err == unix.EINPROGRESS {
					err = nil
				}
			}
		})
		return err
	}
}

// waitFor waits until something accepts at the address, port 1080 if it has none.
func waitFor(n *namespace, address string) (err error) {
	if _, ipErr := netip.ParseAddr(address); ipErr == nil {
		address = net.JoinHostPort(address, "1080")
	}
	poll(50*time.Millisecond, 10*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var c net.Conn
		if c, err = n.dial(ctx, "tcp", address); err == nil {
			c.Close()
		}
		return err == nil
	})
	return err
}
