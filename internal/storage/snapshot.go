package storage

import (
	"zooid/internal/wire"
)

// The layout of a snapshot (FileSnap).
const (
	snapshotMagic   = 0x5a4b534e // "ZKSN"
	snapshotVersion = 2
	snapshotDBID    = -1
	snapshotHeader  = 16
	sealSize        = 13 // Adler-32 as a long, then the string "/"
)

// terminator is the string "/" that ends the nodes and each seal.
var terminator = []byte{0, 0, 0, 1, '/'}

// SnapshotTail is what stands behind the nodes.
type SnapshotTail struct {
	HasDigest  bool
	DigestZxid int64 // the transaction as of which Digest is
	Digest     int64 // of version wire.DigestVersion

	HasLastZxid bool
	LastZxid    int64 // the last transaction applied when the snapshot ended
}

// SnapshotInfo describes a snapshot that has been read or written.
type SnapshotInfo struct {
	Path     string
	Zxid     int64 // from the name
	Sessions int   // counted by the reader only, like the next two
	ACLs     int
	Nodes    int
	Bytes    int64 // uncompressed
	FileSize int64

	Tail          SnapshotTail
	DigestVersion int32  // of Tail.Digest when it was read
	Checksum      uint32 // in the last seal
}

// Sink takes the content of a snapshot in the order of the file: sessions,
// ACL lists, nodes, every parent before its children, the root first with the
// empty path. Slices and the stat are valid only during the call.
type Sink interface {
	// Session is given a session id and its timeout in ms.
	Session(id int64, timeout int32)
	// ACL is given a list as its encoded vector and the id by which nodes
	// name it.
	ACL(id int64, raw []byte)
	// Node is given a znode. An error ends the reading and is returned.
	Node(path, data []byte, aclID int64, st *wire.StatPersisted) error
}

// NodeDigest computes the digest of a node.
type NodeDigest = func(path, data []byte, st *wire.StatPersisted) uint32

// DigestSink is a Sink that wants a digest of each node, which can be computed
// before its turn.
type DigestSink interface {
	// Digester returns what computes it, on another goroutine than that of the
	// sink; nil for none.
	Digester() NodeDigest
	// NodeDigested is Node with the digest.
	NodeDigested(path, data []byte, aclID int64, st *wire.StatPersisted, digest uint32) error
}
