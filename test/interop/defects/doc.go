// Package defects holds one named test for each of ZooKeeper's own defects
// that concern a single server: it must not be possible with Zooid. A defect
// that Apache's 3.9.5 has mended is tested on it just the same; of one that it
// still has, the test shows there that it strikes. It is tests only.
package defects
