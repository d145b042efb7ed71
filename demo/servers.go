package demo

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/armon/go-socks5"
)

const (
	slowDelay = 60 * time.Millisecond // before the slow proxy reads a greeting
	pageSize  = 64 << 10              // bytes
)

// servers are the peers that the demo finds, and the web server of its page.
type servers struct {
	peers     []peer
	page      string // URL
	listeners []net.Listener
}

// peer is one server with the name that the demo calls it by.
type peer struct {
	name string
	addr netip.AddrPort
}

func startServers() (*servers, error) {
	s := &servers{}
	open := &socks5.Config{}
	locked := &socks5.Config{Credentials: socks5.StaticCredentials{"demo": "demo"}}
	for _, p := range []struct {
		name   string
		config *socks5.Config
		delay  time.Duration
	}{
		{"a fast proxy", open, 0},
		{"a slow proxy", open, slowDelay},
		{"a proxy with a password", locked, 0},
	} {
		l, err := s.listen(p.name)
		if err != nil {
			return s, err
		}
		p.config.Logger = log.New(io.Discard, "", 0) // else it would log the destinations
		server, err := socks5.New(p.config)
		if err != nil {
			return s, err
		}
		go server.Serve(&slowListener{l, p.delay})
	}
	l, err := s.listen("no proxy at all")
	if err != nil {
		return s, err
	}
	go greet(l)

	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.listeners = append(s.listeners, web)
	s.page = fmt.Sprintf("http://%s/", web.Addr())
	go http.Serve(web, http.HandlerFunc(servePage))
	return s, nil
}

// listen opens a port for one of the peers.
func (s *servers) listen(name string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		s.listeners = append(s.listeners, l)
		s.peers = append(s.peers, peer{name, l.Addr().(*net.TCPAddr).AddrPort()})
	}
	return l, err
}

func (s *servers) addresses() (list []netip.AddrPort) {
	for _, p := range s.peers {
		list = append(list, p.addr)
	}
	return list
}

func (s *servers) close() {
	for _, l := range s.listeners {
		l.Close()
	}
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	const head = "<!doctype html><title>Mycoproxy demo</title><h1>It works</h1><p>This page came through the proxy.</p>"
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, head+"<!--"+strings.Repeat(".", pageSize-len(head)-len("<!---->"))+"-->")
}

// greet answers every connection as a mail server would, and closes it.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(c, "220 this is no SOCKS server\r\n")
		c.Close()
	}
}

// slowListener delays the first read of each connection.
type slowListener struct {
	net.Listener
	delay time.Duration
}

func (l *slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{c.(*net.TCPConn), l.delay}, nil
}

type slowConn struct {
	*net.TCPConn
	delay time.Duration
}

func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(c.delay)
	c.delay = 0
	return c.TCPConn.Read(b)
}
