//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An upload arrives whole at a remote that reads slowly, over a spare of either
// kind, however many bytes the service reads first.
func TestUploadToASlowReader(t *testing.T) {
	lab := needLab(t)
	data := randomBytes(6 << 20)
	for name, greeting := range map[string]string{"greeted spares": plainGreeting, "dialled spares": passwordGreeting} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, addr := startStandIn(t, lab, func(c *heardConn) {
				c.Conn.(*net.TCPConn).SetReadBuffer(32 << 10)
				begin := make([]byte, 100)
				n, err := c.Read(begin)
				if err != nil {
					return
				}
				// A greeting alone is answered at once. What comes with more of the upload is answered
				// at the end, so that all the while nothing tells the service that the upload is heard.
				greeting := int(begin[1]) + 2
				if n == greeting {
					c.Write([]byte{5, 0})
				}
				got := append(begin[greeting:n:n], readSlowly(c.Conn)...)
				if n > greeting {
					c.Write([]byte{5, 0})
				}
				io.WriteString(c, verdict(got, data))
			})
			s := serve(t, lab, asPeers(addr)...)
			s.until("one scan", 10*time.Second, scanned)
			s.connectTo(addr)
			var uploads sync.WaitGroup
			defer uploads.Wait()
			for _, first := range []int{len(greeting), len(greeting) + 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 32 << 10, 64 << 10} {
				s.warmUp([]step{greeted(greeting)})
				c := s.mustStream()
				uploads.Go(func() {
					defer c.Close()
					if err := s.upload(c, greeting, data, first); err != nil {
						t.Errorf("when the service reads %d bytes first: %v", first, err)
					}
				})
				s.hasRead(c)
			}
		})
	}
}

// readSlowly reads to the end.
func readSlowly(c net.Conn) (all []byte) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	piece := make([]byte, 8<<10)
	for {
		n, err := c.Read(piece)
		all = append(all, piece[:n]...)
		if err != nil {
			return all
		}
		<-tick.C
	}
}

// verdict is what a server answers that has read all.
func verdict(got, want []byte) string {
	if bytes.Equal(got, want) {
		return "whole"
	}
	return fmt.Sprintf("%d of %d bytes", len(got), len(want))
}

// upload sends a greeting and data, and reads what the server thinks of them. The
// service reads the first bytes before more are sent.
func (s *service) upload(c net.Conn, greeting string, data []byte, first int) error {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	all := append([]byte(greeting), data...)
	if _, err := c.Write(all[:first]); err != nil {
		return err
	}
	s.hasRead(c)
	if _, err := c.Write(all[first:]); err != nil {
		return err
	}
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err == nil && string(answer) != "\x05\x00whole" {
		err = fmt.Errorf("the remote says %q", answer)
	}
	return err
}

// A byte of urgent data stops neither direction: it arrives or is dropped, and all
// others arrive.
func TestUrgentData(t *testing.T) {
	lab := needLab(t)
	data := randomBytes(8 << 20)
	_, _, addr := startStandIn(t, lab, func(c *heardConn) {
		if readGreeting(c) != nil {
			return
		}
		c.Write([]byte{5, 0})
		direction := make([]byte, 1)
		io.ReadFull(c, direction)
		switch direction[0] {
		case 'u':
			got, _ := io.ReadAll(c.Conn)
			io.WriteString(c, verdict(withoutUrgent(got), data))
		case 'd':
			sendUrgently(c.Conn.(*net.TCPConn), data)
			c.Conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c.Conn)
		}
	})
	s := serve(t, lab, asPeers(addr)...)
	s.until("one scan", 10*time.Second, scanned)
	s.connectTo(addr)
	var streams sync.WaitGroup
	for range 5 {
		for _, direction := range []string{"u", "d"} {
			streams.Go(func() {
				c, err := s.stream()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(15 * time.Second))
				io.WriteString(c, plainGreeting)
				if err := greeted(plainGreeting).read(c); err != nil {
					t.Error(err)
					return
				}
				io.WriteString(c, direction)
				if direction == "u" {
					sendUrgently(c.(*net.TCPConn), data)
					c.(*net.TCPConn).CloseWrite()
				}
				got, err := io.ReadAll(c)
				outcome := string(got)
				if direction == "d" {
					outcome = verdict(withoutUrgent(got), data)
				}
				if err != nil || outcome != "whole" {
					t.Errorf("%s: %.50q, %v", direction, outcome, err)
				}
			})
		}
	}
	streams.Wait()
	eventually(t, "all streams end", 10*time.Second, func() bool { return s.state().Streams.Open == 0 })
}

// urgent is the byte that is sent out of the order of the others.
const urgent = '!'

// sendUrgently sends data with a byte of urgent data in the middle.
func sendUrgently(c *net.TCPConn, data []byte) error {
	if _, err := c.Write(data[:len(data)/2]); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	if err := raw.Write(func(fd uintptr) bool {
		_, sendErr = unix.SendmsgN(int(fd), []byte{urgent}, nil, nil, unix.MSG_OOB)
		return sendErr != unix.EAGAIN
	}); err != nil {
		return err
	}
	if sendErr != nil {
		return sendErr
	}
	_, err = c.Write(data[len(data)/2:])
	return err
}

// withoutUrgent takes the urgent byte out of what has arrived, if it is there.
func withoutUrgent(got []byte) []byte {
	if middle := len(got) / 2; len(got)%2 == 1 && got[middle] == urgent {
		return append(got[:middle:middle], got[middle+1:]...)
	}
	return got
}
