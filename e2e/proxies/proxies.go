// Package proxies are small SOCKS5 servers for the tests of the tray, which needs
// to see how fast they are, not what goes through them.
package proxies

import (
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/armon/go-socks5"
)

// Server is one of them.
type Server struct {
	net.Listener
	Port int
}

// Open and Locked are servers without and with a password.
var (
	Open   = socks5.Config{}
	Locked = socks5.Config{Credentials: socks5.StaticCredentials{"user": "password"}}
)

// Start starts a server at the address until the test ends. Each thing that it says
// comes late by the delay.
func Start(t testing.TB, listen func(network, address string) (net.Listener, error), address string, config socks5.Config, delay time.Duration) *Server {
	t.Helper()
	config.Logger = log.New(io.Discard, "", 0)
	socks, err := socks5.New(&config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go socks.Serve(late{l, delay})
	return &Server{l, l.Addr().(*net.TCPAddr).Port}
}

// Some are three open servers on loopback, the fastest first, and one that needs
// a password.
func Some(t testing.TB) (fast, middle, slow, secret *Server) {
	t.Helper()
	const any = "127.0.0.1:0"
	return Start(t, net.Listen, any, Open, 0), Start(t, net.Listen, any, Open, 40*time.Millisecond),
		Start(t, net.Listen, any, Open, 80*time.Millisecond), Start(t, net.Listen, any, Locked, 0)
}

// Addresses are those of the servers, as the setting peers wants them.
func Addresses(servers ...*Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.Addr().String())
	}
	return strings.Join(all, ",")
}

// late is a listener whose connections are slow to answer.
type late struct {
	net.Listener
	delay time.Duration
}

func (l late) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return lateConn{c, l.delay}, err
}

type lateConn struct {
	net.Conn
	delay time.Duration
}

func (c lateConn) Write(p []byte) (int, error) {
	time.Sleep(c.delay)
	return c.Conn.Write(p)
}
