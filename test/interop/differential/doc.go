// Package differential holds the differential test: the same seeded random
// requests, valid and invalid, go to Apache's Java server and to the server
// under test in lock step, and every frame that comes back must be the same
// after masking times, session ids and the order of unordered lists.
//
// It is tests only. Run on the Java server (-server=java) it compares Apache's
// server with itself: that shows that the masks are enough.
package differential
