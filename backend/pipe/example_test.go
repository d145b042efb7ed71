package pipe_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"

	"mycoproxy/backend/pipe"
)

// A forwarder to a server that says hello.
func Example() {
	server, _ := net.Listen("tcp", "127.0.0.1:0")
	defer server.Close()
	go func() {
		c, _ := server.Accept()
		io.WriteString(c, "hello")
		c.Close()
	}()

	l, err := pipe.Bind(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		panic(err)
	}
	f := pipe.NewForwarder(l, pipe.Options{})
	f.Switch(server.Addr().(*net.TCPAddr).AddrPort())
	served := make(chan error)
	go func() { served <- f.Serve() }()

	c, _ := net.Dial("tcp", f.Addr().String())
	defer c.Close()
	heard, _ := io.ReadAll(c)
	fmt.Printf("%s\n", heard)

	f.Close()
	fmt.Println(<-served)
	f.Wait()
	// Output:
	// hello
	// use of closed network connection
}
