//go:build linux

package e2e

import (
	"fmt"
	"net"
	"testing"
	"time"
)

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
					c := s.mustStream()
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
				if err := s.take(steps); err != nil {
					t.Errorf("%s: afterwards a client that waits for answers fails: %v", server.name, err)
				}
				eventually(t, "all streams end", 5*time.Second, func() bool { return s.state().Streams.Open == 0 })
			}
		})
	}
}
