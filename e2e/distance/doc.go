// Package distance is a network with distances: a switch between network
// namespaces, for systems whose kernel cannot delay packets itself.
//
// [Open] makes a network device in the namespace of the calling thread, and
// [Start] forwards IPv6 packets between such devices, each over a [Link] with a
// delay, a loss and a rate of its own. The round trip between two namespaces is
// twice the sum of their delays. Packets of one link to another are never
// reordered, and they are late by less than a tenth of a millisecond unless the
// machine is busy. A device is given its addresses and routes by the caller, and
// goes with the switch.
package distance
