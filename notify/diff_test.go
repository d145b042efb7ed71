package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mycoproxy/backend"
)

var (
	one = netip.MustParseAddrPort("[407:8458:dbf5:4ed7::1]:1080")
	two = netip.MustParseAddrPort("[54f:b680:ba6e:7ced:d7d2:5a5b:1c0e:9a04]:1080")

	taken = &backend.Error{Code: backend.PortInUse, Message: "Could not bind TCP listener on [::]:1080: address already in use by danted, pid 812"}
)

// state is one to begin with: the service runs and scans, and knows no proxy.
func state(phase backend.Phase, changes ...func(*backend.State)) backend.State {
	s := backend.State{Phase: phase, PID: 1, Probing: backend.Probing{On: true}}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func to(remote netip.AddrPort, mode backend.Mode) func(*backend.State) {
	return func(s *backend.State) {
		s.Remote = &backend.Remote{Address: remote, Mode: mode, Answering: true}
		s.Listen = &backend.Listener{Reached: []netip.AddrPort{netip.MustParseAddrPort("[::1]:1080"), netip.MustParseAddrPort("127.0.0.1:1080")}}
	}
}

func proxy(at netip.AddrPort, v backend.Verdict, rtt time.Duration) func(*backend.State) {
	return func(s *backend.State) {
		s.Proxies = append(s.Proxies, backend.Proxy{Address: at, Verdict: v, RTT: backend.Milliseconds(rtt)})
	}
}

func silent(s *backend.State)                       { s.Remote.Answering = false }
func pid(n int) func(*backend.State)                { return func(s *backend.State) { s.PID = n } }
func failing(e *backend.Error) func(*backend.State) { return func(s *backend.State) { s.Error = e } }

func TestDiff(t *testing.T) {
	const ms = time.Millisecond
	var (
		offline = backend.State{}
		idle    = state(backend.Disconnected)
		trying  = state(backend.Connecting)
		valid   = proxy(one, backend.Valid, 42*ms)
		other   = proxy(two, backend.Valid, 80*ms)
		locked  = proxy(two, backend.AuthRequired, 9*ms)
		auto    = state(backend.Connected, to(one, backend.Auto), valid, other)
		chosen  = state(backend.Connected, to(two, backend.Explicit))
	)
	for _, test := range []struct {
		what     string
		old, new backend.State
		want     Notification
	}{
		// What is told: connected.
		{"connected to the fastest", trying, auto, Notification{Connected,
			"Connected to 407:8458:…:1", "The fastest of 2 proxies, 42 ms. Applications use 127.0.0.1:1080."}},
		{"connecting was missed", idle, auto, Notification{Connected,
			"Connected to 407:8458:…:1", "The fastest of 2 proxies, 42 ms. Applications use 127.0.0.1:1080."}},
		{"the remote was known, but not bound", state(backend.Connecting, to(one, backend.Auto)), state(backend.Connected, to(one, backend.Auto), valid), Notification{Connected,
			"Connected to 407:8458:…:1", "The only valid proxy, 42 ms. Applications use 127.0.0.1:1080."}},
		{"connected to a chosen one", trying, chosen, Notification{Connected,
			"Connected to 54f:b680:…:9a04", "As you chose. Applications use 127.0.0.1:1080."}},
		{"chosen outside the overlay", idle, state(backend.Connected, to(netip.MustParseAddrPort("127.0.0.1:9050"), backend.Explicit)), Notification{Connected,
			"Connected to 127.0.0.1:9050", "As you chose. It is not an overlay address. Applications use 127.0.0.1:1080."}},
		{"listening where nobody can reach it", idle, state(backend.Connected, to(two, backend.Explicit), func(s *backend.State) { s.Listen.Reached = nil }), Notification{Connected,
			"Connected to 54f:b680:…:9a04", "As you chose. But applications cannot reach the local port."}},
		{"reached over IPv6 alone", idle, state(backend.Connected, to(two, backend.Explicit), func(s *backend.State) { s.Listen.Reached = s.Listen.Reached[:1] }), Notification{Connected,
			"Connected to 54f:b680:…:9a04", "As you chose. Applications use [::1]:1080."}},
		{"switched by the user to a chosen one", auto, chosen, Notification{Connected,
			"Connected to 54f:b680:…:9a04", "As you chose. Applications use 127.0.0.1:1080."}},
		{"switched by the user to the fastest", chosen, auto, Notification{Connected,
			"Connected to 407:8458:…:1", "The fastest of 2 proxies, 42 ms. Applications use 127.0.0.1:1080."}},
		{"an error of before is still there", state(backend.Disconnected, failing(taken)), state(backend.Connected, to(two, backend.Explicit), failing(taken)), Notification{Connected,
			"Connected to 54f:b680:…:9a04", "As you chose. Applications use 127.0.0.1:1080."}},
		{"the service came back to another", auto, state(backend.Connected, pid(2), to(two, backend.Auto), other), Notification{Connected,
			"Connected to 54f:b680:…:9a04", "The only valid proxy, 80 ms. Applications use 127.0.0.1:1080."}},

		// Could not bind.
		{"port taken", trying, state(backend.Disconnected, failing(taken)), Notification{CannotBind,
			"Not connected: the port is taken", taken.Message + "."}},
		{"another holder", state(backend.Disconnected, failing(&backend.Error{Code: backend.PortInUse, Message: "x"})), state(backend.Disconnected, failing(taken)), Notification{CannotBind,
			"Not connected: the port is taken", taken.Message + "."}},
		{"not allowed", idle, state(backend.Disconnected, failing(&backend.Error{Code: backend.CannotBind, Message: "Could not bind TCP listener on [::]:80: permission denied"})), Notification{CannotBind,
			"Not connected: no port to listen on", "Could not bind TCP listener on [::]:80: permission denied."}},
		{"the listener ended", auto, state(backend.Disconnected, failing(&backend.Error{Code: backend.ListenerLost, Message: "The listener on [::]:1080 ended: closed"})), Notification{ListenerLost,
			"Not connected any more", "The listener on [::]:1080 ended: closed."}},

		// The remote disappeared.
		{"a chosen one is gone", chosen, state(backend.Connected, to(two, backend.Explicit), silent), Notification{Gone,
			"54f:b680:…:9a04 does not answer", "It is kept, because you chose it, and asked again every minute."}},
		{"a chosen one is gone, without probing", chosen, state(backend.Connected, to(two, backend.Explicit), silent, func(s *backend.State) { s.Probing.On = false }), Notification{Gone,
			"54f:b680:…:9a04 does not answer", "It is kept, because you chose it."}},
		{"a chosen one never answered", trying, state(backend.Connected, to(two, backend.Explicit), silent), Notification{Gone,
			"54f:b680:…:9a04 does not answer", "It is kept, because you chose it, and asked again every minute."}},
		{"an automatic one is gone", auto, state(backend.Connected, to(one, backend.Auto), silent), Notification{Gone,
			"407:8458:…:1 does not answer", "No other proxy answers. The first that does takes its place."}},
		{"an automatic one is gone, without probing", auto, state(backend.Connected, to(one, backend.Auto), silent, func(s *backend.State) { s.Probing.On = false }), Notification{Gone,
			"407:8458:…:1 does not answer", "No other proxy answers, and probing is off."}},
		{"an automatic one was replaced", auto, state(backend.Connected, to(two, backend.Auto), other), Notification{Moved,
			"407:8458:…:1 does not answer", "Connected to 54f:b680:…:9a04 instead, 80 ms."}},
		{"it wanted a password", auto, state(backend.Connected, to(two, backend.Auto), other, proxy(one, backend.AuthRequired, 1)), Notification{Moved,
			"407:8458:…:1 now needs a password", "Connected to 54f:b680:…:9a04 instead, 80 ms."}},
		{"replaced after its loss was told", state(backend.Connected, to(one, backend.Auto), silent), state(backend.Connected, to(two, backend.Auto), other), Notification{Moved,
			"Connected to 54f:b680:…:9a04", "In place of 407:8458:…:1, 80 ms."}},
		{"the user asked for the fastest again", auto, state(backend.Connected, to(two, backend.Auto), valid, other), Notification{Moved,
			"Connected to 54f:b680:…:9a04", "The fastest of 2 proxies, 80 ms. Applications use 127.0.0.1:1080."}},
		{"the user went from a silent one to the fastest", state(backend.Connected, to(two, backend.Explicit), silent), auto, Notification{Connected,
			"Connected to 407:8458:…:1", "The fastest of 2 proxies, 42 ms. Applications use 127.0.0.1:1080."}},

		// It answers again.
		{"back", state(backend.Connected, to(two, backend.Explicit), silent), chosen, Notification{Back,
			"54f:b680:…:9a04 answers again", "Applications use 127.0.0.1:1080."}},

		// It needs a password.
		{"connected to a locked one", idle, state(backend.Connected, to(two, backend.Explicit), locked), Notification{Connected,
			"Connected to 54f:b680:…:9a04", "This proxy needs a password. " + passwordHint + " Applications use 127.0.0.1:1080."}},
		{"found locked later", chosen, state(backend.Connected, to(two, backend.Explicit), locked), Notification{NeedsPassword,
			"54f:b680:…:9a04 needs a password", passwordHint}},

		// The service stopped.
		{"crashed while connected", auto, crashed, Notification{ServiceStopped,
			"The Mycoproxy service has stopped", "Applications cannot connect through it until it runs again."}},
		{"ended while connected", auto, offline, Notification{}},
		{"crashed while idle", idle, crashed, Notification{ServiceStopped,
			"The Mycoproxy service has stopped", "Applications cannot connect through it until it runs again."}},
		{"back, not connected", auto, state(backend.Disconnected, pid(2)), Notification{ServiceStopped,
			"The Mycoproxy service has stopped", "You are not connected any more."}},
		{"back, connecting", auto, state(backend.Connecting, pid(2)), Notification{ServiceStopped,
			"The Mycoproxy service has stopped", "It is about to connect again."}},

		// What is not told: the state at the start.
		{"start, no service", offline, offline, Notification{}},
		{"start, idle", offline, idle, Notification{}},
		{"start, connected", offline, auto, Notification{}},
		{"start, not answering", offline, state(backend.Connected, to(two, backend.Explicit), silent), Notification{}},
		{"start, with an error", offline, state(backend.Disconnected, failing(taken)), Notification{}},

		// Scans, and what they find.
		{"scan", idle, state(backend.Disconnected, valid, other, func(s *backend.State) { s.Probing.Scanning, s.Probing.Peers = true, 9 }), Notification{}},
		{"scan while connected", auto, state(backend.Connected, to(one, backend.Auto), valid, other, func(s *backend.State) { s.Probing.Scanning = true }), Notification{}},
		{"the node is gone", idle, state(backend.Disconnected, func(s *backend.State) { s.Node = &backend.Node{Error: "Mycelium node not reachable"} }), Notification{}},
		{"streams", auto, state(backend.Connected, to(one, backend.Auto), valid, other, func(s *backend.State) { s.Streams.Open = 9 }), Notification{}},
		{"a locked one is open", state(backend.Connected, to(two, backend.Explicit), locked), chosen, Notification{}},
		{"an automatic one under suspicion", state(backend.Connected, to(two, backend.Auto), other), state(backend.Connected, to(two, backend.Auto), locked), Notification{}},

		// The same thing twice.
		{"port still taken", state(backend.Connecting, failing(taken)), state(backend.Disconnected, failing(&backend.Error{Code: taken.Code, Message: taken.Message})), Notification{}},
		{"still silent", state(backend.Connected, to(two, backend.Explicit), silent), state(backend.Connected, to(two, backend.Explicit), silent), Notification{}},
		{"still locked", state(backend.Connected, to(two, backend.Explicit), locked), state(backend.Connected, to(two, backend.Explicit), locked), Notification{}},
		{"still stopped", offline, offline, Notification{}},
		{"chosen, and so it was", state(backend.Connected, to(one, backend.Explicit)), state(backend.Connected, to(one, backend.Auto)), Notification{}},
		{"the service came back as it was", auto, state(backend.Connected, pid(2), to(one, backend.Auto)), Notification{}},

		// The user's own commands, and what others answer for.
		{"disconnected", auto, idle, Notification{}},
		{"disconnected from a silent one", state(backend.Connected, to(two, backend.Explicit), silent), idle, Notification{}},
		{"connecting", idle, trying, Notification{}},
		{"nothing found, which the click tells", trying, state(backend.Disconnected, failing(backend.ErrNoValidProxy)), Notification{}},
		{"not saved", auto, state(backend.Connected, to(one, backend.Auto), failing(&backend.Error{Code: backend.StateUnsaved})), Notification{}},
		{"the error is over", state(backend.Disconnected, failing(taken)), idle, Notification{}},
		{"started again while idle", idle, state(backend.Disconnected, pid(2)), Notification{}},
		{"a state that cannot be", idle, state(backend.Connected), Notification{}},
	} {
		if got := Diff(test.old, test.new); got != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.what, got, test.want)
		}
	}
}

func TestFailed(t *testing.T) {
	for _, test := range []struct {
		err  error
		want Notification
	}{
		{nil, Notification{}},
		{backend.ErrSuperseded, Notification{}},
		{fmt.Errorf("connect: %w", backend.ErrSuperseded), Notification{}},
		{taken, failed(taken)},
		{backend.ErrNoValidProxy, Notification{ConnectFailed, "No proxy to connect to", "No valid proxy available or connection failed."}},
		{backend.ErrNotRunning, Notification{ConnectFailed, "The service is not running", "Start it, and try again."}},
		{&backend.Error{Code: backend.OwnListener, Message: "x is our own"}, Notification{ConnectFailed, "Not the address of a proxy", "x is our own."}},
		{errors.New("out of paper"), Notification{ConnectFailed, "That did not work", "It failed: out of paper."}},
	} {
		if got := Failed(test.err); got != test.want {
			t.Errorf("%v:\n got %+v\nwant %+v", test.err, got, test.want)
		}
	}
	// The click and the state tell of it in the same words, so that it is told once.
	if got := Diff(state(backend.Connecting), state(backend.Disconnected, failing(taken))); got != Failed(taken) {
		t.Errorf("%+v and %+v", got, Failed(taken))
	}
}

func TestPlain(t *testing.T) {
	n := Notification{Title: "a\x07b\nc", Body: "x]]>y\xff é …"}.plain()
	if n.Title != "a b c" || n.Body != "x]] >y\uFFFD é …" {
		t.Errorf("%+v", n)
	}
}
