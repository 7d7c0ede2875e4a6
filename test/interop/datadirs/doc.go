// Package datadirs holds the tests of the data directories in both
// directions: what one implementation wrote, the other must load with equal
// znodes, Stats, ACLs, sessions and last zxid, go on from there, and hand it
// back. It is tests only.
package datadirs
