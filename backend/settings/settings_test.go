package settings

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mycoproxy/backend"
)

// env is an environment to look things up in.
type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

func noEnv(string) (string, bool) { return "", false }

func write(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaults(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	s, err := Load(missing, noEnv)
	if err != nil || !reflect.DeepEqual(s, Default()) {
		t.Errorf("without a file: %+v, %v", s, err)
	}
	if s.Listen.String() != "[::]:1080" || s.Share != backend.ShareOff || !s.Probe || s.API.IsValid() {
		t.Errorf("defaults are %+v", s)
	}
}

// The example must say what is true: with every # removed it is a file that
// changes nothing, and it has every setting.
func TestExampleIsTheDefaults(t *testing.T) {
	var b strings.Builder
	set := 0
	for line := range strings.Lines(Example()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
			set++
		}
		b.WriteString(line)
	}
	s, err := Load(write(t, b.String()), noEnv)
	if err != nil || !reflect.DeepEqual(s, Default()) {
		t.Errorf("the example sets %+v, %v", s, err)
	}
	if fields := reflect.TypeFor[Settings]().NumField(); set != fields {
		t.Errorf("the example has %d settings of %d", set, fields)
	}
	if s, err := Load(write(t, Example()), noEnv); err != nil || !reflect.DeepEqual(s, Default()) {
		t.Errorf("the example as it is sets %+v, %v", s, err)
	}
}

func TestFileAndEnvironment(t *testing.T) {
	file := write(t, `
node = ""
peers = ["407::1", "127.0.0.1:9050"]
probe = false
listen = "127.0.0.1:1081"
share = "lan"
reconnect = false
warm = false
notifications = false
api = "127.0.0.1:8995"
`)
	want := Settings{
		Peers:  []Peer{{netip.MustParseAddrPort("[407::1]:1080")}, {netip.MustParseAddrPort("127.0.0.1:9050")}},
		Listen: Listen{netip.MustParseAddrPort("127.0.0.1:1081")},
		Share:  backend.ShareLAN,
		API:    API{netip.MustParseAddrPort("127.0.0.1:8995")},
	}
	if s, err := Load(file, noEnv); err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("the file sets %+v, %v", s, err)
	}
	all := env{
		"MYCOPROXY_NODE":          "http://[::1]:8989/",
		"MYCOPROXY_PEERS":         "407::2, 407::3",
		"MYCOPROXY_PROBE":         "true",
		"MYCOPROXY_LISTEN":        "[::1]:1082",
		"MYCOPROXY_SHARE":         "all",
		"MYCOPROXY_RECONNECT":     "1",
		"MYCOPROXY_WARM":          "true",
		"MYCOPROXY_NOTIFICATIONS": "true",
		"MYCOPROXY_API":           "[::1]:8996",
	}
	want = Settings{
		Node:      NodeURL{"http://[::1]:8989"},
		Peers:     []Peer{{netip.MustParseAddrPort("[407::2]:1080")}, {netip.MustParseAddrPort("[407::3]:1080")}},
		Probe:     true,
		Listen:    Listen{netip.MustParseAddrPort("[::1]:1082")},
		Share:     backend.ShareAll,
		Reconnect: true, Warm: true, Notifications: true,
		API: API{netip.MustParseAddrPort("[::1]:8996")},
	}
	if s, err := Load(file, all.lookup); err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("the environment sets %+v, %v", s, err)
	}
	// What may be empty can be emptied.
	none := env{"MYCOPROXY_NODE": "", "MYCOPROXY_PEERS": "", "MYCOPROXY_API": ""}
	if s, err := Load(file, none.lookup); err != nil || s.Node != (NodeURL{}) || len(s.Peers) != 0 || s.API.IsValid() {
		t.Errorf("the empty environment sets %+v, %v", s, err)
	}
}

func TestBadSettingsNameTheirPlace(t *testing.T) {
	for content, want := range map[string]string{
		"probe = true\nport = 1080\n":                  `:2: there is no setting "port"`,
		"[proxy]\nshare = \"off\"\n":                   `:1: there is no setting "proxy"`,
		"\n\nshare = \"everyone\"\n":                   `:3: share: "everyone" is none of: off, lan, all`,
		"probe = \"yes\"\n":                            ":1: probe: ",
		"listen = \"1080\"\n":                          `:1: listen: "1080" is not an address to listen on`,
		"listen = 1080\n":                              ":1: listen: ",
		"node = \"127.0.0.1:8989\"\n":                  `:1: node: "127.0.0.1:8989" is not a URL`,
		"peers = [\"407::1\", \"example.org\"]\n":      `:1: peers: "example.org" is not the address of a proxy`,
		"share = 2\n":                                  ":1: share: ",
		"node = {url = \"http://x\"}\n":                ":1: node",
		"peers = \"407::1\"\n":                         ":1: peers: ",
		"api = \"0.0.0.0:8995\"\n":                     `:1: api: "0.0.0.0:8995" is not a loopback address`,
		"probe = true\nprobe = false\n":                ":2: ",
		"probe\n":                                      ":1: ",
		"share = \"off\"\nlisten = \"[::]:1080\nx=1\n": ":2: ",
	} {
		file := write(t, content)
		_, err := Load(file, noEnv)
		if err == nil || !strings.HasPrefix(err.Error(), file+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q gives %v, want %s%s", content, err, file, want)
		}
	}
	for variable, value := range map[string]string{
		"MYCOPROXY_PROBE": "perhaps", "MYCOPROXY_SHARE": "x", "MYCOPROXY_PEERS": "407::1,", "MYCOPROXY_LISTEN": "[fe80::1%eth0]:1", "MYCOPROXY_WARM": "",
	} {
		_, err := Load("none", env{variable: value}.lookup)
		if err == nil || !strings.HasPrefix(err.Error(), variable+": ") {
			t.Errorf("%s=%s gives %v", variable, value, err)
		}
	}
	if _, err := Load(t.TempDir(), noEnv); err == nil {
		t.Error("a folder in place of the file is no error")
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte("peers = [\"407::1\"]\nshare = \"lan\"\n"))
	f.Add([]byte("[a]\nb = 1"))
	f.Add([]byte("listen = {a = 1}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := write(t, string(content))
		s, err := Load(file, noEnv)
		if err != nil {
			if !strings.HasPrefix(err.Error(), file) {
				t.Fatalf("error %v does not name the file", err)
			}
			return
		}
		if !s.Listen.IsValid() || s.API.IsValid() && !s.API.Addr().IsLoopback() {
			t.Fatalf("accepted %+v", s)
		}
	})
}

func TestLastCommand(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	if c, err := LoadLastCommand(folder); err != nil || c != (backend.LastCommand{}) {
		t.Errorf("before anything was saved: %+v, %v", c, err)
	}
	for _, want := range []backend.LastCommand{{Connected: true}, {Connected: true, Remote: netip.MustParseAddrPort("[407::1]:1080")}, {}} {
		if err := SaveLastCommand(folder, want); err != nil {
			t.Fatal(err)
		}
		if c, err := LoadLastCommand(folder); err != nil || c != want {
			t.Errorf("%+v comes back as %+v, %v", want, c, err)
		}
	}
	entries, _ := os.ReadDir(folder)
	if len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
	file := filepath.Join(folder, lastCommandFile)
	os.WriteFile(file, []byte("{"), 0o600)
	if c, err := LoadLastCommand(folder); err == nil || c != (backend.LastCommand{}) || !strings.Contains(err.Error(), file) {
		t.Errorf("from junk comes %+v, %v", c, err)
	}
}

// What cannot be saved whole leaves what was there, and nothing beside it.
func TestLastCommandThatCannotBeSaved(t *testing.T) {
	folder := t.TempDir()
	if err := SaveLastCommand(folder, backend.LastCommand{Connected: true}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, lastCommandFile)
	if err := SaveLastCommand(file, backend.LastCommand{}); err == nil { // a file is where the folder should be
		t.Error("saved where nothing can be")
	}
	if c, err := LoadLastCommand(folder); err != nil || !c.Connected {
		t.Errorf("what was there became %+v, %v", c, err)
	}
}
