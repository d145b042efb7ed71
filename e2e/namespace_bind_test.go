//go:build linux

package e2e

import (
	"fmt"
	"testing"
)

// A server can bind an address as soon as it is there.
func TestAddressesCanBeBoundAtOnce(t *testing.T) {
	lab := needLab(t)
	n, _ := ownPeer(t, lab)
	for i := range 100 {
		addr := fmt.Sprintf("40e:%x::1", i)
		if err := n.address("mycelium", addr+"/64"); err != nil {
			t.Fatal(err)
		}
		l, err := n.listen(at(addr).String())
		if err != nil {
			t.Fatalf("address %d: %v", i, err)
		}
		l.Close()
	}
}
