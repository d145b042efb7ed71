package main

import (
	"io"
	"net"
)

const blockSize = 256 << 10 // of bulk streams, for each read and write

// What the server is to do with a connection: the first byte that a client sends.
const (
	helloStream = "s" // send zeroes
	helloEcho   = "e" // send back what comes
)

// serve is the server behind the forwarders. It returns when it cannot go on.
func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	var hello [1]byte
	if _, err := io.ReadFull(c, hello[:]); err != nil {
		return
	}
	switch string(hello[:]) {
	case helloStream:
		block := make([]byte, blockSize)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	case helloEcho:
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(b[:n])
		}
	}
}
