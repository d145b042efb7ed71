// Package distance is a network with distances: a switch between network
// namespaces, for systems whose kernel cannot delay packets itself.
//
// [Open] makes a network device in the namespace of the calling thread, and
// [Start] forwards IPv6 packets between such devices, each over a [Cable] with a
// delay, a loss and a rate of its own. The round trip between two namespaces is
// twice the sum of their delays. Packets from one cable to another are never
// reordered, and they are late by less than a tenth of a millisecond unless the
// machine is busy. The caller gives a device its addresses and routes; Close
// removes it.
package distance
