package tree

import "encoding/binary"

// The blob of a node is the length of its name (one byte, or 255 and four more
// bytes), the name and the data.

const longName = 255

func nameHead(n int) int {
	if n < longName {
		return 1
	}
	return 5
}

// newBlob stores name and data together.
func (t *Tree) newBlob(name, data []byte) blob {
	b := t.blobs.alloc(nameHead(len(name)) + len(name) + len(data))
	p := t.blobs.bytes(b)
	copy(p[putName(p, name):], data)
	return b
}

// putName writes the name and returns where the data begins.
func putName(p, name []byte) int {
	h := nameHead(len(name))
	if h == 1 {
		p[0] = byte(len(name))
	} else {
		p[0] = longName
		binary.LittleEndian.PutUint32(p[1:], uint32(len(name)))
	}
	return h + copy(p[h:], name)
}

// splitName returns the name in a blob and what follows it.
func splitName(p []byte) (name, rest []byte) {
	if n := int(p[0]); n < longName {
		return p[1 : 1+n : 1+n], p[1+n:]
	}
	n := 5 + int(binary.LittleEndian.Uint32(p[1:]))
	return p[5:n:n], p[n:]
}

func (t *Tree) name(n *node) []byte {
	name, _ := splitName(t.blobs.bytes(n.blob))
	return name
}

func (t *Tree) data(n *node) []byte {
	if n.dataLen < 0 {
		return nil
	}
	_, rest := splitName(t.blobs.bytes(n.blob))
	return rest[:n.dataLen:n.dataLen]
}

func dataLen(data []byte) int32 {
	if data == nil {
		return -1
	}
	return int32(len(data))
}

// setData replaces the data of a node, in place when the size class stays.
func (t *Tree) setData(i uint32, data []byte) {
	n := t.nodes.at(i)
	p := t.blobs.bytes(n.blob)
	name, rest := splitName(p)
	head := len(p) - len(rest)
	if t.blobs.fits(n.blob, head+len(data)) {
		copy(rest, data)
	} else {
		old := n.blob
		n.blob = t.newBlob(name, data)
		t.blobs.release(old)
	}
	was := max(n.dataLen, 0)
	n.dataLen = dataLen(data)
	if diff := int64(len(data)) - int64(was); diff != 0 {
		t.dataSize += diff
		t.addBelow(n.parent, 0, diff)
	}
}

// addBelow changes the totals of a node and all above it.
func (t *Tree) addBelow(i uint32, nodes int32, bytes int64) {
	for i != 0 {
		n := t.nodes.at(i)
		d := t.dirs.at(n.dir)
		d.below += nodes
		d.bytes += bytes
		i = n.parent
	}
}

// ensureDir returns the parent's part of a node, made when it has none.
func (t *Tree) ensureDir(i uint32) *dir {
	n := t.nodes.at(i)
	if n.dir == 0 {
		n.dir = t.dirs.alloc()
		t.dirs.at(n.dir).pzxid = n.czxid
	}
	return t.dirs.at(n.dir)
}

// attach adds a child with zero stat under a path that is not taken.
func (t *Tree) attach(parent uint32, path, name, data []byte) uint32 {
	i := t.attachUnindexed(parent, path, name, data)
	if n := int(t.index.n); t.replaying && int(t.index.count) == n {
		t.index.rebuild(t.nodes.count()-1, 2*n, t.below)
	} else {
		t.index.insert(t.nodes.at(i).hash, i)
	}
	return i
}

// attachUnindexed is attach for a node that Lookup need not find yet.
func (t *Tree) attachUnindexed(parent uint32, path, name, data []byte) uint32 {
	i := t.nodes.alloc()
	n := t.nodes.at(i)
	n.hash = t.hash.sum(path)
	n.parent = parent
	n.blob = t.newBlob(name, data)
	n.dataLen = dataLen(data)

	d := t.ensureDir(parent)
	if d.first == 0 {
		d.first, n.prevSib = i, i
	} else {
		first := t.nodes.at(d.first)
		t.nodes.at(first.prevSib).nextSib = i
		n.prevSib, first.prevSib = first.prevSib, i
	}
	d.children++
	t.addBelow(parent, 1, int64(len(data)))
	t.dataSize += int64(textLen(path) + len(data))
	return i
}

// detach removes a node that has no children.
func (t *Tree) detach(i uint32, path []byte) {
	n := t.nodes.at(i)
	d := t.dirs.at(t.nodes.at(n.parent).dir)
	if n.nextSib != 0 {
		t.nodes.at(n.nextSib).prevSib = n.prevSib
	} else if d.first != i {
		t.nodes.at(d.first).prevSib = n.prevSib
	}
	if d.first == i {
		d.first = n.nextSib
	} else {
		t.nodes.at(n.prevSib).nextSib = n.nextSib
	}
	d.children--
	size := int64(max(n.dataLen, 0))
	t.addBelow(n.parent, -1, -size)
	t.dataSize -= int64(textLen(path)) + size

	t.index.remove(n.hash, i)
	t.disown(i, n)
	t.acls.release(n.acl)
	t.blobs.release(n.blob)
	if n.dir != 0 {
		t.dirs.free(n.dir)
	}
	t.nodes.free(i)
}
