package settings

import (
	"fmt"
	"strings"
)

// key describes one setting.
type key struct {
	name     string
	standard string   // its default, as config.toml would have it
	doc      []string // lines for people
	field    func(*Settings) any
}

// keys are all settings, in the order in which to show them.
var keys = []key{
	{"node", `"http://127.0.0.1:8989"`, []string{
		"The HTTP API of your Mycelium node, which knows the routes.",
		`Empty ("") if there is no node: then only the peers below are scanned.`,
	}, func(s *Settings) any { return &s.Node }},
	{"peers", `[]`, []string{
		"Addresses to scan besides the node's routes, with or without a port (1080),",
		`such as ["407:8458:dbf5:4ed7::1", "127.0.0.1:9050"].`,
	}, func(s *Settings) any { return &s.Peers }},
	{"probe", `true`, []string{
		"Whether the service looks for proxies as soon as it starts, and then every minute.",
	}, func(s *Settings) any { return &s.Probe }},
	{"listen", `"[::]:1080"`, []string{
		"Where your applications connect to. [::] is every interface, IPv6 and IPv4;",
		"who is served there is up to share.",
	}, func(s *Settings) any { return &s.Listen }},
	{"share", `"off"`, []string{
		`"off": this machine only. "lan": private and link-local networks too, but not the overlay.`,
		`"all": everyone who can reach the port. They all browse through you, as you.`,
	}, func(s *Settings) any { return &s.Share }},
	{"reconnect", `true`, []string{
		"Whether a service that was connected when it ended connects again when it starts.",
	}, func(s *Settings) any { return &s.Reconnect }},
	{"warm", `true`, []string{
		"Whether to keep a few spare connections to the remote while it is in use, so that",
		"new ones need not wait for a round trip or two.",
	}, func(s *Settings) any { return &s.Warm }},
	{"notifications", `true`, []string{
		"Whether the tray shows notifications.",
	}, func(s *Settings) any { return &s.Notifications }},
	{"api", `""`, []string{
		"A loopback address, such as \"127.0.0.1:8995\", on which to offer the control API to",
		"tools that cannot use the control socket. Every program on this machine can use it then.",
	}, func(s *Settings) any { return &s.API }},
}

// Example returns a config.toml that explains every setting and sets none.
func Example() string {
	var b strings.Builder
	b.WriteString("# Settings of Mycoproxy. Each line that begins with #name shows the default;\n" +
		"# remove the # to change it. Environment variables (" + EnvPrefix + "LISTEN and so on) and\n" +
		"# flags beat this file. A running service reads it when it starts.\n")
	for _, k := range keys {
		b.WriteString("\n")
		for _, line := range k.doc {
			b.WriteString("# " + line + "\n")
		}
		fmt.Fprintf(&b, "#%s = %s\n", k.name, k.standard)
	}
	return b.String()
}
