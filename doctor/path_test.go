package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/settings"
)

func TestPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := Subject{Settings: settings.Default()}
	if err := s.Settings.Set("listen", taken.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if got := s.checkPort(t.Context()); !got.is(Bad, fmt.Sprintf("Could not bind TCP listener on %s: address already in use", taken.Addr())+"|choose another port") {
		t.Errorf("taken: %+v", got)
	} else if who := fmt.Sprintf("pid %d", os.Getpid()); !strings.Contains(got.Text, who) {
		t.Errorf("taken: %q does not name %s", got.Text, who)
	}
	s.State = backend.State{Phase: backend.Connecting}
	if got := s.checkPort(t.Context()); !got.is(Skipped, "about to listen") {
		t.Errorf("connecting: %+v", got)
	}
	s.State = backend.State{Phase: backend.Connected, Listen: &backend.Listener{Address: netip.MustParseAddrPort("[::]:1081")}}
	if got := s.checkPort(t.Context()); !got.is(OK, "listens on [::]:1081") {
		t.Errorf("ours: %+v", got)
	}
	taken.Close()
	s.State = backend.State{}
	if got := s.checkPort(t.Context()); !got.is(OK, taken.Addr().String()+" is free") {
		t.Errorf("free: %+v", got)
	}
	again, err := net.Listen("tcp", taken.Addr().String())
	if err != nil {
		t.Fatalf("the check keeps the port: %v", err)
	}
	again.Close()
}

func connected(listen string, reached ...string) backend.State {
	return backend.State{
		Phase:  backend.Connected,
		Listen: &backend.Listener{Address: netip.MustParseAddrPort(listen), Reached: addrs(reached...)},
		Remote: &backend.Remote{Address: netip.MustParseAddrPort("[407::1]:1080"), Answering: true},
	}
}

func TestListenerAndRemote(t *testing.T) {
	silent := connected("[::]:1080")
	silent.Remote.Answering = false
	for name, c := range map[string]struct {
		state            backend.State
		listener, remote Outcome
		wantListener     string
		wantRemote       string
	}{
		"no service":   {backend.State{}, Skipped, Skipped, "not running", "not running"},
		"disconnected": {backend.State{Phase: backend.Disconnected}, Skipped, Skipped, "does not listen", "not connected"},
		"both ways":    {connected("[::]:1080", "127.0.0.1:1080", "[::1]:1080"), OK, OK, "127.0.0.1:1080 and [::1]:1080", "[407::1]:1080 answers"},
		"one way":      {connected("[::]:1080", "127.0.0.1:1080"), Note, OK, "127.0.0.1:1080 alone|127.0.0.1:1080", "answers"},
		"one to reach": {connected("127.0.0.1:1080", "127.0.0.1:1080"), OK, OK, "reached at 127.0.0.1:1080", "answers"},
		"not at all":   {silent, Bad, Bad, "cannot reach [::]:1080|choose another port", "does not answer|mycoproxy connect"},
	} {
		s := Subject{State: c.state}
		if got := s.checkListener(t.Context()); !got.is(c.listener, c.wantListener) {
			t.Errorf("%s: listener: %+v", name, got)
		}
		if got := s.checkRemote(t.Context()); !got.is(c.remote, c.wantRemote) {
			t.Errorf("%s: remote: %+v", name, got)
		}
	}
}

// socks answers the greeting and the request of one client with these bytes,
// and returns what the client sent. Without a greeting it says nothing more;
// without bytes it closes the connection.
func socks(t *testing.T, greeting, reply []byte) (addr string, sent <-chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	all := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request := make([]byte, 100)
		io.ReadFull(conn, request[:3])
		n := 3
		switch {
		case greeting == nil:
			io.Copy(io.Discard, conn)
		case len(greeting) > 0:
			conn.Write(greeting)
			m, _ := conn.Read(request[n:])
			n += m
			conn.Write(reply)
		}
		all <- request[:n]
	}()
	return l.Addr().String(), all
}

func TestConnect(t *testing.T) {
	open, reply := []byte{5, 0}, func(code byte) []byte { return []byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0} }
	for name, c := range map[string]struct {
		greeting, reply []byte
		outcome         Outcome
		want            string
	}{
		"succeeded":       {open, reply(0), OK, "the proxy replies to a CONNECT, in "},
		"refused":         {open, reply(5), OK, "the proxy replies to a CONNECT, in "},
		"general failure": {open, reply(1), Note, "general failure|another proxy"},
		"password":        {[]byte{5, 0xff}, []byte{}, Note, "wants a password|application"},
		"no such reply":   {open, reply(9), Bad, "replies with 05 09|mycoproxy connect"},
		"not SOCKS":       {[]byte("HT"), []byte{}, Bad, "greets with 48 54|mycoproxy connect"},
		"closed at once":  {[]byte{}, []byte{}, Bad, "read the greeting: EOF|mycoproxy connect"},
		"closed then":     {open, []byte{}, Bad, "read the reply: EOF|mycoproxy connect"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := socks(t, c.greeting, c.reply)
			if got := (Subject{State: connected(addr, addr)}).checkConnect(t.Context()); !got.is(c.outcome, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := (Subject{}).checkConnect(t.Context()); !got.is(Skipped, "not running") {
		t.Errorf("no service: %+v", got)
	}
	if got := (Subject{State: backend.State{Phase: backend.Disconnected}}).checkConnect(t.Context()); !got.is(Skipped, "does not listen") {
		t.Errorf("disconnected: %+v", got)
	}
	if got := (Subject{State: connected("[::]:1080")}).checkConnect(t.Context()); !got.is(Skipped, "cannot be reached") {
		t.Errorf("not reached: %+v", got)
	}
}

func TestConnectWithoutAnAnswer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	addr, _ := socks(t, nil, nil)
	if got := (Subject{State: connected(addr, addr)}).checkConnect(ctx); !got.is(Bad, "does not reply to a CONNECT within|mycoproxy connect") {
		t.Errorf("%+v", got)
	}
}

// The remote is asked for itself, and for nothing else.
func TestWhatIsAskedFor(t *testing.T) {
	for remote, want := range map[string][]byte{
		"[407::1]:1080":  {5, 1, 0, 5, 1, 0, 4, 4, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 56},
		"127.0.0.1:9050": {5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 35, 90},
	} {
		addr, sent := socks(t, []byte{5, 0}, []byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		state := connected(addr, addr)
		state.Remote.Address = netip.MustParseAddrPort(remote)
		if got := (Subject{State: state}).checkConnect(t.Context()); got.Outcome != OK {
			t.Fatalf("%s: %+v", remote, got)
		}
		if got := <-sent; !slices.Equal(got, want) {
			t.Errorf("%s: it was sent %v", remote, got)
		}
	}
}
