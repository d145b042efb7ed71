//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// step is one thing that a SOCKS client says, and the length of the answer, which
// begins with these bytes.
type step struct {
	say, answer string
	length      int
}

// steps are those of a client on its way to the echo server behind the peers.
func steps(greeting string, withLogin bool) (all []step) {
	if withLogin {
		all = append(all, step{greeting, "\x05\x02", 2}, step{login, "\x01\x00", 2})
	} else {
		all = append(all, step{greeting, "\x05\x00", 2})
	}
	request := "\x05\x01\x00\x01" + string(net.ParseIP(webAddress).To4()) + "\x00\x07"
	return append(all, step{request, "\x05\x00\x00\x01", 10})
}

// read reads the answer to a step.
func (s step) read(c net.Conn) error {
	got := make([]byte, s.length)
	n, err := io.ReadFull(c, got)
	if err != nil {
		return fmt.Errorf("%x is answered %x: %w", s.say, got[:n], err)
	}
	if !strings.HasPrefix(string(got), s.answer) {
		return fmt.Errorf("%x is answered %x", s.say, got)
	}
	return nil
}

// pipelining says everything, and data, before it reads an answer; what it says
// first comes in one segment.
func pipelining(c net.Conn, steps []step, data []byte) error {
	var first []byte
	for _, s := range steps {
		first = append(first, s.say...)
	}
	if _, err := c.Write(append(first, data[:1000]...)); err != nil {
		return err
	}
	go c.Write(data[1000:])
	for _, s := range steps {
		if err := s.read(c); err != nil {
			return err
		}
	}
	return comesBack(c, data)
}

// byteByByte waits for each answer, and says everything, the beginning of data
// too, in segments of one byte.
func byteByByte(c net.Conn, steps []step, data []byte) error {
	slowly := func(text []byte) (err error) {
		for i := 0; i < len(text) && err == nil; i++ {
			if _, err = c.Write(text[i : i+1]); err == nil {
				err = acknowledged(c)
			}
		}
		return err
	}
	for _, s := range steps {
		if err := slowly([]byte(s.say)); err != nil {
			return err
		}
		if err := s.read(c); err != nil {
			return err
		}
	}
	if err := slowly(data[:100]); err != nil {
		return err
	}
	go c.Write(data[100:])
	return comesBack(c, data)
}

// comesBack reads data from an echo server.
func comesBack(c net.Conn, data []byte) error {
	got := make([]byte, len(data))
	n, err := io.ReadFull(c, got)
	if err != nil {
		return fmt.Errorf("%d of %d bytes come back: %w", n, len(data), err)
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("other bytes come back")
	}
	return nil
}

// randomBytes are never the same, so that a piece too many or too few is noticed.
func randomBytes(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

// Clients that do not wait for answers, and clients whose bytes come one at a time,
// through servers that serve such clients.
func TestPipeliningAndDividedMessages(t *testing.T) {
	lab := needLab(t)
	data := randomBytes(8 << 20)
	for _, warm := range []bool{true, false} {
		t.Run(fmt.Sprintf("warm=%v", warm), func(t *testing.T) {
			t.Parallel()
			s := serveOn(t, lab.laptop(t), []string{"env", fmt.Sprintf("MYCOPROXY_WARM=%v", warm)},
				asPeers(addressOf("dante"), addressOf("micro"), addressOf("sshdynamic"))...)
			s.until("one scan", 10*time.Second, scanned)
			for _, server := range []struct {
				name, greeting string
				login, serves  bool
			}{
				{"dante", plainGreeting, false, true},
				{"dante", passwordGreeting, false, true},
				{"danteauth", passwordGreeting, true, true},
				{"sshdynamic", plainGreeting, false, true},
				{"sshdynamic", passwordGreeting, false, true},
				// microsocks takes what one read brings for one message.
				{"micro", plainGreeting, false, false},
				{"micro", passwordGreeting, false, false},
				{"microauth", passwordGreeting, true, false},
			} {
				s.connect(server.name)
				steps := steps(server.greeting, server.login)
				if warm {
					s.warmUp(steps)
				}
				for name, speak := range map[string]func(net.Conn, []step, []byte) error{"pipelining": pipelining, "byte by byte": byteByByte} {
					c, err := s.stream()
					if err != nil {
						t.Fatal(err)
					}
					data, limit := data, 30*time.Second
					if !server.serves {
						data, limit = data[:50_000], 300*time.Millisecond
					}
					c.SetDeadline(time.Now().Add(limit))
					if err := speak(c, steps, data); err != nil && server.serves {
						t.Errorf("%s, greeting %x, %s: %v", server.name, server.greeting, name, err)
					}
					c.Close()
				}
				if err := s.walk(steps); err != nil {
					t.Errorf("%s: afterwards a client that waits for answers fails: %v", server.name, err)
				}
				eventually(t, "all streams end", 5*time.Second, func() bool { return s.state().Streams.Open == 0 })
			}
		})
	}
}

// walk takes the steps as usual clients do, over a stream of its own.
func (s *service) walk(steps []step) error {
	c, err := s.stream()
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	for _, step := range steps {
		if _, err := io.WriteString(c, step.say); err != nil {
			return err
		}
		if err := step.read(c); err != nil {
			return err
		}
	}
	return nil
}

// warmUp makes streams until there are spares for more of their kind.
func (s *service) warmUp(steps []step) {
	s.t.Helper()
	eventually(s.t, "spares", 10*time.Second, func() bool { return s.walk(steps) == nil && s.toRemote() >= 2 })
}
