//go:build linux

package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mycoproxy/bench"
)

const (
	rustFolder  = "bench/rust"
	rustProgram = rustFolder + "/target/release/rust-forwarder"
)

// forwarder is what a client connects to.
type forwarder struct {
	name string
	port int
	pid  int // 0: there is no process, the port is the server's
}

// startAll starts the server and the forwarders. Those to compare with that
// cannot be had are left out.
func (c *comparison) startAll() error {
	server, err := c.startServer()
	if err != nil {
		return err
	}
	c.server = loopback(server.port)
	c.forwarders = []forwarder{{name: bench.Direct, port: server.port}}
	for _, peer := range []struct {
		name  string
		start func(name string, port int) (forwarder, error)
	}{
		{bench.Tokio, c.startRust},
		{bench.Realm, c.startRust},
		{bench.HAProxy, c.startHAProxy},
		{bench.Nginx, c.startNginx},
		{bench.IOCopy, c.startBare},
		{bench.Plain, c.startBare},
	} {
		port, err := freePort()
		if err != nil {
			return err
		}
		f, err := peer.start(peer.name, port)
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case err != nil:
			log.Printf("%s is left out: %v", peer.name, err)
		default:
			c.forwarders = append(c.forwarders, f)
		}
	}
	ours, err := c.startOurs(c.ctx, bench.Ours)
	c.forwarders = append(c.forwarders, ours)
	return err
}

func (c *comparison) startServer() (forwarder, error) {
	port, err := freePort()
	if err != nil {
		return forwarder{}, err
	}
	return c.start("server", port, command(c.ctx, c.self, "serve", loopback(port)))
}

func (c *comparison) startBare(name string, port int) (forwarder, error) {
	return c.start(name, port, command(c.ctx, c.self, "forward", name, listenOn(port), c.server))
}

func (c *comparison) startRust(name string, port int) (forwarder, error) {
	cargo := command(c.ctx, "cargo", "build", "--quiet", "--release", "--manifest-path", rustFolder+"/Cargo.toml",
		"--target-dir", rustFolder+"/target")
	cargo.Stderr = os.Stderr
	if err := cargo.Run(); err != nil {
		return forwarder{}, fmt.Errorf("building %s: %w", rustFolder, err)
	}
	return c.start(name, port, command(c.ctx, rustProgram, name, listenOn(port), c.server))
}

const haproxySettings = `
global
  maxconn %d
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen f
  bind :::%d v4v6
  option splice-auto
  server s %s
`

func (c *comparison) startHAProxy(name string, port int) (forwarder, error) {
	file, err := c.write("haproxy.cfg", fmt.Sprintf(haproxySettings, c.connections(), port, c.server))
	if err != nil {
		return forwarder{}, err
	}
	return c.start(name, port, command(c.ctx, "haproxy", "-f", file, "-db"))
}

// The module's path is relative to where Debian's nginx looks for it.
const nginxSettings = `
load_module modules/ngx_stream_module.so;
daemon off;
pid %s;
error_log stderr;
worker_processes auto;
events {
  worker_connections %d;
}
stream {
  server {
    listen [::]:%d ipv6only=off;
    proxy_pass %s;
    proxy_timeout 1h;
  }
}
`

func (c *comparison) startNginx(name string, port int) (forwarder, error) {
	pidFile := filepath.Join(c.folder, "nginx.pid")
	file, err := c.write("nginx.conf", fmt.Sprintf(nginxSettings, pidFile, 2*c.connections(), port, c.server))
	if err != nil {
		return forwarder{}, err
	}
	if complaint, err := command(c.ctx, "nginx", "-t", "-q", "-c", file).CombinedOutput(); err != nil {
		return forwarder{}, fmt.Errorf("its stream module is needed: %w\n%s", err, complaint)
	}
	return c.start(name, port, command(c.ctx, "nginx", "-c", file))
}

// startOurs starts the program, by way of another if one is given, with a home
// of its own.
func (c *comparison) startOurs(ctx context.Context, name string, by ...string) (forwarder, error) {
	home := filepath.Join(c.folder, name)
	if err := os.MkdirAll(filepath.Join(home, "run"), 0o700); err != nil {
		return forwarder{}, err
	}
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MYCOPROXY_") })
	environment = append(environment, "HOME="+home, "XDG_RUNTIME_DIR="+filepath.Join(home, "run"))
	for _, kind := range []string{"CONFIG", "STATE", "CACHE", "DATA"} {
		environment = append(environment, "XDG_"+kind+"_HOME="+filepath.Join(home, strings.ToLower(kind)))
	}
	port, err := freePort()
	if err != nil {
		return forwarder{}, err
	}
	words := append(slices.Clone(by), c.binary, "serve", "--listen", listenOn(port), "--node", "")
	serve := command(ctx, words[0], words[1:]...)
	serve.Env = environment
	pid, err := c.launch(name, serve)
	if err != nil {
		return forwarder{}, err
	}
	connected := retry(ctx, func() error {
		connect := command(ctx, c.binary, "connect", c.server)
		connect.Env = environment
		return connect.Run()
	})
	if connected != nil {
		return forwarder{}, fmt.Errorf("%s would not connect: %w%s", name, connected, c.complaints(name))
	}
	return forwarder{name, port, pid}, c.wait(name, port)
}

// connections is for how many a forwarder is to have room.
func (c *comparison) connections() int { return max(4000, c.idle+1000) }

// write writes settings for a forwarder.
func (c *comparison) write(name, text string) (file string, err error) {
	file = filepath.Join(c.folder, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}
