// Package e2e tests the program as it is run: the built binary in network
// namespaces of its own, between real SOCKS servers and real clients.
//
// The lab has a laptop for each test, and peers with overlay addresses: dante,
// microsocks, ssh -D, and servers that are no proxies or misbehave. Behind the
// peers, and only they can reach it, is a web server by the name of web.test.
//
// What needs a user manager, the service at login and the packages, is tested in
// a container with a systemd of its own.
//
// The tests need root, and packages that "make setup-ci" installs. Without them
// they are skipped by name, or fail if CI=true.
package e2e
