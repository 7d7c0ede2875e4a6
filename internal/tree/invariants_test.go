package tree

import (
	"bytes"
	"testing"
)

// checkTree holds the books of a tree against a recount from the root.
func checkTree(tb testing.TB, t *Tree) {
	tb.Helper()
	c := checker{TB: tb, t: t, acls: make(map[uint32]int), owners: make(map[int64]int)}
	c.subtree(uint32(Root), nil)
	if c.nodes != t.nodes.count() || c.nodes-1 != int(t.index.count) {
		tb.Fatalf("%d nodes reached, %d in the slab, %d in the index", c.nodes, t.nodes.count(), t.index.count)
	}
	if c.dirs != t.dirs.count() {
		tb.Fatalf("%d dirs reached, %d in the slab", c.dirs, t.dirs.count())
	}
	if c.size != t.dataSize {
		tb.Fatalf("data size %d, kept as %d", c.size, t.dataSize)
	}
	c.checkACLs()
	c.checkOwners()
	c.checkBlobs()
	checkWatches(tb, t)
	if t.opt.Digest {
		kept := t.digest
		if t.redigest(); t.digest != kept {
			tb.Fatalf("digest %x, kept as %x", t.digest, kept)
		}
	}
}

type checker struct {
	testing.TB
	t      *Tree
	nodes  int
	dirs   int
	size   int64
	acls   map[uint32]int
	owners map[int64]int
	owned  int
}

// subtree checks a node and what is below it, and returns its totals.
func (c *checker) subtree(i uint32, path []byte) (nodes int32, size int64) {
	t, n := c.t, c.t.nodes.at(i)
	if !t.nodes.taken(i) {
		c.Fatalf("%q is node %d, which is free", path, i)
	}
	c.nodes++
	c.acls[n.acl]++
	size = int64(max(n.dataLen, 0))
	if i == uint32(Root) {
		c.size += size + 1
	} else {
		c.size += size + int64(textLen(path))
	}
	if r := t.Lookup(path); r != Ref(i) {
		c.Fatalf("%q is found as %d, not %d", path, r, i)
	}
	if got := t.appendPath(nil, i); !bytes.Equal(got, path) {
		c.Fatalf("%q calls itself %q", path, got)
	}
	if n.owner != 0 {
		o := t.owned.at(n.owner)
		if o.node != i {
			c.Fatalf("%q has the owner entry of node %d", path, o.node)
		}
		c.owners[o.owner]++
		c.owned++
	}
	if n.dir == 0 {
		return 1, size
	}
	c.dirs++
	below, bytesBelow := c.children(i, path)
	d := t.dirs.at(n.dir)
	if d.below != below || d.bytes != bytesBelow {
		c.Fatalf("%q: %d nodes and %d bytes below, kept as %d and %d", path, below, bytesBelow, d.below, d.bytes)
	}
	return below + 1, bytesBelow + size
}

func (c *checker) children(i uint32, path []byte) (below int32, size int64) {
	t := c.t
	d := t.dirs.at(t.nodes.at(i).dir)
	count, last := uint32(0), uint32(0)
	for j := d.first; j != 0; j = t.nodes.at(j).nextSib {
		n := t.nodes.at(j)
		if n.parent != i || last != 0 && n.prevSib != last {
			c.Fatalf("child %d of %q: parent %d, previous %d behind %d", j, path, n.parent, n.prevSib, last)
		}
		p := append(append(bytes.Clone(path), '/'), t.name(n)...)
		bn, bs := c.subtree(j, p)
		below, size = below+bn, size+bs
		last = j
		if count++; count > 1<<20 {
			c.Fatalf("the children of %q run in a circle", path)
		}
	}
	if count != d.children || d.first != 0 && t.nodes.at(d.first).prevSib != last {
		c.Fatalf("%q: %d children, kept as %d; last %d", path, count, d.children, last)
	}
	return below, size
}

func (c *checker) checkACLs() {
	t := c.t
	for id := 1; id < len(t.acls.entries); id++ {
		e := t.acls.entries[id]
		if e.uses != c.acls[uint32(id)] || (e.raw == nil) != (e.uses == 0) {
			c.Fatalf("ACL %d has %d users, kept as %d", id, c.acls[uint32(id)], e.uses)
		}
		if e.raw != nil && t.acls.byRaw[string(e.raw)] != uint32(id) {
			c.Fatalf("ACL %d is not found", id)
		}
	}
}

func (c *checker) checkOwners() {
	t := c.t
	if c.owned != t.owned.count() {
		c.Fatalf("%d nodes with an owner, %d entries", c.owned, t.owned.count())
	}
	conts, ttls := 0, 0
	for owner, n := range c.owners {
		switch t.kindOf(owner) {
		case container:
			conts += n
		case ttlNode:
			ttls += n
		case ordinary:
			listed, last := 0, uint32(0)
			head := t.sessions[owner]
			for e := head; e != 0; e = t.owned.at(e).next {
				if o := t.owned.at(e); o.owner != owner || last != 0 && o.prev != last {
					c.Fatalf("list of session %x is broken", owner)
				}
				listed, last = listed+1, e
			}
			if listed != n || t.owned.at(head).prev != last {
				c.Fatalf("session %x: %d ephemerals, %d listed", owner, n, listed)
			}
		}
	}
	if conts != t.numCont || ttls != t.numTTL {
		c.Fatalf("%d containers and %d TTL nodes, kept as %d and %d", conts, ttls, t.numCont, t.numTTL)
	}
	for session := range t.sessions {
		if c.owners[session] == 0 {
			c.Fatalf("session %x is kept without ephemerals", session)
		}
	}
}

func (c *checker) checkBlobs() {
	used := len(c.t.blobs.large) - len(c.t.blobs.free)
	for i := range c.t.blobs.classes {
		used += c.t.blobs.classes[i].used
	}
	if want := c.nodes + c.t.watches.paths.count(); used != want {
		c.Fatalf("%d blobs for %d nodes and paths", used, want)
	}
}

// checkWatches recounts the watches along both kinds of lists.
func checkWatches(tb testing.TB, t *Tree) {
	tb.Helper()
	w := &t.watches
	var data, child, recursive, dataPaths, dataConns, byPath, byConn int
	for p := uint32(1); p < w.paths.slots(); p++ {
		if !w.paths.taken(p) {
			continue
		}
		e := w.paths.at(p)
		if e.first == 0 || w.find(w.pathOf(p)) != p {
			tb.Fatalf("watched path %q is empty or not found", w.pathOf(p))
		}
		d, r, last := 0, 0, uint32(0)
		for i := e.first; i != 0; i = w.marks.at(i).pnext {
			m := w.marks.at(i)
			if m.path != p || m.mode() == 0 || last != 0 && m.pprev != last || w.mark(p, m.id()) != i {
				tb.Fatalf("watch %d of %q is broken", i, w.pathOf(p))
			}
			if m.mode()&inDataTable != 0 {
				d++
			}
			if m.mode()&inChildTable != 0 {
				child++
			}
			if m.mode()&WatchRecursive != 0 {
				r++
			}
			last = i
			byPath++
		}
		if d != int(e.data) || r != int(e.recursive) || w.marks.at(e.first).pprev != last {
			tb.Fatalf("counts of %q are wrong", w.pathOf(p))
		}
		data, recursive = data+d, recursive+r
		if d > 0 {
			dataPaths++
		}
	}
	for id := range w.conns {
		d, last := 0, uint32(0)
		for i := w.conns[id].first; i != 0; i = w.marks.at(i).cnext {
			m := w.marks.at(i)
			if m.id() != uint32(id) || last != 0 && m.cprev != last {
				tb.Fatalf("list of connection %d is broken", id)
			}
			if m.mode()&inDataTable != 0 {
				d++
			}
			last = i
			byConn++
		}
		if d != int(w.conns[id].data) || last != 0 && w.marks.at(w.conns[id].first).cprev != last {
			tb.Fatalf("counts of connection %d are wrong", id)
		}
		if d > 0 {
			dataConns++
		}
	}
	if data != w.data || child != w.child || recursive != w.recursive || dataPaths != w.dataPaths || dataConns != w.dataConns {
		tb.Fatalf("%d %d %d %d %d, kept as %d %d %d %d %d", data, child, recursive, dataPaths, dataConns,
			w.data, w.child, w.recursive, w.dataPaths, w.dataConns)
	}
	if byPath != byConn || byPath != w.marks.count() || byPath != int(w.pairs.count) || w.paths.count() != int(w.byKey.count) {
		tb.Fatalf("%d watches by path, %d by connection, %d in the slab", byPath, byConn, w.marks.count())
	}
}
