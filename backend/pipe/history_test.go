package pipe

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/listen"
	"mycoproxy/backend/pipe/warm"
	"mycoproxy/internal/memnet"
)

// A history is what random clients and random remotes do to one forwarder, all
// of it decided by a script of bytes. Whatever it is, no byte is lost, doubled
// or heard by another: history.check says what that means.

var (
	histories = flag.Int("histories", 20_000, "histories of the property test")
	firstSeed = flag.Uint64("seed", 1, "the first of their seeds")
)

func TestHistories(t *testing.T) {
	eachSeed(t, *histories, runInMemory)
}

// The same over sockets of the system, with more data, so that the kernel moves
// it, and a hundred times as fast.
func TestHistoriesOverSockets(t *testing.T) {
	eachSeed(t, *histories/200, runOverSockets)
}

func eachSeed(t *testing.T, n int, run func(*testing.T, []byte) error) {
	const workers = 4
	for w := range workers {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			for i := w; i < n && !t.Failed(); i += workers {
				seed := *firstSeed + uint64(i)
				if err := run(t, scriptOf(seed)); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

func FuzzHistory(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(scriptOf(seed))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if err := runInMemory(t, script); err != nil {
			t.Error(err)
		}
	})
}

// scriptOf is the script of a seed.
func scriptOf(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 14))
	return randomBytes(random, 40+random.IntN(200))
}

// script is the decisions that are left. Where it has ended, all are zero.
type script []byte

func (s *script) below(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

func (s *script) oneIn(n int) bool { return s.below(n) == n-1 }

// upTo is a duration, more often a short one.
func (s *script) upTo(most time.Duration) time.Duration {
	d := most * time.Duration(s.below(16)) / 15
	if s.oneIn(2) {
		d /= 50
	}
	return d
}

// history is what happened.
type history struct {
	network   network
	isReal    bool // time is real, so that what is late cannot be told from what is wrong
	mu        sync.Mutex
	remotes   []*remote
	clients   []*client
	heard     []*heard
	isOrderly bool // nothing is switched, and no remote misbehaves but towards idle connections
	counted   backend.Streams
	open      int
}

// remote is a server and how it behaves.
type remote struct {
	addr       netip.AddrPort
	delay      time.Duration // of a dial
	refuses    bool
	answersIn  time.Duration // after the greeting
	silent     bool          // never answers
	fickle     bool          // every other time hears more, and resets, instead of answering the greeting
	inPieces   bool
	slow       bool          // reads little at a time
	idleLimit  time.Duration // closes what has not said a request; zero: never
	idleResets bool
	endsAfter  int // bytes heard, at which it ends; zero: never
	resets     bool
	banner     bool          // speaks first
	locked     bool          // answers the greeting otherwise
	oneAtATime chan struct{} // of capacity 1; nil: it serves all
}

// heard is one connection as its remote saw it.
type heard struct {
	remote  *remote
	got     []byte // from the forwarder
	gotEnd  bool   // and its end
	sent    []byte
	sentEnd bool // by itself, having read to the end
}

// client is an application.
type client struct {
	id       int
	greeting []byte
	says     []byte // all of it: greeting, login, request, data
	plain    int    // length of the greeting if it offers no password
	data     int    // where the data begins
	once     int    // from here on nothing must be heard twice
	speaks   bool   // SOCKS
	starts   time.Duration
	waits    bool // for the answers to greeting and request
	gives    int  // bytes, after which it resets; zero: never

	said []byte
	mu   sync.Mutex
	got  []byte
	err  error         // io.EOF: a clean end
	news chan struct{} // got or err has changed
}

// network is what a history happens on.
type network struct {
	config  Config
	listen  func() net.Listener
	serve   func(r *remote, handle func(conn)) // sets the address of r, too
	connect func(f *Forwarder) (conn, error)
	haste   time.Duration // all takes this much less time
	size    int           // there is this much more data
	open    func() int    // connections that are left
}

// conn is a connection of TCP, or what is like one.
type conn interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// runInMemory plays the script, on fake time, and checks what came of it.
func runInMemory(t *testing.T, bytes []byte) (err error) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		h := &history{network: network{
			config: Config{Remote: warm.Config{Dial: n.Dial}},
			listen: func() net.Listener { return listenIn(t, &n) },
			serve: func(r *remote, handle func(conn)) {
				n.Delay(r.addr, r.delay)
				if !r.refuses {
					n.Serve(r.addr, func(c net.Conn) { handle(c.(conn)) })
				}
			},
			connect: func(*Forwarder) (conn, error) {
				c, err := n.Connect(here, loopback)
				if err != nil {
					return nil, err
				}
				return c.(conn), nil
			},
			haste: 1,
			size:  1,
			open: func() int {
				now, _ := n.Open()
				return now
			},
		}}
		h.play(t, bytes)
		synctest.Wait()
		err = h.check()
	})
	return err
}

// runOverSockets does so between sockets of the system.
func runOverSockets(t *testing.T, bytes []byte) error {
	h := &history{isReal: true, network: network{
		listen: func() net.Listener {
			l, err := listen.Bind(netip.MustParseAddrPort("127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		connect: func(f *Forwarder) (conn, error) {
			c, err := net.Dial("tcp", f.Addr().String())
			if err != nil {
				return nil, err
			}
			return c.(conn), nil
		},
		haste: 100,
		size:  100,
		open:  func() int { return 0 },
	}}
	var remotes []func()
	h.network.serve = func(r *remote, handle func(conn)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr = listen.AddrPort(l.Addr())
		if r.refuses {
			l.Close()
			return
		}
		var tasks sync.WaitGroup
		tasks.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				tasks.Go(func() {
					defer c.Close()
					handle(c.(conn))
				})
			}
		})
		remotes = append(remotes, func() {
			l.Close()
			tasks.Wait()
		})
	}
	h.play(t, bytes)
	for _, end := range remotes {
		end()
	}
	return h.check()
}

func (h *history) sleep(d time.Duration) { time.Sleep(d / h.network.haste) }

func (h *history) play(t *testing.T, bytes []byte) {
	s := script(bytes)
	h.isOrderly = s.oneIn(3)
	for i := range 1 + s.below(3) {
		h.addRemote(&s, i)
	}
	for i := range 1 + s.below(6) {
		h.addClient(&s, i)
	}
	h.network.config.Remote.Handshake = socks
	f := New(h.network.listen(), h.network.config)
	f.Switch(h.remotes[0].addr)
	f.KeepIdle([]warm.Kind{warm.Greeted, warm.Dialled, warm.None}[s.below(3)])
	served := make(chan struct{})
	go func() {
		f.Serve()
		close(served)
	}()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute/h.network.haste) // for those that wait in vain
	defer cancel()
	var all sync.WaitGroup
	for _, c := range h.clients {
		pieces := script(bytes[min(len(bytes), 17*(c.id+1)):])
		all.Go(func() { h.run(ctx, c, &pieces, f) })
	}
	if !h.isOrderly {
		for range s.below(6) {
			h.sleep(s.upTo(5 * time.Second))
			switch i := s.below(8); {
			case i == 7:
				f.Switch(netip.AddrPort{})
			case i == 6:
				f.KeepIdle(warm.Kind(s.below(3)))
			default:
				f.Switch(h.remotes[i%len(h.remotes)].addr)
			}
		}
	}
	all.Wait()
	f.Close()
	<-served
	f.Wait()
	if !h.isReal {
		time.Sleep(time.Hour) // for remotes that are still reading
	}
	h.counted, h.open = f.config.Counters.Load(), h.network.open()
}

func (h *history) addRemote(s *script, i int) {
	r := &remote{
		addr:  netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("407::%d", i+1)), 1080),
		delay: s.upTo(300 * time.Millisecond), answersIn: s.upTo(time.Second),
		inPieces: s.oneIn(3), slow: s.oneIn(4), idleResets: s.oneIn(2),
	}
	if s.oneIn(2) {
		r.idleLimit = time.Second + s.upTo(15*time.Second)
	}
	if !h.isOrderly {
		r.idleLimit /= time.Duration(1 + 99*s.below(2))
		r.refuses, r.silent, r.resets = s.oneIn(12), s.oneIn(8), s.oneIn(2)
		r.banner, r.locked, r.fickle = s.oneIn(12), s.oneIn(12), s.oneIn(3)
		if s.oneIn(3) {
			r.endsAfter = 1 + s.below(30)*s.below(30)
		}
		if s.oneIn(4) {
			r.oneAtATime = make(chan struct{}, 1)
		}
	}
	h.remotes = append(h.remotes, r)
	h.network.serve(r, func(c conn) { h.serve(r, c) })
}

func (h *history) addClient(s *script, id int) {
	c := &client{id: id, news: make(chan struct{}, 1), speaks: true, starts: s.upTo(20 * time.Second), waits: !s.oneIn(3)}
	name := fmt.Sprintf("client-%d", id)
	request := append([]byte{5, 1, 0, 3, byte(len(name))}, name+"\x00\x50"...)
	switch s.below(4) {
	case 0:
		request = []byte{5, 1, 0, 1, 192, 0, 2, byte(id), 0, 80}
	case 1:
		request = append(append([]byte{5, 1, 0, 4}, make([]byte, 15)...), byte(id), 0, 80)
	}
	data := bytes.Repeat([]byte(fmt.Sprintf("[%d]", id)), h.network.size*s.below(20)*s.below(100))
	switch s.below(8) {
	case 0, 1, 2:
		c.greeting = socks.Greeting
	case 3:
		c.greeting = []byte{5, 2, 0, 1}
	case 4: // a method that names the client makes its greeting known
		c.greeting = []byte{5, 3, 0, 2, 0x80 + byte(id)}
		if s.oneIn(2) {
			request = append(append([]byte{1, byte(len(name))}, name+"\x06secret"...), request...)
		}
	case 5:
		c.greeting, request = nil, append([]byte{4, 1, 0, 80, 192, 0, 2, 1}, name+"\x00"...)
	case 6:
		c.greeting, request, c.speaks = nil, []byte("GET /"+name+" HTTP/1.1\r\n\r\n"), false
	case 7:
		c.greeting, request, data, c.speaks = nil, nil, nil, false
	}
	c.says = append(append(bytes.Clone(c.greeting), request...), data...)
	if len(c.greeting) > 0 && !bytes.Contains(c.greeting[2:], []byte{2}) {
		c.plain = len(c.greeting)
	}
	c.data = len(c.says) - len(data)
	if c.once = c.data; bytes.Contains(request, []byte("secret")) {
		c.once = len(c.greeting)
	}
	if !h.isOrderly && s.oneIn(4) {
		c.gives = 1 + s.below(40)
	}
	h.clients = append(h.clients, c)
}

// serve is a remote's side of a connection. It echoes what comes behind the
// greeting.
func (h *history) serve(r *remote, c conn) {
	if r.oneAtATime != nil {
		r.oneAtATime <- struct{}{}
		defer func() { <-r.oneAtATime }()
	}
	seen := &heard{remote: r}
	h.mu.Lock()
	h.heard = append(h.heard, seen)
	fails := r.fickle && len(h.heard)%2 == 0
	h.mu.Unlock()
	if r.idleLimit > 0 {
		c.SetReadDeadline(time.Now().Add(r.idleLimit / h.network.haste))
	}
	if r.banner {
		h.say(seen, c, []byte("hello"))
	}
	answer := socks.Answer
	if r.locked {
		answer = []byte{5, 255}
	}
	greeting, buffer := 0, make([]byte, 64<<10)
	if r.slow {
		buffer = buffer[:100*h.network.size]
	}
	for {
		n, err := c.Read(buffer)
		seen.got = append(seen.got, buffer[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if r.idleResets {
				c.SetLinger(0)
			}
			return
		case err == io.EOF:
			seen.gotEnd, seen.sentEnd = true, true
			return
		case err != nil:
			return
		case r.endsAfter > 0 && len(seen.got) >= r.endsAfter:
			if r.resets {
				c.SetLinger(0)
			}
			return
		}
		if r.slow {
			h.sleep(50 * time.Millisecond)
		}
		if greeting == 0 {
			if greeting = lengthOfGreeting(seen.got); greeting == 0 {
				continue
			}
			if h.sleep(r.answersIn); fails {
				c.SetReadDeadline(time.Now().Add(100 * time.Millisecond / h.network.haste))
				n, _ := c.Read(buffer)
				seen.got = append(seen.got, buffer[:n]...)
				c.SetLinger(0)
				return
			}
			if !r.silent && seen.got[0] == 5 {
				h.say(seen, c, answer)
			}
			if r.idleLimit > 0 {
				c.SetReadDeadline(time.Now().Add(r.idleLimit / h.network.haste))
			}
			n = len(seen.got) - greeting
			copy(buffer, seen.got[greeting:])
		}
		if n > 0 {
			c.SetReadDeadline(time.Time{})
			if !r.silent && h.say(seen, c, buffer[:n]) != nil {
				return
			}
		}
	}
}

// lengthOfGreeting is zero while the greeting is not whole. That of SOCKS4 is none.
func lengthOfGreeting(got []byte) int {
	if got[0] == 5 && len(got) >= 2 && len(got) >= 2+int(got[1]) {
		return 2 + int(got[1])
	}
	if got[0] == 4 {
		return 1
	}
	return 0
}

func (h *history) say(seen *heard, c net.Conn, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if seen.remote.inPieces {
			n = (n + 1) / 2
		}
		seen.sent = append(seen.sent, b[:n]...)
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) > 0 {
			h.sleep(time.Millisecond)
		}
	}
	return nil
}

// run is the client.
func (h *history) run(ctx context.Context, c *client, pieces *script, f *Forwarder) {
	h.sleep(c.starts)
	conn, err := h.network.connect(f)
	if err != nil {
		c.err = err
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var reading sync.WaitGroup
	reading.Go(func() {
		buffer := make([]byte, 4096)
		for err := error(nil); err == nil; {
			var n int
			n, err = conn.Read(buffer)
			c.mu.Lock()
			c.got, c.err = append(c.got, buffer[:n]...), err
			c.mu.Unlock()
			select {
			case c.news <- struct{}{}:
			default:
			}
		}
	})
	h.speak(c, conn, pieces)
	reading.Wait()
}

func (h *history) speak(c *client, conn conn, pieces *script) {
	for rest := c.says; len(rest) > 0; rest = c.says[len(c.said):] {
		n := len(rest)
		alone := len(c.said) == 0 && len(c.greeting) > 0 && pieces.oneIn(2) // the greeting
		if alone {
			n = len(c.greeting)
		} else if pieces.oneIn(3) {
			n = min(n, 1+pieces.below(20))
		}
		for _, stage := range []int{c.data, len(c.greeting)} {
			switch left := stage - len(c.said); {
			case !c.waits || left < 0:
			case left > 0:
				n = min(n, left)
			case !c.hasGot(c.answersTo(stage)):
				return
			}
		}
		c.said = c.says[:len(c.said)+n]
		if _, err := conn.Write(rest[:n]); err != nil {
			return
		}
		if c.gives > 0 && len(c.said) >= c.gives {
			conn.SetLinger(0)
			conn.Close()
			return
		}
		if pieces.oneIn(4) && (!h.isOrderly || len(c.said) >= c.data) {
			h.sleep(pieces.upTo(3 * time.Second))
		} else if alone {
			h.sleep(pieces.upTo(300 * time.Millisecond))
		}
	}
	if len(c.says) > 0 {
		conn.CloseWrite()
	}
}

// answersTo is how many bytes an echoing proxy has answered to the first said.
func (c *client) answersTo(said int) int {
	if len(c.greeting) == 0 {
		return max(0, said-1)
	}
	return len(socks.Answer) + said - len(c.greeting)
}

// hasGot waits for n bytes. It returns false if they do not come.
func (c *client) hasGot(n int) bool {
	for {
		c.mu.Lock()
		got, err := len(c.got), c.err
		c.mu.Unlock()
		if got >= n || err != nil {
			return got >= n
		}
		<-c.news
	}
}

// check is the promise of the package.
func (h *history) check() error {
	if h.open != 0 || h.counted.Open != 0 {
		return fmt.Errorf("%d connections are left open, %d sessions counted so", h.open, h.counted.Open)
	}
	for _, seen := range h.heard {
		if len(h.speakers(seen)) == 0 && !bytes.HasPrefix(socks.Greeting, seen.got) {
			return fmt.Errorf("a remote heard %.60q, which no client said", seen.got)
		}
	}
	endedWell, speaking := true, 0
	var up, down int64
	for _, c := range h.clients {
		if err := h.checkClient(c); err != nil {
			return fmt.Errorf("client %d, which said %.40q (%d bytes) and got %.40q (%d bytes), %v: %w",
				c.id, c.said, len(c.said), c.got, len(c.got), c.err, err)
		}
		if c.speaks {
			speaking++
			endedWell = endedWell && c.err == io.EOF && len(c.said) == len(c.says)
			up, down = up+int64(len(c.said)), down+int64(len(c.got))
		}
	}
	switch {
	case speaking == 0 && len(h.heard) > 0:
		return errors.New("nobody has spoken, and a remote was connected to")
	case endedWell && h.isOrderly && (h.counted.BytesUp != up || h.counted.BytesDown != down):
		return fmt.Errorf("counted %d bytes up and %d down, want %d and %d", h.counted.BytesUp, h.counted.BytesDown, up, down)
	}
	return nil
}

// speakers are the clients that may have said what the remote has heard.
func (h *history) speakers(seen *heard) (all []*client) {
	for _, c := range h.clients {
		if c.speaks && bytes.HasPrefix(c.said, seen.got) {
			all = append(all, c)
		}
	}
	return all
}

// heardOf returns the connections that have heard more than the first bytes of
// the client, and of nobody else.
func (h *history) heardOf(c *client, first int) (all []*heard) {
	for _, seen := range h.heard {
		if by := h.speakers(seen); len(by) == 1 && by[0] == c && len(seen.got) > first {
			all = append(all, seen)
		}
	}
	return all
}

func (h *history) checkClient(c *client) error {
	if !c.speaks {
		if len(c.got) > 0 {
			return errors.New("it does not speak SOCKS and has got something")
		}
		return nil
	}
	all := h.heardOf(c, c.plain)
	for _, seen := range all {
		if seen.remote != all[0].remote {
			return errors.New("two remotes have heard it")
		}
	}
	if twice := h.heardOf(c, c.once); len(twice) > 1 {
		return fmt.Errorf("what must be said once was heard %d times", len(twice))
	}
	switch {
	case h.isOrderly && !h.isReal && c.waits && (c.err != io.EOF || len(c.said) < len(c.says)):
		return errors.New("nothing was wrong, and it was not served")
	case c.err != io.EOF || len(all) == 0:
		return nil
	}
	seen := all[len(all)-1]
	if !bytes.Equal(seen.sent, c.got) || seen.sentEnd && !bytes.Equal(seen.got, c.said) {
		return fmt.Errorf("it ended well, but the remote heard %d bytes and sent %d", len(seen.got), len(seen.sent))
	}
	return nil
}
