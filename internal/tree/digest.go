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

// NodeDigest returns the digest of one node with the given path, data (nil for
// null) and stat, or 0 below /zookeeper: what it adds to the digest of the
// tree. "/" is the root, as "" is. Prep predicts the digest of a transaction
// with it. It allocates nothing.
//
// The digest is that of DigestCalculator, version 2.
func NodeDigest(path, data []byte, s *wire.StatPersisted) uint32 {
	if !digested(path) {
		return 0
	}
	if len(path) == 1 && path[0] == '/' {
		path = nil
	}
	crc := crc32.ChecksumIEEE(path)
	if len(data) > 0 {
		crc = crc32.Update(crc, crc32.IEEETable, data)
	}
	var tail [statTail]byte
	putStat(&tail, s)
	return crcTail(crc, &tail)
}

// statTail is the size of the part of a digest that comes from the stat.
const statTail = 60

func putStat(b *[statTail]byte, s *wire.StatPersisted) {
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

// crcTables are the tables of CRC-32 (IEEE) for eight bytes at a time.
var crcTables = func() (t [8][256]uint32) {
	t[0] = *crc32.IEEETable
	for i := range t[0] {
		for j := 1; j < 8; j++ {
			c := t[j-1][i]
			t[j][i] = c>>8 ^ t[0][byte(c)]
		}
	}
	return t
}()

// crcTail goes on with a CRC over a stat. It is here because the library's
// function makes its argument escape to the heap.
func crcTail(crc uint32, b *[statTail]byte) uint32 {
	crc = ^crc
	for i := 0; i < 56; i += 8 {
		crc ^= binary.LittleEndian.Uint32(b[i:])
		crc = crcTables[0][b[i+7]] ^ crcTables[1][b[i+6]] ^ crcTables[2][b[i+5]] ^ crcTables[3][b[i+4]] ^
			crcTables[4][crc>>24] ^ crcTables[5][crc>>16&0xff] ^ crcTables[6][crc>>8&0xff] ^ crcTables[7][crc&0xff]
	}
	for _, c := range b[56:] {
		crc = crcTables[0][byte(crc)^c] ^ crc>>8
	}
	return ^crc
}

// nodeDigest is the digest of a node at its path as it stands.
func (t *Tree) nodeDigest(path []byte, n *node) uint64 {
	var s wire.StatPersisted
	t.persisted(n, &s)
	return uint64(NodeDigest(path, t.data(n), &s))
}

// undigest takes a node out of the tree's digest before a change.
func (t *Tree) undigest(path []byte, n *node) {
	if t.opt.Digest {
		t.digest -= t.nodeDigest(path, n)
	}
}

// enddigest puts it back after the change.
func (t *Tree) enddigest(path []byte, n *node) {
	if t.opt.Digest {
		t.digest += t.nodeDigest(path, n)
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
		t.digest += t.nodeDigest(t.scratch, t.nodes.at(i))
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
