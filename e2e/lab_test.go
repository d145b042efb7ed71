//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mycoproxy/backend"
)

// lab is a network of namespaces: peers on the overlay, a web server that only the
// peers can reach, and laptops on the overlay.
type lab struct {
	folder     string     // for configurations and logs
	hub        *namespace // has the bridges that join the others
	ports      atomic.Int32
	laptops    atomic.Int32
	ownPeers   atomic.Int32
	mu         sync.Mutex
	namespaces []*namespace
	processes  []*process

	once sync.Once
	err  error
}

var sharedLab lab

const (
	overlay = "overlay" // the bridges
	behind  = "behind"

	webAddress = "10.77.0.1" // of web.test
)

// peers are the servers of the lab, with the verdict to expect of each.
var peers = []struct {
	name, addr string
	verdict    backend.Verdict
	start      func(*lab, *namespace, string) error
}{
	{"dante", "407:8458:dbf5:4ed7::1", backend.Valid, dante("none", "pass")},
	{"danteboth", "5f2:b07::1", backend.Valid, dante("username none", "pass")},
	{"danteauth", "41f:aa01:7c3e:9d20::1", backend.AuthRequired, danteWithPassword},
	{"danteblock", "5f1:b10c::1", backend.NotAProxy, dante("none", "block")},
	{"micro", "433:90ab:12cd:34ef::1", backend.Valid, microsocks()},
	{"microauth", "44e:5511:2200:7788::1", backend.AuthRequired, microsocks("-u", "sockuser", "-P", "sockpass")},
	{"sshdynamic", "46c:dead:beef:42::1", backend.Valid, sshDynamic},
	{"sshd", "4cd:abcd:abcd:abcd::1", backend.NotAProxy, sshServer},
	{"nginx", "49a:1111:2222:3333::1", backend.NotAProxy, nginx},
	{"redis", "4b1:7777:6666:5555::1", backend.NotListening, redis},
	{"split", "5d7:10:20:30::1", backend.Valid, misbehaving(split)},
	{"slow49", "5e8:1::1", backend.Valid, misbehaving(slow(4900 * time.Millisecond))},
	{"slow51", "5e8:2::1", backend.NotListening, misbehaving(slow(5100 * time.Millisecond))},
	{"echo", "599:3:3:3::1", backend.NotAProxy, misbehaving(echo)},
	{"socks4", "5f4:44::1", backend.NotAProxy, misbehaving(socks4)},
	{"closer", "54b:83ab:6cb5:7b38::1", backend.NotAProxy, misbehaving(func(net.Conn) {})},
	{"resetter", "56f:1:1:1::1", backend.NotAProxy, misbehaving(reset)},
	{"silent", "4e0:9:8:7::1", backend.NotListening, misbehaving(func(c net.Conn) { io.Copy(io.Discard, c) })},
	{"noaccept", "582:2:2:2::1", backend.NotListening, notAccepting(128)},
	{"full", "5f6:f0::1", backend.NotListening, notAccepting(0)},
	{"dropping", "501:dead:dead:dead::1", backend.NotListening, dropping},
	{"refusing", "51e:cccc:bbbb:aaaa::1", backend.NotListening, nothing},
}

// addressOf is the overlay address of a peer.
func addressOf(name string) string {
	for _, p := range peers {
		if p.name == name {
			return p.addr
		}
	}
	panic("no peer " + name)
}

// needLab returns the lab that the tests share, which the first of them makes.
func needLab(t testing.TB, programs ...string) *lab {
	t.Helper()
	need(t, append(programs, "danted", "microsocks", "ssh", "sshd", "ssh-keygen", "nginx", "redis-server", "nft", "openssl")...)
	sharedLab.once.Do(func() { sharedLab.err = sharedLab.setUp() })
	if sharedLab.err != nil {
		t.Fatal(sharedLab.err)
	}
	return &sharedLab
}

func (lab *lab) setUp() (err error) {
	if lab.folder, err = os.MkdirTemp("", "mpe-lab"); err != nil {
		return err
	}
	if lab.hub, err = lab.add("hub"); err != nil {
		return err
	}
	for _, bridge := range []string{overlay, behind} {
		if err := lab.hub.ip("link", "add", bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0"); err != nil {
			return err
		}
		if err := lab.hub.ip("link", "set", bridge, "up"); err != nil {
			return err
		}
	}
	if err := lab.startWeb(); err != nil {
		return err
	}
	for i, p := range peers {
		n, err := lab.add(p.name)
		if err != nil {
			return err
		}
		if err := n.makePeer(p.addr, fmt.Sprintf("10.77.0.%d", i+10)); err != nil {
			return err
		}
		if err := p.start(lab, n, p.addr); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
	return lab.waitForServers()
}

// add makes a namespace that tearDown will remove.
func (lab *lab) add(name string) (*namespace, error) {
	n, err := newNamespace(lab, name)
	if err == nil {
		lab.mu.Lock()
		defer lab.mu.Unlock()
		lab.namespaces = append(lab.namespaces, n)
	}
	return n, err
}

// makePeer puts the namespace on the overlay, and on the network behind the peers.
func (n *namespace) makePeer(onOverlay, behindIt string) error {
	if err := n.joinOverlay(onOverlay); err != nil {
		return err
	}
	hosts := webAddress + " web.test\n127.0.0.1 localhost\n::1 localhost\n"
	if err := n.etc("hosts", hosts); err != nil {
		return err
	}
	return n.join("lan", behind, behindIt+"/16")
}

// laptop makes a machine for one test: on the overlay and nowhere else, and
// with no resolver, so that every name must be the peer's to resolve.
func (lab *lab) laptop(t testing.TB) *namespace {
	t.Helper()
	number := lab.laptops.Add(1)
	n, err := newNamespace(lab, fmt.Sprintf("laptop%d", number))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.remove)
	for _, err := range []error{
		n.joinOverlay(fmt.Sprintf("5ab:1c2d:3e4f:%x::1", number)),
		n.etc("resolv.conf", "# none\n"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// keep has tearDown end the process.
func (lab *lab) keep(p *process, err error) error {
	if err == nil {
		lab.mu.Lock()
		defer lab.mu.Unlock()
		lab.processes = append(lab.processes, p)
	}
	return err
}

func (lab *lab) tearDown() {
	for _, p := range lab.processes {
		p.stop()
	}
	for _, n := range lab.namespaces {
		n.remove()
	}
	if lab.folder != "" {
		os.RemoveAll(lab.folder)
	}
}

// waitForServers waits until the servers that are programs of their own accept.
func (lab *lab) waitForServers() error {
	client, err := lab.add("waiter")
	if err != nil {
		return err
	}
	if err := client.joinOverlay("5ab:1c2d:3e4f:0::1"); err != nil {
		return err
	}
	for _, name := range []string{"dante", "danteboth", "danteauth", "danteblock", "micro", "microauth", "sshdynamic", "sshd", "nginx", "redis"} {
		if err := waitFor(client, addressOf(name)); err != nil {
			return fmt.Errorf("%s does not listen: %w; it says: %s", name, err, lab.logs(name))
		}
	}
	return nil
}

func (lab *lab) logs(name string) string {
	files, _ := filepath.Glob(filepath.Join(lab.folder, "*-"+name+".*.log"))
	var all strings.Builder
	for _, f := range files {
		content, _ := os.ReadFile(f)
		all.Write(content)
	}
	return all.String()
}

// The pages that the web server has.
const (
	indexPage = "<html><title>target</title><body>hello from the target web server</body></html>"
	bigSize   = 8_000_000
	pictures  = 40
)

// startWeb starts a web server, a server that answers once it has read to the end,
// and one that echoes.
func (lab *lab) startWeb() error {
	n, err := lab.add("web")
	if err != nil {
		return err
	}
	if err := n.join("lan", behind, webAddress+"/16"); err != nil {
		return err
	}
	l, err := n.listen(":80")
	if err != nil {
		return err
	}
	go http.Serve(l, webPages())
	if l, err = n.listen(":7777"); err != nil {
		return err
	}
	go answerAfterTheEnd(l)
	_, err = serveAt(n, ":7", echo)
	return err
}

func webPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, indexPage) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { writeBlank(w, bigSize) })
	mux.HandleFunc("/blank/{size}", func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.PathValue("size"))
		writeBlank(w, size)
	})
	mux.HandleFunc("/many", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html><body>")
		for i := range pictures {
			fmt.Fprintf(w, "<img src=/picture/%d>", i)
		}
		io.WriteString(w, `<script>onload=()=>{document.body.append("loaded "+performance.getEntriesByType("resource").filter(r=>r.responseStatus==200).length+" from "+location.host+" after "+Math.round(performance.now())+" ms")}</script></body></html>`)
	})
	mux.HandleFunc("/picture/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		w.Write(make([]byte, 20_000))
	})
	return mux
}

// writeBlank answers with so many zero bytes.
func writeBlank(w http.ResponseWriter, size int) {
	w.Header().Set("Content-Length", fmt.Sprint(size))
	block := make([]byte, 1<<16)
	for left := size; left > 0; left -= len(block) {
		if _, err := w.Write(block[:min(left, len(block))]); err != nil {
			return
		}
	}
}

// answerAfterTheEnd reads each connection to its end, and then says how much came.
func answerAfterTheEnd(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			n, err := io.Copy(io.Discard, c)
			fmt.Fprintf(c, "%d bytes, then the end (%v)", n, err)
		}()
	}
}
