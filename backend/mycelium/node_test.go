package mycelium

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The fixtures are the answers of two real nodes of version 0.7.10, peered with each other.
func TestAddressIsTheOneTheDaemonUses(t *testing.T) {
	for _, node := range []string{"r1", "r2"} {
		var info struct{ NodeIP, NodeSubnet, NodePubkey string }
		if err := json.Unmarshal(fixture(t, node+"-admin.json"), &info); err != nil {
			t.Fatal(err)
		}
		key, err := parseKey(fixture(t, node+"-pubkey.json"))
		if err != nil || hex.EncodeToString(key[:]) != info.NodePubkey {
			t.Fatalf("%s: key %x, %v", node, key, err)
		}
		if got := Address(key); got.String() != info.NodeIP {
			t.Errorf("%s: derived %v, the daemon says %s", node, got, info.NodeIP)
		}
		if own, err := parseAdmin(fixture(t, node+"-admin.json")); err != nil || own.String() != info.NodeSubnet {
			t.Errorf("%s: own subnet %v, %v", node, own, err)
		}
	}
}

// fakeNode answers with what it is given, and 404 otherwise, as the daemon does.
type fakeNode struct {
	admin, routes string
	keys          map[string]string // by address asked for
	lookups       atomic.Int64
}

func (f *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1/"); {
	case path == "admin":
		fmt.Fprint(w, f.admin)
	case path == "admin/routes/selected":
		fmt.Fprint(w, f.routes)
	case strings.HasPrefix(path, "pubkey/"):
		f.lookups.Add(1)
		if path == "pubkey/406::" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if key, ok := f.keys[strings.TrimPrefix(path, "pubkey/")]; ok {
			fmt.Fprint(w, key)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func startNode(t testing.TB, h http.Handler) *Node {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	n := NewNode(server.URL+"/", slog.New(slog.DiscardHandler))
	t.Cleanup(n.Close)
	return n
}

func TestPeersFromRecordedAnswers(t *testing.T) {
	f := &fakeNode{
		admin:  string(fixture(t, "r1-admin.json")),
		routes: string(fixture(t, "r1-routes.json")),
		keys:   map[string]string{"404:2bb8:22d7:9f9a::": string(fixture(t, "r2-pubkey.json"))},
	}
	n := startNode(t, f)
	want := []netip.Addr{netip.MustParseAddr("404:2bb8:22d7:9f9a:a7eb:ee20:d6b5:2c5")}
	for range 2 {
		got, err := n.Peers(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("peers %v, %v; want %v", got, err, want)
		}
	}
	if got := f.lookups.Load(); got != 1 {
		t.Errorf("the key was looked up %d times, want once", got)
	}
}

// generated makes a node with count routes whose keys derive addresses inside them.
func generated(count int) (*fakeNode, []netip.Addr) {
	f := &fakeNode{admin: `{"nodeSubnet":"400::/64"}`, keys: map[string]string{}}
	var routes []string
	var addrs []netip.Addr
	for i := range count {
		key := [32]byte{byte(i), byte(i >> 8), byte(i >> 16), 7}
		addr := Address(key)
		subnet := netip.PrefixFrom(addr, 64).Masked()
		routes = append(routes, fmt.Sprintf(`{"subnet":%q,"nextHop":"TCP a <-> b","metric":%d,"seqno":0}`, subnet, i%1000))
		f.keys[subnet.Addr().String()] = fmt.Sprintf(`{"publicKey":"%x"}`, key)
		addrs = append(addrs, addr)
	}
	f.routes = "[" + strings.Join(routes, ",") + "]"
	return f, addrs
}

func TestPeersOfTenThousandRoutes(t *testing.T) {
	f, want := generated(10_000)
	got, err := startNode(t, f).Peers(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d peers, %v; want %d", len(got), err, len(want))
	}
}

func BenchmarkPeersOfTenThousandRoutes(b *testing.B) {
	f, _ := generated(10_000)
	server := startNode(b, f)
	for b.Loop() {
		n := NewNode(server.base, server.log)
		if _, err := n.Peers(b.Context()); err != nil {
			b.Fatal(err)
		}
		n.Close()
	}
}

func TestSkippedRoutes(t *testing.T) {
	f, want := generated(1)
	good := strings.Trim(f.routes, "[]")
	own := netip.PrefixFrom(want[0], 64).Masked()
	for name, c := range map[string]struct {
		routes  string
		keep    bool
		problem string // part of the error; empty: none
	}{
		"infinite metric":   {routes: strings.Replace(good, `"metric":0`, `"metric":"infinite"`, 1)},
		"twice":             {routes: good + "," + good, keep: true},
		"host bits set":     {routes: strings.Replace(good, own.String(), own.Addr().Next().String()+"/64", 1), keep: true},
		"junk":              {routes: good + `,{"subnet":"junk","metric":1}`, keep: true, problem: `route to "junk"`},
		"two junks":         {routes: good + `,{"subnet":"","metric":1},{"metric":1}`, keep: true, problem: "and 1 more"},
		"outside":           {routes: good + `,{"subnet":"2001:db8::/64","metric":1}`, keep: true, problem: "2001:db8::/64"},
		"IPv4":              {routes: good + `,{"subnet":"10.0.0.0/8","metric":1}`, keep: true, problem: "10.0.0.0/8"},
		"whole overlay":     {routes: good + `,{"subnet":"400::/7","metric":1}`, keep: true, problem: "400::/7"},
		"own":               {routes: good + `,{"subnet":"400::/64","metric":1}`, keep: true},
		"key not there yet": {routes: good + `,{"subnet":"401::/64","metric":1}`, keep: true},
		"key for another":   {routes: good + `,{"subnet":"402::/64","metric":1}`, keep: true},
		"short key":         {routes: good + `,{"subnet":"403::/64","metric":1}`, keep: true, problem: "64 hexadecimal digits"},
		"key not hex":       {routes: good + `,{"subnet":"404::/64","metric":1}`, keep: true, problem: "64 hexadecimal digits"},
		"key not JSON":      {routes: good + `,{"subnet":"405::/64","metric":1}`, keep: true, problem: "not the JSON"},
		"500 for a key":     {routes: good + `,{"subnet":"406::/64","metric":1}`, keep: true, problem: "route to 406::/64: answered 500"},
		"null":              {routes: good + `,null`, keep: true, problem: "no /64"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeNode{admin: f.admin, routes: "[" + c.routes + "]", keys: map[string]string{
				own.Addr().String(): f.keys[own.Addr().String()],
				"402::":             f.keys[own.Addr().String()],
				"403::":             `{"publicKey":"abcd"}`,
				"404::":             `{"publicKey":"` + strings.Repeat("zz", 32) + `"}`,
				"405::":             `{"publicKey":`,
			}}
			got, err := startNode(t, f).Peers(t.Context())
			if keep := len(got) == 1 && got[0] == want[0]; keep != c.keep || got == nil {
				t.Errorf("peers are %v", got)
			}
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("error is %v, want one with %q", err, c.problem)
			}
		})
	}
}

func TestOwnInterfacesAreSkipped(t *testing.T) {
	// No interface here has an overlay address, so the address is put where known would find it.
	n := NewNode("http://127.0.0.1:1", slog.New(slog.DiscardHandler))
	own, other := netip.MustParsePrefix("400::/64"), netip.MustParsePrefix("401::/64")
	n.addresses[own], n.addresses[other] = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("401::1")
	if got := n.known([]netip.Prefix{own, other}); len(got) != 1 || got[0] != netip.MustParseAddr("401::1") {
		t.Errorf("peers are %v", got)
	}
}

func TestBadNodes(t *testing.T) {
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"500":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "answered 500 Internal Server Error"},
		"redirect":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "answered 302 Found"},
		"HTML":      {text("<html>"), "not the JSON expected"},
		"half":      {text(`{"nodeSubnet":"4`), "not the JSON expected"},
		"array":     {text(`[]`), "not the JSON expected"},
		"no subnet": {text(`{}`), `its own subnet is ""`},
		"reset": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, "not reachable"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, "answer broke off: unexpected EOF"},
		"100 MiB": {func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "answer of more than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, c.handler)
			got, err := n.Peers(t.Context())
			if got != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), n.host) {
				t.Errorf("peers %v, error %v; want one that names the node and has %q", got, err, c.want)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	n := NewNode("http://"+l.Addr().String(), slog.New(slog.DiscardHandler))
	want := fmt.Sprintf("Mycelium node not reachable at %s: connection refused", l.Addr())
	if _, err := n.Peers(t.Context()); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
}

// A node that accepts and says nothing costs five seconds, and the keys known
// before are not lost when it is the look-up that hangs.
func TestNodeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := generated(2)
		known := netip.PrefixFrom(want[0], 64).Masked()
		hang := "admin"
		n := NewNode("http://node", slog.New(slog.DiscardHandler))
		n.http.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			if strings.HasSuffix(r.URL.Path, hang) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			return w.Result(), nil
		})
		const sentence = "Mycelium node not reachable at node: no answer within 5s"
		if got, err := n.Peers(t.Context()); got != nil || err == nil || err.Error() != sentence {
			t.Errorf("peers %v, error %v", got, err)
		}
		n.addresses[known] = want[0]
		hang = netip.PrefixFrom(want[1], 64).Masked().Addr().String()
		if got, err := n.Peers(t.Context()); !slices.Equal(got, want[:1]) || err == nil || err.Error() != sentence {
			t.Errorf("peers %v, error %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.Peers(ctx); err == nil {
			t.Error("no error after cancellation")
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"r1-admin.json", "r1-routes.json", "r1-pubkey.json"} {
		f.Add(fixture(f, name))
	}
	f.Add([]byte(`[{"subnet":"400::/7","metric":"infinite"},null,{"subnet":1}]`))
	f.Add([]byte(`{"publicKey":"00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		parseAdmin(body)
		parseInfo(body)
		if key, err := parseKey(body); err == nil {
			if addr := Address(key); addr.As16()[0]&^1 != 4 {
				t.Fatalf("key %x: %v is outside of the overlay", key, addr)
			}
		}
		routes, _ := parseRoutes(body)
		for _, r := range routes {
			if p, err := r.prefix(); err == nil && (p.Bits() != 64 || p.Addr().As16()[0]&^1 != 4 || p != p.Masked()) {
				t.Fatalf("route %+v gives %v", r, p)
			}
		}
	})
}
