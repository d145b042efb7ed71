//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/mycelium"
	"mycoproxy/backend/scan"
)

// crowd are kinds of peers by the prefix of their addresses, and how many there
// are of each. A node has no choice of its address, so keys are tried until
// enough of them derive one in the prefix.
var crowd = []struct {
	prefix netip.Prefix
	peers  int
	rule   string // for nft, at the peers
}{
	{netip.MustParsePrefix("500::/8"), 9000, "drop"},
	{netip.MustParsePrefix("400::/9"), 900, "reject with tcp reset"},
	{netip.MustParsePrefix("480::/9"), 100, "accept"},
}

// crowdNode is a node with routes to the crowd.
func crowdNode() *nodeStandIn {
	node := &nodeStandIn{keys: map[string]string{}}
	var routes []string
	missing := map[netip.Prefix]int{}
	for _, kind := range crowd {
		missing[kind.prefix] = kind.peers
	}
	for number := 0; len(missing) > 0; number++ {
		var key [32]byte
		copy(key[:], strconv.Itoa(number))
		addr := mycelium.Address(key)
		for prefix, left := range missing {
			if !prefix.Contains(addr) {
				continue
			}
			subnet := netip.PrefixFrom(addr, 64).Masked()
			node.keys[subnet.Addr().String()] = hex.EncodeToString(key[:])
			routes = append(routes, fmt.Sprintf(`{"subnet":%q,"nextHop":"TCP 10.99.0.2:54042 <-> 10.99.0.1:9651","metric":%d,"seqno":0}`, subnet, 20+number%400))
			if missing[prefix] = left - 1; left == 1 {
				delete(missing, prefix)
			}
		}
	}
	all := "[" + strings.Join(routes, ",") + "]"
	node.routes.Store(&all)
	return node
}

// crowdedLaptop is a laptop on whose overlay one namespace answers for all peers.
func crowdedLaptop(t *testing.T, lab *lab) *namespace {
	t.Helper()
	n, addr := ownPeer(t, lab)
	laptop := lab.laptop(t)
	var rules []string
	for _, kind := range crowd {
		rules = append(rules, fmt.Sprintf("ip6 daddr %v tcp dport 1080 %s", kind.prefix, kind.rule))
	}
	for _, err := range []error{
		n.ip("-6", "route", "add", "local", "400::/7", "dev", "lo"),
		n.ip("-6", "route", "add", "5ab:1c2d:3e4f::/48", "dev", "mycelium", "table", "local"), // the laptops are elsewhere
		filter(n, rules...),
		laptop.ip("-6", "route", "add", addr+"/64", "dev", "mycelium"),
		laptop.ip("-6", "route", "replace", "400::/7", "via", addr, "dev", "mycelium"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stop, err := serveAt(n, "[::]:1080", slow(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return laptop
}

// A scan of ten thousand peers, nearly all of them silent, ends before the next
// begins, and takes little of the machine.
func TestTenThousandPeers(t *testing.T) {
	lab := needLab(t)
	t.Parallel()
	laptop := crowdedLaptop(t, lab)
	l, err := laptop.listen("127.0.0.1:8989")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: crowdNode()}
	go web.Serve(l)
	defer web.Close()

	began := time.Now()
	s := serveOn(t, laptop, nil, "--node", "http://127.0.0.1:8989")
	pid := s.state().PID
	most := 0
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for samples := 1; ; samples++ {
		<-tick.C
		most = max(most, descriptors(pid))
		if samples%10 == 0 && scanned(s.state()) { // not more often: to answer takes time, too
			break
		}
		if time.Since(began) > scan.Interval { // the last probe begins after 50 s and takes 5 s at most
			t.Fatalf("the scan has not ended within %v", scan.Interval)
		}
	}
	took := time.Since(began)
	used := processorTime(t, pid)
	peak := peakMemory(t, pid)
	share := 100 * used.Seconds() / took.Seconds()
	t.Logf("10,000 peers: %.1f s, at most %d descriptors, at most %d KiB of memory, %.2f s of processor time, %.1f %% of a core",
		took.Seconds(), most, peak, used.Seconds(), share)
	if state := s.state(); state.Probing.Peers != 10_000 || len(state.Proxies) != 100 || state.Proxies[99].Verdict != backend.Valid {
		t.Errorf("%d peers, %d proxies", state.Probing.Peers, len(state.Proxies))
	}
	if most > 1100 || peak >= 64<<10 || share > 50 {
		t.Error("that is too much; at most 1100 descriptors, 64 MiB and half a core are allowed")
	}
}

// descriptors is how many a process has open, sockets nearly all of them.
func descriptors(pid int) int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list)
}

// peakMemory is the most that a process had in memory, in KiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	var kib int
	if _, err := fmt.Sscanf(memory(pid, "VmHWM"), "VmHWM: %d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// processorTime is what a process has used so far.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // after the name, which may have spaces
	fields := strings.Fields(rest)
	ticks := 0
	for _, f := range fields[11:13] { // in user mode, and in the kernel
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}
