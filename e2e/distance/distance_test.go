//go:build linux

package distance

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a network namespace at the end of a cable.
type machine struct {
	calls chan func() // run on a thread that is inside
	addr  netip.Addr
	cable Cable
}

func newMachine(t *testing.T, addr string, cable Cable) *machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for network namespaces")
	}
	m := &machine{calls: make(chan func()), addr: netip.MustParseAddr(addr), cable: cable}
	t.Cleanup(func() { close(m.calls) })
	go func() {
		runtime.LockOSThread() // and never unlocked: the namespace ends with the thread
		for call := range m.calls {
			call()
		}
	}()
	m.cable.Prefix = netip.PrefixFrom(m.addr, 128)
	m.do(func() {
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			m.cable.Device, err = Open("far")
		}
		for _, command := range [][]string{
			{"link", "set", "far", "up"},
			{"addr", "add", addr + "/64", "dev", "far", "nodad"},
			{"route", "add", "fd00::/8", "dev", "far"},
		} {
			if err == nil {
				err = exec.Command("ip", command...).Run()
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *machine) do(f func()) {
	done := make(chan struct{})
	m.calls <- func() { defer close(done); f() }
	<-done
}

// listen receives datagrams at the machine's address.
func (m *machine) listen(t *testing.T) (c net.PacketConn) {
	t.Helper()
	var err error
	m.do(func() { c, err = net.ListenPacket("udp6", fmt.Sprintf("[%v]:7", m.addr)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPacketsCrossInOrderAndNotTooSoon(t *testing.T) {
	const delay = 20 * time.Millisecond
	near := newMachine(t, "fd00:1::1", Cable{})
	far := newMachine(t, "fd00:2::1", Cable{Delay: delay, Rate: 10e6})
	lossy := newMachine(t, "fd00:3::1", Cable{Loss: 0.5})
	if t.Failed() {
		t.FailNow()
	}
	s := Start(near.cable, far.cable, lossy.cable)
	defer s.Close()
	from, toFar, toLossy := near.listen(t), far.listen(t), lossy.listen(t)
	for _, c := range []net.PacketConn{toFar, toLossy} {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
	}

	const count = 100
	sent := time.Now()
	for i := range count {
		for _, to := range []net.PacketConn{toFar, toLossy} {
			datagram := make([]byte, 1000)
			datagram[0] = byte(i)
			if _, err := from.WriteTo(datagram, to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := make([]byte, 1000)
	for i := range count {
		if _, _, err := toFar.ReadFrom(got); err != nil || got[0] != byte(i) {
			t.Fatalf("datagram %d: got %d, %v", i, got[0], err)
		}
		// At 10 Mbit/s a datagram with its headers takes 838.4 microseconds.
		if earliest := delay + time.Duration(i+1)*838400*time.Nanosecond; time.Since(sent) < earliest {
			t.Errorf("datagram %d is there after %v, cannot be before %v", i, time.Since(sent), earliest)
		}
	}
	arrived, last := 0, -1
	for {
		_, _, err := toLossy.ReadFrom(got)
		if err != nil {
			break
		}
		if int(got[0]) <= last {
			t.Errorf("datagram %d after %d", got[0], last)
		}
		arrived, last = arrived+1, int(got[0])
		toLossy.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	}
	if arrived < 10 || arrived > 90 {
		t.Errorf("%d of %d arrived where half get lost", arrived, count)
	}
}

func TestCloseRemovesTheDevices(t *testing.T) {
	m := newMachine(t, "fd00:1::1", Cable{})
	s := Start(m.cable)
	s.Close()
	m.do(func() {
		if exec.Command("ip", "link", "show", "far").Run() == nil {
			t.Error("the device is still there")
		}
	})
}
