package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// free returns a port that nothing listens on.
func free(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	first, second := taken.Addr().(*net.TCPAddr).AddrPort().Port(), free(t)
	var out strings.Builder
	if err := Run(t.Context(), Options{Out: &out, Once: true, Ports: []uint16{first, second}}); err != nil {
		t.Fatalf("%v after\n%s", err, out.String())
	}
	for _, want := range []string{
		fmt.Sprintf("Could not bind TCP listener on [::]:%d: address already in use by ", first),
		fmt.Sprintf("using port %d instead\n", second),
		fmt.Sprintf("through socks5h://127.0.0.1:%d in ", second),
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if err := Run(t.Context(), Options{Out: &out, Once: true, Ports: []uint16{first}}); err == nil {
		t.Error("no error although no port is free")
	}
}

// awaited is a writer that closes done when the text has been written to it.
type awaited struct {
	mu   sync.Mutex
	all  strings.Builder
	text string
	once sync.Once
	done chan struct{}
}

func (a *awaited) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.Write(b)
	if strings.Contains(a.all.String(), a.text) {
		a.once.Do(func() { close(a.done) })
	}
	return len(b), nil
}

// The demo stays up until its context ends, with the address that it printed.
func TestStaysUp(t *testing.T) {
	port := free(t)
	out := &awaited{text: "Ctrl-C ends the demo", done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{Out: out, Ports: []uint16{port}}) }()
	select {
	case <-out.done:
	case err := <-ended:
		t.Fatalf("it ended with %v after\n%s", err, out.all.String())
	case <-time.After(20 * time.Second):
		t.Fatal("the steps do not end")
	}
	// The command that it prints works.
	found := regexp.MustCompile(`curl -x (socks5h://\S+) (http://\S+)`).FindStringSubmatch(out.all.String())
	if found == nil {
		t.Fatalf("nothing to try in\n%s", out.all.String())
	}
	proxy, err := url.Parse(found[1])
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true},
	}
	response, err := client.Get(found[2])
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if page, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(page), "It works") {
		t.Errorf("the page is %.60q, %v", page, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
