package mycelium_test

import (
	"encoding/hex"
	"fmt"

	"mycoproxy/backend/mycelium"
)

func ExampleAddress() {
	var key [32]byte
	hex.Decode(key[:], []byte("3e6632a0ccd707b5b0696f4467d64c9a2950a2b16fac75205fa5b961c817843d"))
	fmt.Println(mycelium.Address(key))
	// Output: 4a7:7a2f:db93:b77a:99e8:2d77:6ee6:2a01
}
