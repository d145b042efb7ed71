package mycelium

import (
	"math/bits"
	"net/netip"

	"lukechampine.com/blake3"
)

// Address derives a node's overlay address from its public key, as the daemon
// does: the first 16 bytes of BLAKE3(key), the first byte replaced by 0x04, or
// by 0x05 if it had an odd number of bits set.
func Address(key [32]byte) netip.Addr {
	sum := blake3.Sum256(key[:])
	addr := [16]byte(sum[:16])
	addr[0] = 0x04 | byte(bits.OnesCount8(addr[0])&1)
	return netip.AddrFrom16(addr)
}
