// Package loadgen is a load generator for any ZooKeeper server: sessions over
// raw sockets, many requests in flight, latencies in a histogram.
//
// It stands outside the way of a request, at the other end of the socket. The
// command zooid bench gives it to users and test/bench compares servers with
// it. It has its own tiny client, so that it depends on no other part of the
// project than the encoding, and so that it costs next to nothing: it shares
// the cores of the machine with the server that it measures. Few event loops
// (one for two cores) serve all connections; a loop reads what a socket has, counts
// the replies in it, and sends as many new requests in one write. Nothing is
// allocated for a request.
//
// It must never touch znodes that it did not create, and it must end: every
// wait has a limit.
package loadgen
