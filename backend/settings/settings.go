package settings

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"mycoproxy/backend"
)

// Settings are what a user can set. Get them from [Load] or [Default]; the zero
// value is not useful.
type Settings struct {
	Node          NodeURL       `toml:"node"`
	Peers         []Peer        `toml:"peers"`
	Probe         bool          `toml:"probe"`
	Listen        Listen        `toml:"listen"`
	Share         backend.Share `toml:"share"`
	Reconnect     bool          `toml:"reconnect"`
	Warm          bool          `toml:"warm"`
	Notifications bool          `toml:"notifications"`
	API           API           `toml:"api"`
}

// Default returns the settings of somebody who has set none.
func Default() Settings {
	return Settings{
		Node:          NodeURL{"http://127.0.0.1:8989"},
		Peers:         []Peer{},
		Probe:         true,
		Listen:        Listen{netip.AddrPortFrom(netip.IPv6Unspecified(), backend.DefaultPort)},
		Reconnect:     true,
		Warm:          true,
		Notifications: true,
	}
}

// EnvPrefix and the name of a setting in capitals make the name of its
// environment variable.
const EnvPrefix = "MYCOPROXY_"

// Load reads the settings from the file, which need not exist, and from the
// environment, which beats the file even with a variable that is empty.
// Its errors name the file, the line and the key, or the variable.
func Load(file string, lookupEnv func(string) (string, bool)) (Settings, error) {
	s := Default()
	if err := s.read(file); err != nil {
		return Settings{}, err
	}
	for _, k := range keys {
		variable := EnvPrefix + strings.ToUpper(k.name)
		if value, set := lookupEnv(variable); set {
			if err := s.Set(k.name, value); err != nil {
				return Settings{}, fmt.Errorf("%s: %w", variable, err)
			}
		}
	}
	return s, nil
}

// Set sets the setting of that name to the value that the text stands for in the
// environment or on the command line. There, commas part several peers.
func (s *Settings) Set(name, text string) error {
	for _, k := range keys {
		if k.name == name {
			return setText(k.field(s), text)
		}
	}
	return fmt.Errorf("there is no setting %q", name)
}

// read sets what the file says, and leaves the rest.
func (s *Settings) read(file string) error {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	return s.parse(file, content)
}

// parse sets what the content of the file says, and leaves the rest.
func (s *Settings) parse(file string, content []byte) error {
	// The library takes a value of another kind than text for a type that reads
	// text, and sets the fields of such a type itself, so the kinds are checked first.
	var kinds struct {
		Node, Listen, Share, API              string
		Peers                                 []string
		Probe, Reconnect, Warm, Notifications bool
	}
	err := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields().Decode(&kinds)
	if err == nil {
		err = toml.Unmarshal(content, s)
	}
	var unknown *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("%s:%d: there is no setting %q (mycoproxy config example lists them all)", file, line, strings.Join(first.Key(), "."))
	case errors.As(err, &bad):
		line, _ := bad.Position()
		message := strings.TrimPrefix(bad.Error(), "toml: ")
		if key := strings.Join(bad.Key(), "."); key != "" {
			message = key + ": " + message
		}
		return fmt.Errorf("%s:%d: %s", file, line, message)
	case err != nil:
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// setText sets a field of Settings from a text, as the environment has it.
func setText(field any, text string) error {
	switch f := field.(type) {
	case encoding.TextUnmarshaler:
		return f.UnmarshalText([]byte(text))
	case *bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%.40q is neither true nor false", text)
		}
		*f = v
		return nil
	case *[]Peer:
		list := []Peer{}
		if text == "" {
			*f = list
			return nil
		}
		for part := range strings.SplitSeq(text, ",") {
			var p Peer
			if err := p.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
				return err
			}
			list = append(list, p)
		}
		*f = list
		return nil
	default:
		return fmt.Errorf("a setting of type %T cannot be read from text", field)
	}
}

// NodeURL is the base URL of the Mycelium node's API; empty: there is no node.
type NodeURL struct{ url string }

// String is the URL without a slash at its end.
func (n NodeURL) String() string { return n.url }

func (n *NodeURL) UnmarshalText(text []byte) error {
	s := string(text)
	if s != "" {
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%.60q is not a URL such as http://127.0.0.1:8989", s)
		}
	}
	n.url = strings.TrimRight(s, "/")
	return nil
}

// Peer is the address of a peer to scan. Its text is what
// [backend.ParseAddress] accepts.
type Peer struct{ netip.AddrPort }

func (p *Peer) UnmarshalText(text []byte) (err error) {
	p.AddrPort, err = backend.ParseAddress(string(text))
	return err
}

// Listen is the address that the listener binds.
type Listen struct{ netip.AddrPort }

func (l *Listen) UnmarshalText(text []byte) error {
	a, err := netip.ParseAddrPort(string(text))
	if err != nil || a.Addr().Zone() != "" {
		return fmt.Errorf("%.60q is not an address to listen on, such as [::]:1080 or 127.0.0.1:1080", text)
	}
	l.AddrPort = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	return nil
}

// API is the loopback address of the API for tools that cannot use the control
// socket; zero: there is none.
type API struct{ netip.AddrPort }

func (a *API) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = API{}
		return nil
	}
	addr, err := netip.ParseAddrPort(string(text))
	if err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("%.60q is not a loopback address with a port, such as 127.0.0.1:8995", text)
	}
	a.AddrPort = addr
	return nil
}
