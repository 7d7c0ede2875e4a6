// Package cli holds the shell against Apache's: the same commands go through
// ZooKeeperMain and through `zooid cli`, each with a fresh server of its own,
// and what they print to standard output and standard error and their exit
// codes must be the same, apart from times, ids and the differences that
// differences_test.go lists with their reasons.
//
// It belongs to the interop ring (make interop). It must never judge an
// answer of the server: both shells talk to servers of one kind.
package cli
