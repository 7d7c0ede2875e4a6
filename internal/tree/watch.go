package tree

import (
	"zooid/internal/wire"
)

// The kinds of watches. Java keeps a data table and a child table; here one
// entry for a path and a connection says in which of them it stands and how.
type WatchMode uint8

// The modes, one bit each.
const (
	// WatchData is the one-shot watch of getData and exists: data table.
	WatchData WatchMode = 1 << iota
	// WatchChild is the one-shot watch of getChildren: child table.
	WatchChild
	// WatchPersistent is addWatch mode 0: both tables.
	WatchPersistent
	// WatchRecursive is addWatch mode 1: data table, for all paths below too.
	WatchRecursive

	inDataTable  = WatchData | WatchPersistent | WatchRecursive
	inChildTable = WatchChild | WatchPersistent
	modeBits     = 4
)

// Hit is one watch that fired: one event for one connection.
type Hit struct {
	Conn  uint32
	Event int32  // wire.EventNodeCreated and so on
	Path  []byte // good until the next Apply, and as long as the body applied
	// ACL is the encoded vector that the connection needs READ in to be told;
	// nil when the event is told without asking.
	ACL []byte
}

// watches holds the watches of all connections. Connections are small dense
// numbers. Each (path, connection) is one entry of 28 bytes, in three lists:
// its hash chain, those of its path and those of its connection.
type watches struct {
	hash  *hasher
	blobs *blobs
	paths slab[watchPath]
	marks slab[watch]
	byKey index // path -> watchPath
	pairs index // (path, connection) -> watch
	conns []watchConn

	data, child int // entries in each table
	dataPaths   int // paths with an entry in the data table
	dataConns   int // connections with an entry in the data table
	recursive   int // entries with WatchRecursive
	stamp       uint32
}

type watchPath struct {
	hash      uint32
	next      uint32
	name      blob
	first     uint32 // oldest watch
	data      uint32 // entries in the data table
	recursive uint32
}

type watch struct {
	next         uint32
	path         uint32
	conn         uint32 // number and, in the low bits, modes
	pnext, pprev uint32 // list of the path
	cnext, cprev uint32 // list of the connection
}

type watchConn struct {
	first uint32
	data  uint32 // entries in the data table
	stamp uint32 // of the last trigger that told it
}

func (w *watch) mode() WatchMode { return WatchMode(w.conn & (1<<modeBits - 1)) }
func (w *watch) id() uint32      { return w.conn >> modeBits }

func (w *watches) init(b *blobs, h *hasher) {
	w.hash, w.blobs = h, b
	w.paths, w.marks = newSlab[watchPath](), newSlab[watch]()
	w.byKey = newIndex(
		func(i uint32) uint32 { return w.paths.at(i).hash },
		func(i uint32) *uint32 { return &w.paths.at(i).next })
	w.pairs = newIndex(
		func(i uint32) uint32 { m := w.marks.at(i); return w.pairHash(m.path, m.id()) },
		func(i uint32) *uint32 { return &w.marks.at(i).next })
}

func (w *watches) pairHash(path, conn uint32) uint32 { return w.hash.pair(uint64(path), uint64(conn)) }

// any reports whether there are watches at all.
func (w *watches) any() bool { return w.pairs.count != 0 }

// find returns the entry of a path, or 0.
func (w *watches) find(path []byte) uint32 {
	h := w.hash.sum(path)
	for i := *w.byKey.bucket(h); i != 0; {
		p := w.paths.at(i)
		if p.hash == h {
			if name, _ := splitName(w.blobs.bytes(p.name)); string(name) == string(path) {
				return i
			}
		}
		i = p.next
	}
	return 0
}

// mark returns the watch of a path's entry and a connection, or 0.
func (w *watches) mark(path, conn uint32) uint32 {
	for i := *w.pairs.bucket(w.pairHash(path, conn)); i != 0; {
		m := w.marks.at(i)
		if m.path == path && m.id() == conn {
			return i
		}
		i = m.next
	}
	return 0
}

// AddWatch adds modes to the watches of a connection on a path, whether a node
// is there or not. conn is a small number that the caller gives to a
// connection and may give again after DropConn.
func (t *Tree) AddWatch(mode WatchMode, path []byte, conn uint32) {
	w := &t.watches
	p := w.find(path)
	if p == 0 {
		p = w.paths.alloc()
		e := w.paths.at(p)
		e.hash = w.hash.sum(path)
		e.name = w.blobs.alloc(nameHead(len(path)) + len(path))
		putName(w.blobs.bytes(e.name), path)
		w.byKey.insert(e.hash, p)
	}
	i := w.mark(p, conn)
	if i == 0 {
		i = w.link(p, conn)
	}
	m := w.marks.at(i)
	w.setMode(m, m.mode()|mode)
}

// link adds a watch without modes.
func (w *watches) link(p, conn uint32) uint32 {
	if conn >= 1<<(32-modeBits) {
		panic("tree: the number of a connection is not small")
	}
	for int(conn) >= len(w.conns) {
		w.conns = append(w.conns, watchConn{})
	}
	i := w.marks.alloc()
	m := w.marks.at(i)
	m.path, m.conn = p, conn<<modeBits
	if path := w.paths.at(p); path.first == 0 {
		path.first, m.pprev = i, i
	} else {
		first := w.marks.at(path.first)
		w.marks.at(first.pprev).pnext = i
		m.pprev, first.pprev = first.pprev, i
	}
	if c := &w.conns[conn]; c.first == 0 {
		c.first, m.cprev = i, i
	} else {
		first := w.marks.at(c.first)
		w.marks.at(first.cprev).cnext = i
		m.cprev, first.cprev = first.cprev, i
	}
	w.pairs.insert(w.pairHash(p, conn), i)
	return i
}

// setMode changes the modes of a watch and keeps the counts.
func (w *watches) setMode(m *watch, mode WatchMode) {
	old := m.mode()
	m.conn = m.conn&^(1<<modeBits-1) | uint32(mode)
	p, c := w.paths.at(m.path), &w.conns[m.id()]
	switch was, is := old&inDataTable != 0, mode&inDataTable != 0; {
	case is && !was:
		w.data++
		if p.data++; p.data == 1 {
			w.dataPaths++
		}
		if c.data++; c.data == 1 {
			w.dataConns++
		}
	case was && !is:
		w.data--
		if p.data--; p.data == 0 {
			w.dataPaths--
		}
		if c.data--; c.data == 0 {
			w.dataConns--
		}
	}
	switch was, is := old&inChildTable != 0, mode&inChildTable != 0; {
	case is && !was:
		w.child++
	case was && !is:
		w.child--
	}
	switch was, is := old&WatchRecursive != 0, mode&WatchRecursive != 0; {
	case is && !was:
		w.recursive++
		p.recursive++
	case was && !is:
		w.recursive--
		p.recursive--
	}
}

// unlink removes a watch, and its path's entry with the last one.
func (w *watches) unlink(i uint32) {
	m := w.marks.at(i)
	w.setMode(m, 0)
	w.pairs.remove(w.pairHash(m.path, m.id()), i)
	c := &w.conns[m.id()]
	if m.cnext != 0 {
		w.marks.at(m.cnext).cprev = m.cprev
	} else if c.first != i {
		w.marks.at(c.first).cprev = m.cprev
	}
	if c.first == i {
		c.first = m.cnext
	} else {
		w.marks.at(m.cprev).cnext = m.cnext
	}
	p := w.paths.at(m.path)
	if m.pnext != 0 {
		w.marks.at(m.pnext).pprev = m.pprev
	} else if p.first != i {
		w.marks.at(p.first).pprev = m.pprev
	}
	if p.first == i {
		p.first = m.pnext
	} else {
		w.marks.at(m.pprev).pnext = m.pnext
	}
	if p.first == 0 {
		w.byKey.remove(p.hash, m.path)
		w.blobs.release(p.name)
		w.paths.free(m.path)
	}
	w.marks.free(i)
}

// The types of removeWatches and checkWatches (Watcher.WatcherType).
const (
	WatcherChildren            int32 = 1
	WatcherData                int32 = 2
	WatcherAny                 int32 = 3
	WatcherPersistent          int32 = 4
	WatcherPersistentRecursive int32 = 5
)

// watcherModes returns the modes that a type of removeWatches means, or 0.
func watcherModes(typ int32) WatchMode {
	switch typ {
	case WatcherChildren:
		return WatchChild
	case WatcherData:
		return WatchData
	case WatcherAny:
		return inDataTable | inChildTable
	case WatcherPersistent:
		return WatchPersistent
	case WatcherPersistentRecursive:
		return WatchRecursive
	}
	return 0
}

// RemoveWatches removes the watches of one type (Watcher...) of a connection on
// exactly this path; false when there are none.
func (t *Tree) RemoveWatches(typ int32, path []byte, conn uint32) bool {
	w := &t.watches
	i := w.mark(w.find(path), conn)
	if i == 0 {
		return false
	}
	m := w.marks.at(i)
	gone := watcherModes(typ)
	if m.mode()&gone == 0 {
		return false
	}
	if left := m.mode() &^ gone; left != 0 {
		w.setMode(m, left)
	} else {
		w.unlink(i)
	}
	return true
}

// HasWatch reports whether RemoveWatches would find something. A read.
func (t *Tree) HasWatch(typ int32, path []byte, conn uint32) bool {
	w := &t.watches
	i := w.mark(w.find(path), conn)
	return i != 0 && w.marks.at(i).mode()&watcherModes(typ) != 0
}

// DropConn removes all watches of a connection that is gone.
func (t *Tree) DropConn(conn uint32) {
	w := &t.watches
	if int(conn) >= len(w.conns) {
		return
	}
	for w.conns[conn].first != 0 {
		w.unlink(w.conns[conn].first)
	}
}

// WatchCount returns the number of watches as the metric watch_count has it:
// the entries of both tables. A read.
func (t *Tree) WatchCount() int { return t.watches.data + t.watches.child }

// WatchSummary returns what wchs prints: the connections, paths and entries of
// the data table. A read.
func (t *Tree) WatchSummary() (conns, paths, total int) {
	return t.watches.dataConns, t.watches.dataPaths, t.watches.data
}

// WatchesByConn calls yield with each entry of the data table, those of one
// connection together, until it returns false. The path is good until the next
// change. A read.
func (t *Tree) WatchesByConn(yield func(conn uint32, path []byte) bool) {
	w := &t.watches
	for c := range w.conns {
		if w.conns[c].data == 0 {
			continue
		}
		for i := w.conns[c].first; i != 0; {
			m := w.marks.at(i)
			if m.mode()&inDataTable != 0 && !yield(uint32(c), w.pathOf(m.path)) {
				return
			}
			i = m.cnext
		}
	}
}

// WatchesByPath calls yield with each entry of the data table, those of one
// path together, until it returns false. The path is good until the next
// change. A read.
func (t *Tree) WatchesByPath(yield func(path []byte, conn uint32) bool) {
	w := &t.watches
	for p := uint32(1); p < w.paths.slots(); p++ {
		if !w.paths.taken(p) || w.paths.at(p).data == 0 {
			continue
		}
		for i := w.paths.at(p).first; i != 0; {
			m := w.marks.at(i)
			if m.mode()&inDataTable != 0 && !yield(w.pathOf(p), m.id()) {
				return
			}
			i = m.pnext
		}
	}
}

func (w *watches) pathOf(p uint32) []byte {
	name, _ := splitName(w.blobs.bytes(w.paths.at(p).name))
	return name
}

// SetWatches puts the watches of a reconnected client in place and appends the
// events that it missed to hits: one for each list entry, told without asking
// for READ.
func (t *Tree) SetWatches(s *wire.SetWatches, conn uint32, hits []Hit) []Hit {
	missed := func(event int32, path []byte) {
		hits = append(hits, Hit{Conn: conn, Event: event, Path: path})
	}
	for _, path := range s.Data {
		r := t.Lookup(path)
		switch {
		case r == 0:
			missed(wire.EventNodeDeleted, path)
		case t.nodes.at(uint32(r)).mzxid > s.RelativeZxid:
			missed(wire.EventNodeDataChanged, path)
		default:
			t.AddWatch(WatchData, path, conn)
		}
	}
	for _, path := range s.Exist {
		if t.Lookup(path) != 0 {
			missed(wire.EventNodeCreated, path)
		} else {
			t.AddWatch(WatchData, path, conn)
		}
	}
	for _, path := range s.Child {
		var st wire.StatPersisted
		r := t.Lookup(path)
		if r != 0 {
			t.Persisted(r, &st)
		}
		switch {
		case r == 0:
			missed(wire.EventNodeDeleted, path)
		case st.Pzxid > s.RelativeZxid:
			missed(wire.EventNodeChildrenChanged, path)
		default:
			t.AddWatch(WatchChild, path, conn)
		}
	}
	for _, path := range s.Persistent {
		t.AddWatch(WatchPersistent, path, conn)
	}
	for _, path := range s.PersistentRecursive {
		t.AddWatch(WatchRecursive, path, conn)
	}
	return hits
}
