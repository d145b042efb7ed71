package pipe_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"

	"mycoproxy/backend/pipe"
	"mycoproxy/backend/pipe/listen"
)

// A forwarder to a server that knows no more of SOCKS than the greeting.
func Example() {
	server, _ := net.Listen("tcp", "127.0.0.1:0")
	defer server.Close()
	go func() {
		c, _ := server.Accept()
		io.ReadFull(c, make([]byte, 3)) // the greeting
		c.Write([]byte{5, 0})
		c.Close()
	}()

	l, err := listen.Bind(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		panic(err)
	}
	f := pipe.New(l, pipe.Config{})
	f.Switch(server.Addr().(*net.TCPAddr).AddrPort())
	served := make(chan error)
	go func() { served <- f.Serve() }()

	c, _ := net.Dial("tcp", f.Addr().String())
	defer c.Close()
	c.Write([]byte{5, 1, 0})
	answer, _ := io.ReadAll(c)
	fmt.Println(answer)

	f.Close()
	fmt.Println(<-served)
	f.Wait()
	// Output:
	// [5 0]
	// use of closed network connection
}
