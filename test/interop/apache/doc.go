// Package apache runs Apache's own JUnit tests of what clients see against
// Zooid. It is tests only.
//
// Those tests start a Java server in their own process. The classes in java/
// put a process of Zooid in its place: where a test makes a connection factory
// it gets one that starts `zooid server` (ZooidFactory), and where it makes a
// QuorumPeer, that one's methods are replaced by such a process and questions
// to it (Peers, Patch). What reaches into the server otherwise, for its beans,
// its database or its processors, cannot work and is left out, by name and with
// the reason, in classes_test.go.
package apache
