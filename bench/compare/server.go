//go:build linux

package main

import (
	"io"
	"net"
	"time"
)

const (
	blockSize = 256 << 10 // of bulk streams, for each read and write
	pieceSize = 1400      // of paced streams, for each write
)

// hello is what a client sends first: a 5, as a SOCKS client does, because a
// forwarder may refuse others, and what the server is to do with the connection.
type hello string

const (
	helloStream hello = "\x05s" // send zeroes as fast as it goes
	helloPaced  hello = "\x05p" // send ten pieces each millisecond
	helloDrip   hello = "\x05d" // send one piece each tenth of a millisecond
	helloEcho   hello = "\x05e" // send back what comes
)

// serve is the server behind the forwarders. It returns when it cannot go on.
func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return serveOn(l)
}

func serveOn(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

// answer does what the client asks for until that ends the connection.
func answer(c net.Conn) {
	defer c.Close()
	var first [2]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		return
	}
	switch hello(first[:]) {
	case helloStream:
		block := make([]byte, blockSize)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	case helloPaced:
		pace(c, 10, time.Millisecond)
	case helloDrip:
		pace(c, 1, time.Millisecond/10)
	case helloEcho:
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
	}
}

// pace writes some pieces in each interval. What it is late for it makes up.
func pace(c net.Conn, pieces int, interval time.Duration) {
	piece := make([]byte, pieceSize)
	for next := time.Now().Add(interval); ; next = next.Add(interval) {
		for range pieces {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
		time.Sleep(time.Until(next))
	}
}
