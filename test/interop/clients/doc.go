// Package clients holds the tests with the clients that exist: kazoo, Apache's
// Java client and its shell, Curator's recipes, the C client, go-zookeeper/zk
// with its own test suite, and a Node client. It is tests only.
//
// Each foreign suite is one program with named cases; every case gets a server
// of its own, and speaks to the harness by lines that begin with "@".
package clients
