package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mycoproxy/backend"
)

func TestMain(m *testing.M) {
	// On Windows one goroutine of this library waits for all pipes, and never ends.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/Microsoft/go-winio.ioCompletionProcessor"))
}

var (
	remote  = netip.MustParseAddrPort("[407::1]:1080")
	discard = slog.New(slog.DiscardHandler)
)

// fake does what its fields say.
type fake struct {
	state  backend.State
	err    error
	calls  []string
	states chan backend.State
}

func (f *fake) call(what string) error {
	f.calls = append(f.calls, what)
	return f.err
}
func (f *fake) State(context.Context) (backend.State, error)   { return f.state, f.err }
func (f *fake) Peers(context.Context) ([]backend.Proxy, error) { return f.state.Proxies, f.err }
func (f *fake) Disconnect(context.Context) error               { return f.call("disconnect") }
func (f *fake) StartProbe(context.Context) error               { return f.call("start") }
func (f *fake) StopProbe(context.Context) error                { return f.call("stop") }
func (f *fake) SetShare(_ context.Context, s backend.Share) error {
	return f.call("share " + s.String())
}
func (f *fake) ProbeNow(context.Context) error { return f.call("now") }
func (f *fake) Connect(_ context.Context, r netip.AddrPort) (netip.AddrPort, error) {
	err := f.call("connect " + r.String())
	if !r.IsValid() {
		r = remote
	}
	return r, err
}
func (f *fake) Watch(ctx context.Context, fn func(backend.State)) error {
	for {
		select {
		case s := <-f.states:
			fn(s)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var example = backend.State{
	Version: "1", Phase: backend.Connected,
	Remote: &backend.Remote{Address: remote, Mode: backend.Explicit, Since: time.Unix(1e9, 0).UTC(), Answering: true},
	Proxies: []backend.Proxy{
		{Address: remote, Verdict: backend.Valid, RTT: backend.Milliseconds(42 * time.Millisecond)},
		{Address: netip.MustParseAddrPort("[407::1]:1081"), Verdict: backend.Valid},
		{Address: netip.MustParseAddrPort("127.0.0.1:9050"), Verdict: backend.Valid},
		{Address: netip.MustParseAddrPort("[407::2]:1080"), Verdict: backend.Valid},
		{Address: netip.MustParseAddrPort("[407::3]:1080"), Verdict: backend.AuthRequired},
	},
}

// start serves b on a socket of its own until the test ends.
func start(t *testing.T, b backend.Backend) (folder string, c *Client, stop func()) {
	t.Helper()
	folder = shortFolder(t)
	l, release, err := Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, NewHandler(b, func() {}), discard) }()
	c = NewClient(folder)
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		began := time.Now()
		cancel()
		if err := <-served; err != nil || time.Since(began) > time.Second {
			t.Errorf("Serve ended with %v after %v", err, time.Since(began))
		}
		c.Close()
		release()
	}
	t.Cleanup(stop)
	return folder, c, stop
}

// shortFolder is one whose path leaves room for the socket's name.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "mp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return filepath.Join(folder, "control")
}

func TestClientSeesWhatTheBackendDoes(t *testing.T) {
	f := &fake{state: example}
	_, c, _ := start(t, f)
	ctx := t.Context()
	if s, err := c.State(ctx); err != nil || !reflect.DeepEqual(s, example) {
		t.Errorf("state: %+v, %v", s, err)
	}
	if p, err := c.Peers(ctx); err != nil || !reflect.DeepEqual(p, example.Proxies) {
		t.Errorf("peers: %+v, %v", p, err)
	}
	other := netip.MustParseAddrPort("127.0.0.1:9050")
	for what, do := range map[string]func() error{
		"connect invalid AddrPort": func() error {
			got, err := c.Connect(ctx, netip.AddrPort{})
			if got != remote {
				t.Errorf("connected to %v", got)
			}
			return err
		},
		"connect " + other.String(): func() error {
			got, err := c.Connect(ctx, other)
			if got != other {
				t.Errorf("connected to %v", got)
			}
			return err
		},
		"disconnect": func() error { return c.Disconnect(ctx) },
		"start":      func() error { return c.StartProbe(ctx) },
		"stop":       func() error { return c.StopProbe(ctx) },
		"now":        func() error { return c.ProbeNow(ctx) },
		"share lan":  func() error { return c.SetShare(ctx, backend.ShareLAN) },
	} {
		f.calls = nil
		if err := do(); err != nil || len(f.calls) != 1 || f.calls[0] != what {
			t.Errorf("%s: %v, %v", what, f.calls, err)
		}
	}
	for code, status := range statuses {
		f.err = &backend.Error{Code: code, Message: "because"}
		if err := c.Disconnect(ctx); !errors.Is(err, f.err) || err.Error() != "because" {
			t.Errorf("%s (%d) comes out as %v", code, status, err)
		}
	}
	f.err = io.ErrUnexpectedEOF
	if err := c.Disconnect(ctx); !errors.Is(err, &backend.Error{Code: backend.Internal}) || err.Error() != "unexpected EOF" {
		t.Errorf("an unknown error comes out as %v", err)
	}
}

func TestWatch(t *testing.T) {
	f := &fake{states: make(chan backend.State)}
	_, c, stop := start(t, f)
	seen := make(chan backend.State)
	ended := make(chan error, 1)
	go func() { ended <- c.Watch(t.Context(), func(s backend.State) { seen <- s }) }()
	for i := range 3 {
		want := example
		want.Version = fmt.Sprint(i)
		f.states <- want
		if s := <-seen; !reflect.DeepEqual(s, want) {
			t.Errorf("saw %+v", s)
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, backend.ErrNotRunning) {
		t.Errorf("when the service ended the watch ended with %v", err)
	}

	_, c, _ = start(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- c.Watch(ctx, func(s backend.State) { seen <- s }) }()
	f.states <- example
	<-seen
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("when it was cancelled the watch ended with %v", err)
	}
}

func TestShutdown(t *testing.T) {
	folder := shortFolder(t)
	l, release, err := Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, NewHandler(&fake{}, end), discard) }()
	c := NewClient(folder)
	defer c.Close()
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := c.State(t.Context()); !errors.Is(err, backend.ErrNotRunning) {
		t.Errorf("after Shutdown: %v", err)
	}
}

// A service that dies while it writes is not taken for one that ends.
func TestWatchOfAServiceThatDies(t *testing.T) {
	folder := shortFolder(t)
	l, release, err := Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"version":"1"}`+"\n"+`{"version":"2","pha`)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})}
	go server.Serve(l)
	defer server.Close()
	c := NewClient(folder)
	defer c.Close()
	seen := 0
	err = c.Watch(t.Context(), func(backend.State) { seen++ })
	if !errors.Is(err, backend.ErrCrashed) || seen != 1 {
		t.Errorf("after %d snapshots the watch ended with %v", seen, err)
	}
}

func TestNoService(t *testing.T) {
	c := NewClient(shortFolder(t))
	if _, err := c.State(t.Context()); !errors.Is(err, backend.ErrNotRunning) {
		t.Errorf("error is %v", err)
	}
	if err := c.Watch(t.Context(), nil); !errors.Is(err, backend.ErrNotRunning) {
		t.Errorf("error is %v", err)
	}
}

// Each request is answered with its status, and with JSON, errors too.
func TestRequests(t *testing.T) {
	f := &fake{state: example}
	h := NewHandler(f, func() { f.calls = append(f.calls, "end") })
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string // without white space around it; of an error, its code
	}{
		{"GET", pathProxy, "", 200, `["407::1","407::2"]`},
		{"POST", pathProxy, `{"remote":null}`, 200, `"[407::1]:1080"`},
		{"POST", pathProxy, `{}`, 200, `"[407::1]:1080"`},
		{"POST", pathProxy, `{"remote":"[407::9]:1081"}`, 200, `"[407::9]:1081"`},
		{"POST", pathProxy, ` {"remote":"407::9","more":1} `, 200, `"[407::9]:1080"`},
		{"DELETE", pathProxy, "", 204, ""},
		{"GET", pathProbe, "", 204, ""},
		{"POST", pathProbe, "", 204, ""},
		{"DELETE", pathProbe, "", 204, ""},
		{"POST", pathProxy, "", 400, "bad_request"},
		{"POST", pathProxy, "null", 400, "bad_request"},
		{"POST", pathProxy, "[]", 400, "bad_request"},
		{"POST", pathProxy, `{"remote":1}`, 400, "bad_request"},
		{"POST", pathProxy, `{"remote":"407::9"`, 400, "bad_request"},
		{"POST", pathProxy, `{"remote":null}{"remote":null}`, 400, "bad_request"},
		{"POST", pathProxy, `{"remote":"` + strings.Repeat("4", 1<<20) + `"}`, 400, "bad_request"},
		{"POST", pathProxy, `{"remote":"example.org:1080"}`, 400, "bad_address"},
		{"POST", pathProxy, `{"remote":"[fe80::1%eth0]:1080"}`, 400, "bad_address"},
		{"POST", pathProxy, `{"remote":""}`, 400, "bad_address"},
		{"POST", pathShare, `{"share":"all"}`, 204, ""},
		{"POST", pathShare, `{"share":"ALL"}`, 400, "bad_request"},
		{"POST", pathShare, `{"share":null}`, 400, "bad_request"},
		{"POST", pathShare, `{}`, 400, "bad_request"},
		{"POST", pathEnd, "", 204, ""},
		{"GET", pathEnd, "", 405, "bad_request"},
		{"PUT", pathProxy, "", 405, "bad_request"},
		{"POST", pathState, "", 405, "bad_request"},
		{"POST", pathWatch, "", 405, "bad_request"},
		{"HEAD", pathProbe, "", 405, "bad_request"}, // it would start the probing
		{"HEAD", pathWatch, "", 405, "bad_request"},
		{"OPTIONS", pathState, "", 405, "bad_request"},
		{"POST", "/" + pathProxy, `{}`, 404, "bad_request"},
		{"GET", "/api/../api/v1/state", "", 404, "bad_request"},
		{"GET", "/api%2Fv1/state", "", 404, "bad_request"},
		{"HEAD", "/", "", 404, "bad_request"},
		{"GET", "/" + pathState, "", 404, "bad_request"},
		{"GET", "/", "", 404, "bad_request"},
		{"GET", "/api/v1/admin/peers", "", 404, "bad_request"},
		{"GET", pathState + "/", "", 404, "bad_request"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		got := strings.TrimSpace(w.Body.String())
		if w.Code >= 400 {
			var f failure
			if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || f.Message == "" {
				t.Errorf("%s %s %.40s: the error is %q", c.method, c.path, c.body, got)
			}
			got = string(f.Code)
		}
		if allow := w.Header().Get("Allow"); (allow != "") != (w.Code == 405) || strings.Contains(allow, c.method) {
			t.Errorf("%s %s: %d with Allow: %q", c.method, c.path, w.Code, allow)
		}
		if w.Code != c.status || got != c.answer {
			t.Errorf("%s %s %.40s gives %d %q, want %d %q", c.method, c.path, c.body, w.Code, got, c.status, c.answer)
		}
	}
	for code, status := range map[backend.Code]int{
		backend.NoValidProxy: 404, backend.PortInUse: 409, backend.OwnListener: 400, backend.CannotBind: 500, "new": 500,
	} {
		f.err = &backend.Error{Code: code, Message: "because"}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", pathProxy, strings.NewReader("{}")))
		if want := fmt.Sprintf(`{"error":"because","code":%q}`, code); w.Code != status || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s gives %d %s", code, w.Code, w.Body)
		}
	}
}

func TestWebPagesAreRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- ServeLoopback(ctx, l, NewHandler(&fake{state: example}, func() { t.Error("ended over TCP") }), discard)
	}()
	own := l.Addr().String()
	_, port, _ := net.SplitHostPort(own)
	for _, c := range []struct {
		host   string
		header map[string]string
		want   int
	}{
		{own, nil, 200},
		{own, map[string]string{"Sec-Fetch-Site": "none"}, 200}, // typed by the user
		{own, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{own, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{own, map[string]string{"Origin": "https://example.org"}, 403},
		{own, map[string]string{"Origin": "null"}, 403},
		{own, map[string]string{"Origin": "http://" + own}, 403},
		{"example.org:" + port, nil, 403},
		{"localhost:" + port, nil, 403},
		{"127.0.0.1:1", nil, 403},
		{"127.0.0.1", nil, 403},
		{"[::1]:" + port, nil, 403},
	} {
		request, _ := http.NewRequest("GET", "http://"+own+pathState, nil)
		request.Host = c.host
		for k, v := range c.header {
			request.Header.Set(k, v)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.want || !json.Valid(body) {
			t.Errorf("Host %s, %v: %d %s", c.host, c.header, response.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func FuzzReadRemote(f *testing.F) {
	for _, s := range []string{`{"remote":null}`, `{"remote":"[407::1]:1080"}`, `{}`, `null`, `{"remote":1}`, `{"REMOTE":"407::1"}{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		addr, err := readRemote(bytes.NewReader(body))
		if err == nil {
			if addr.IsValid() && addr.Port() == 0 {
				t.Fatalf("%q gives %v", body, addr)
			}
			return
		}
		var known *backend.Error
		if !errors.As(err, &known) || known.Code != backend.BadRequest && known.Code != backend.BadAddress {
			t.Fatalf("%q gives %v", body, err)
		}
	})
}
