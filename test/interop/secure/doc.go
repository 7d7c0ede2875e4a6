// Package secure holds the TLS of the client port against Apache's: foreign
// clients speak it to the server under test, and the same odd ones, who show no
// certificate, an old one, or that of a stranger, are let in and kept out by
// both servers alike.
//
// It belongs to the interop ring (make interop).
package secure
