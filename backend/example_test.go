package backend_test

import (
	"fmt"

	"mycoproxy/backend"
)

func ExampleParseAddress() {
	for _, s := range []string{"407:8458:dbf5:4ed7::1", "socks5://[407:8458:dbf5:4ed7::1]:1081", "127.0.0.1:9050", "example.org"} {
		addr, err := backend.ParseAddress(s)
		fmt.Println(addr, err != nil)
	}
	// Output:
	// [407:8458:dbf5:4ed7::1]:1080 false
	// [407:8458:dbf5:4ed7::1]:1081 false
	// 127.0.0.1:9050 false
	// invalid AddrPort true
}
