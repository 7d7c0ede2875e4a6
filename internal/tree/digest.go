package tree

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"zooid/internal/wire"
)

// Digest returns the digest of the tree: the sum of the digests of its nodes.
// It is 0 without Options.Digest. A read.
func (t *Tree) Digest() uint64 { return t.digest }

var systemPrefix = []byte("/zookeeper/")

// digested reports whether a path counts: servers differ below /zookeeper.
func digested(path []byte) bool { return !bytes.HasPrefix(path, systemPrefix) }

// Digester computes digests of nodes: what each adds to the digest of the
// tree. Prep predicts the digest of a transaction with it. The zero value is
// ready; its buffer is what makes it fast and keeps it from allocating.
//
// The digest is that of DigestCalculator, version 2: the CRC-32 of path, data
// and stat.
type Digester struct {
	buf    []byte // the beginning, and behind it the stat
	prefix int    // length of the beginning in buf
	crc    uint32 // CRC of a beginning too long to be copied
}

const (
	digestStat = 60   // bytes of the stat in a digest
	digestCopy = 1024 // data above is not copied
)

// Begin takes the path ("/" is the root, as "" is) and data (nil for null) of
// a node for one or more calls of Stat. It returns false below /zookeeper,
// where the digest of every node is 0 and Stat must not be called.
func (g *Digester) Begin(path, data []byte) bool {
	if !digested(path) {
		return false
	}
	if len(path) == 1 && path[0] == '/' {
		path = nil
	}
	g.crc, g.buf = 0, append(g.buf[:0], path...)
	if len(data) <= digestCopy {
		g.buf = append(g.buf, data...)
	} else {
		g.crc = crc32.Update(crc32.ChecksumIEEE(g.buf), crc32.IEEETable, data)
		g.buf = g.buf[:0]
	}
	g.prefix = len(g.buf)
	return true
}

// Stat returns the digest of the node that Begin was given, with this stat.
func (g *Digester) Stat(s *wire.StatPersisted) uint32 {
	g.buf = grow(g.buf[:g.prefix], digestStat)
	putStat(g.buf[g.prefix:], s)
	return crc32.Update(g.crc, crc32.IEEETable, g.buf)
}

func putStat(b []byte, s *wire.StatPersisted) {
	_ = b[digestStat-1]
	binary.BigEndian.PutUint64(b[0:], uint64(s.Czxid))
	binary.BigEndian.PutUint64(b[8:], uint64(s.Mzxid))
	binary.BigEndian.PutUint64(b[16:], uint64(s.Pzxid))
	binary.BigEndian.PutUint64(b[24:], uint64(s.Ctime))
	binary.BigEndian.PutUint64(b[32:], uint64(s.Mtime))
	binary.BigEndian.PutUint32(b[40:], uint32(s.Version))
	binary.BigEndian.PutUint32(b[44:], uint32(s.Cversion))
	binary.BigEndian.PutUint32(b[48:], uint32(s.Aversion))
	binary.BigEndian.PutUint64(b[52:], uint64(s.EphemeralOwner))
}

// Node returns the digest of one node, 0 below /zookeeper.
func (g *Digester) Node(path, data []byte, s *wire.StatPersisted) uint32 {
	if !g.Begin(path, data) {
		return 0
	}
	return g.Stat(s)
}

// open takes a node out of the tree's digest before a change; true asks for
// close once it is done. After a change of data add does it.
func (t *Tree) open(path []byte, n *node) bool {
	if !t.opt.Digest || !t.digester.Begin(path, t.data(n)) {
		return false
	}
	var s wire.StatPersisted
	t.persisted(n, &s)
	t.digest -= uint64(t.digester.Stat(&s))
	return true
}

// close puts the node opened last back with its new stat.
func (t *Tree) close(opened bool, n *node) {
	if opened {
		var s wire.StatPersisted
		t.persisted(n, &s)
		t.digest += uint64(t.digester.Stat(&s))
	}
}

// add puts a new node, or one with new data, into the tree's digest.
func (t *Tree) add(path []byte, n *node) {
	if t.opt.Digest {
		t.close(t.digester.Begin(path, t.data(n)), n)
	}
}

// redigest computes the digest of the whole tree.
func (t *Tree) redigest() {
	t.digest = 0
	if !t.opt.Digest {
		return
	}
	for i := uint32(Root); i != 0; i = t.following(i) {
		t.scratch = t.appendPath(t.scratch[:0], i)
		t.add(t.scratch, t.nodes.at(i))
	}
}

// following returns the node behind another in pre-order, or 0.
func (t *Tree) following(i uint32) uint32 {
	if c := t.firstChild(t.nodes.at(i)); c != 0 {
		return c
	}
	return t.afterSubtree(i)
}

// afterSubtree returns the node behind the last descendant of another in
// pre-order, or 0.
func (t *Tree) afterSubtree(i uint32) uint32 {
	for i != 0 {
		n := t.nodes.at(i)
		if n.nextSib != 0 {
			return n.nextSib
		}
		i = n.parent
	}
	return 0
}
