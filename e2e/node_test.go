//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/mycelium"
)

// nodeStandIn answers as a Mycelium node of version 0.7.10 does; the shapes are
// those recorded in backend/mycelium/testdata.
type nodeStandIn struct {
	routes   atomic.Pointer[string]
	keys     map[string]string // by the subnet's first address
	override atomic.Pointer[http.HandlerFunc]
}

func (n *nodeStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := n.override.Load(); h != nil {
		(*h)(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1/"); {
	case path == "admin":
		fmt.Fprint(w, `{"nodeSubnet":"5ab:1c2d:3e4f:1::/64","nodeIp":"5ab:1c2d:3e4f:1::1","nodePubkey":"`+strings.Repeat("ab", 32)+`","nodeStartTime":1795390269}`)
	case path == "admin/routes/selected":
		fmt.Fprint(w, *n.routes.Load())
	case strings.HasPrefix(path, "pubkey/") && n.keys[path[7:]] != "":
		fmt.Fprintf(w, `{"publicKey":%q}`, n.keys[path[7:]])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (n *nodeStandIn) answer(h http.HandlerFunc) { n.override.Store(&h) }

// keyedPeer is a proxy at the address that a node with such a key has.
func keyedPeer(t *testing.T, lab *lab, number int) (subnet netip.Prefix, key, addr string) {
	t.Helper()
	k := [32]byte{1, 2, 3, byte(number)}
	derived := mycelium.Address(k)
	n, _ := ownPeer(t, lab)
	if err := n.address("mycelium", derived.String()+"/64"); err != nil {
		t.Fatal(err)
	}
	startMicrosocks(t, n, derived.String())
	return netip.PrefixFrom(derived, 64).Masked(), hex.EncodeToString(k[:]), derived.String()
}

func TestFromTheNodesRoutesToAPage(t *testing.T) {
	lab := needLab(t)
	node := &nodeStandIn{keys: map[string]string{}}
	var routes []string
	var addrs []string
	for _, number := range []int{7, 8} {
		subnet, key, addr := keyedPeer(t, lab, number)
		node.keys[subnet.Addr().String()] = key
		addrs = append(addrs, addr)
		routes = append(routes, fmt.Sprintf(`{"subnet":%q,"nextHop":"TCP 10.99.0.2:54042 <-> 10.99.0.1:9651","metric":%d,"seqno":0}`, subnet, number))
	}
	set := func(list ...string) {
		all := "[" + strings.Join(list, ",") + "]"
		node.routes.Store(&all)
	}
	set(append(routes, `{"subnet":"junk","nextHop":"","metric":1,"seqno":0}`, `{"subnet":"5ab:1c2d:3e4f:1::/64","nextHop":"","metric":1,"seqno":0}`)...)
	laptop := lab.laptop(t)
	l, err := laptop.listen("127.0.0.1:8989")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: node}
	go web.Serve(l)
	defer web.Close()
	s := serveOn(t, laptop, nil, "--node", "http://127.0.0.1:8989")
	s.until("both found", 10*time.Second, func(s backend.State) bool { return len(s.Proxies) == 2 })
	if got := s.state(); got.Probing.Peers != 2 || !strings.Contains(got.Node.Error, `route to "junk"`) {
		t.Errorf("state is %+v, node %+v", got, got.Node)
	}
	s.connect("")
	s.mustGet()

	rescan := func() {
		t.Helper()
		last := s.state().Probing.Last
		eventually(t, "a new second", 2*time.Second, func() bool { return time.Since(last) > time.Second })
		if err := s.ProbeNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.until("a scan begins", 2*time.Second, func(s backend.State) bool { return s.Probing.Last.After(last) })
		s.until("it ends", 20*time.Second, scanned)
	}
	// Whatever is wrong with the node, the state says so, and the proxies stay known.
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"500":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "answered 500 Internal Server Error"},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "not the JSON expected"},
		"half": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"nodeSubnet":"5ab`) }, "not the JSON expected"},
		"hang": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "not reachable at 127.0.0.1:8989: no answer within 5s"},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				w.Write(make([]byte, 1<<20))
			}
		}, "more than 16 MiB"},
		"reset": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, "not reachable at 127.0.0.1:8989"},
	} {
		node.answer(c.handler)
		rescan()
		state := s.state()
		if !strings.Contains(state.Node.Error, c.want) || len(state.Proxies) != 2 {
			t.Errorf("%s: the node's error is %q, %d proxies are known", name, state.Node.Error, len(state.Proxies))
		}
	}
	web.Close()
	rescan()
	if got := s.state().Node.Error; got != "Mycelium node not reachable at 127.0.0.1:8989: connection refused" {
		t.Errorf("the node's error is %q", got)
	}
	s.mustGet()

	// It is back, and one route is withdrawn.
	node.override.Store(nil)
	set(routes[0])
	if l, err = laptop.listen("127.0.0.1:8989"); err != nil {
		t.Fatal(err)
	}
	again := &http.Server{Handler: node}
	go again.Serve(l)
	defer again.Close()
	rescan()
	if state := s.state(); state.Node.Error != "" || len(state.Proxies) != 1 || state.Proxies[0].Address != at(addrs[0]) {
		t.Errorf("node %+v, proxies %v", state.Node, state.Proxies)
	}
}

func TestServiceAcrossItsLives(t *testing.T) {
	lab := needLab(t)
	s := serve(t, lab, asPeers(addressOf("micro"))...)
	s.connect("micro")
	pid := s.state().PID
	out, err := s.laptop.command(append([]string{"env"}, append(s.env, binary, "serve")...)...).CombinedOutput()
	if want := fmt.Sprintf("already running (pid %d)", pid); err == nil || !strings.Contains(string(out), want) {
		t.Errorf("a second service: %q, %v; want %q", out, err, want)
	}
	// Killed, it leaves a socket behind, and knows what it was doing.
	s.process.stop()
	if _, errs, code := s.cli("status"); code != 3 || !strings.Contains(errs, "The service is not running") {
		t.Errorf("status: %d %q", code, errs)
	}
	s.start()
	s.until("connected again", 5*time.Second, func(s backend.State) bool {
		return s.Phase == backend.Connected && s.Remote.Address == at(addressOf("micro")) && s.Remote.Mode == backend.Explicit
	})
	s.mustGet()
	s.connect("")
	if code, _ := s.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.start()
	s.until("connected again, by a race", 15*time.Second, func(s backend.State) bool {
		return s.Phase == backend.Connected && s.Remote.Mode == backend.Auto
	})
	if err := s.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.terminate()
	s.start()
	s.until("one scan", 10*time.Second, scanned)
	if state := s.state(); state.Phase != backend.Disconnected {
		t.Errorf("after a disconnect it is %v", state.Phase)
	}
}

// On a full disk the service runs on, and says so; once there is room it does
// not say so any more.
func TestFullDisk(t *testing.T) {
	lab := needLab(t)
	disk := t.TempDir()
	if err := run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run("umount", "-l", disk) })
	s := serveOn(t, lab.laptop(t), []string{"env", "XDG_STATE_HOME=" + disk})
	ballast := disk + "/ballast"
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	s.connect("micro")
	s.mustGet()
	s.until("the state says so", 5*time.Second, func(s backend.State) bool {
		return s.Error != nil && s.Error.Code == backend.StateUnsaved && strings.Contains(s.Error.Message, "no space left")
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.connect("dante")
	s.until("all is well again", 5*time.Second, func(s backend.State) bool { return s.Error == nil })
}

// Where nothing can be written the service runs on, and says so.
func TestReadOnlyStateFolder(t *testing.T) {
	lab := needLab(t)
	s := serveOn(t, lab.laptop(t), []string{"env", "XDG_STATE_HOME=/proc/mycoproxy"})
	s.connect("micro")
	s.mustGet()
	s.until("the state says so", 5*time.Second, func(s backend.State) bool {
		return s.Error != nil && s.Error.Code == backend.StateUnsaved
	})
	contains(t, s.process.printed(), "the log goes to standard error alone")
	if _, err := os.Stat("/proc/mycoproxy"); err == nil {
		t.Error("it was written all the same")
	}
}
