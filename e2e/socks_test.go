//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// What applications say to a proxy first: that they offer no password, as browsers
// and the service's own probe do, or GSSAPI too, as curl does, or a password too.
const (
	plainGreeting    = "\x05\x01\x00"
	gssapiGreeting   = "\x05\x02\x00\x01"
	passwordGreeting = "\x05\x02\x00\x02"
)

// login is that of RFC 1929, with the password that danteauth and microauth want.
const login = "\x01\x08sockuser\x08sockpass"

// step is one thing that a SOCKS client says, how the answer must begin, and how
// long the answer is.
type step struct {
	say, answer string
	length      int
}

// steps lead through a proxy to the echo server behind the peers.
func steps(greeting string, withLogin bool) (all []step) {
	if withLogin {
		all = append(all, step{greeting, "\x05\x02", 2}, step{login, "\x01\x00", 2})
	} else {
		all = append(all, greeted(greeting))
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

// greeted is a greeting to a server that wants no password.
func greeted(greeting string) step { return step{greeting, "\x05\x00", 2} }

// take takes the steps as usual clients do, who wait for each answer.
func take(c net.Conn, steps []step) error {
	for _, s := range steps {
		if _, err := io.WriteString(c, s.say); err != nil {
			return err
		}
		if err := s.read(c); err != nil {
			return err
		}
	}
	return nil
}

// take does the same over a stream of its own.
func (s *service) take(steps []step) error {
	c, err := s.stream()
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	return take(c, steps)
}

// warmUp makes streams until there are spares for more of their kind.
func (s *service) warmUp(steps []step) {
	s.t.Helper()
	eventually(s.t, "spares", 10*time.Second, func() bool {
		return s.take(steps) == nil && s.toRemote() >= 2+int(s.state().Streams.Open)
	})
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

// randomBytes are the same in each run; no two pieces of them are alike, so that
// one too many or too few is noticed.
func randomBytes(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}
