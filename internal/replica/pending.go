package replica

import (
	"bytes"

	"zooid/internal/tree"
	"zooid/internal/wire"
)

// change is what a node will be once the transactions in flight are applied:
// later requests are checked against it (PrepRequestProcessor.ChangeRecord).
type change struct {
	path   []byte
	hash   uint32  // of the path (tree.Hash)
	next   *change // in its hash chain
	zxid   int64   // of the newest change
	exists bool
	table  bool     // in the pending table, not a view of the tree
	ref    tree.Ref // of a view, good until the tree changes; 0 in the table

	stat     wire.StatPersisted
	children int32
	digest   uint32

	// data and acl are valid while the transaction that set them is in
	// flight; once it is applied the tree has them, and while it is being
	// prepared they stand in the body in the making (span).
	data     []byte
	dataZxid int64
	dataAt   span
	acl      []byte
	aclZxid  int64
	aclAt    span
}

// span is a place in the body in the making.
type span struct{ off, n int }

func (s span) of(body []byte) []byte { return body[s.off : s.off+s.n : s.off+s.n] }

// pendingTable holds the changes in flight by path, without garbage: changes
// are used again, and keys are their own copies of the paths.
type pendingTable struct {
	buckets []*change // power of two, chained
	count   int
	free    []*change
	// queue lists (change, zxid) in order of zxid, so that what was applied is
	// found without a search.
	queue     []dated
	queueHead int
	queued    int64 // entries that ever were in the queue
	// undo, while a multi is being prepared, holds what to restore.
	undoing bool
	undo    []undone
}

type dated struct {
	c    *change
	zxid int64
}

type undone struct {
	c     *change
	old   change
	added bool
}

const pendingBuckets = 1 << 12

func newPendingTable() pendingTable {
	return pendingTable{buckets: make([]*change, pendingBuckets)}
}

// get returns the change in flight of a path with this hash (tree.Hash), or nil.
func (t *pendingTable) get(path []byte, h uint32) *change {
	if t.count == 0 {
		return nil
	}
	for c := t.buckets[h%pendingBuckets]; c != nil; c = c.next {
		if c.hash == h && bytes.Equal(c.path, path) {
			return c
		}
	}
	return nil
}

// put makes from, which is either in the table already or a view of the tree,
// a change at zxid and returns it for the caller to alter.
func (t *pendingTable) put(from *change, zxid int64) *change {
	c := from
	if !from.table {
		if n := len(t.free); n > 0 {
			c, t.free = t.free[n-1], t.free[:n-1]
		} else {
			c = new(change)
		}
		path := append(c.path[:0], from.path...)
		*c = *from
		c.path, c.table, c.ref = path, true, 0
		c.next = t.buckets[c.hash%pendingBuckets]
		t.buckets[c.hash%pendingBuckets] = c
		t.count++
		if t.undoing {
			t.undo = append(t.undo, undone{c: c, added: true})
		}
	} else if t.undoing {
		t.undo = append(t.undo, undone{c: c, old: *c})
	}
	if c.zxid != zxid || !from.table {
		if t.queueHead > 256 && t.queueHead > len(t.queue)/2 && !t.undoing {
			t.queue = t.queue[:copy(t.queue, t.queue[t.queueHead:])]
			t.queueHead = 0
		}
		t.queue = append(t.queue, dated{c, zxid})
		t.queued++
	}
	c.zxid = zxid
	return c
}

// applied forgets the changes whose newest transaction is at most zxid.
func (t *pendingTable) applied(zxid int64) {
	for t.queueHead < len(t.queue) && t.queue[t.queueHead].zxid <= zxid {
		d := t.queue[t.queueHead]
		t.queueHead++
		if d.c.zxid == d.zxid {
			t.remove(d.c)
		}
	}
	if t.queueHead == len(t.queue) {
		t.queue, t.queueHead = t.queue[:0], 0
	}
}

func (t *pendingTable) remove(c *change) {
	for p := &t.buckets[c.hash%pendingBuckets]; *p != nil; p = &(*p).next {
		if *p == c {
			*p = c.next
			break
		}
	}
	t.count--
	c.table, c.next, c.data, c.acl, c.zxid = false, nil, nil, nil, 0
	if len(t.free) < 4096 {
		t.free = append(t.free, c)
	}
}

// beginUndo starts to remember what changes replace; the mark is for rollback.
func (t *pendingTable) beginUndo() (mark int) {
	t.undoing, t.undo = true, t.undo[:0]
	return len(t.queue)
}

func (t *pendingTable) endUndo() { t.undoing = false }

// rollback restores the table as it was at beginUndo.
func (t *pendingTable) rollback(mark int) {
	t.queue = t.queue[:mark]
	for i := len(t.undo) - 1; i >= 0; i-- {
		u := &t.undo[i]
		if u.added {
			t.remove(u.c)
			continue
		}
		next := u.c.next
		*u.c = u.old
		u.c.next = next
	}
	t.undoing = false
}

// each calls f for every change in flight, oldest first.
func (t *pendingTable) each(f func(*change)) {
	for _, d := range t.queue[t.queueHead:] {
		if d.c.table && d.c.zxid == d.zxid {
			f(d.c)
		}
	}
}

// lookup returns what path will be once everything in flight is applied: a
// pending change, or view filled from the tree. nil means that there will be
// no such node.
func (r *Replica) lookup(path []byte, view *change) *change {
	if len(path) == 1 && path[0] == '/' {
		path = path[:0] // the root is known by its empty path
	}
	h := r.tree.Hash(path)
	if c := r.pending.get(path, h); c != nil {
		if !c.exists {
			return nil
		}
		return c
	}
	n := r.tree.LookupHash(path, h)
	if n == 0 {
		return nil
	}
	*view = change{path: path, hash: h, exists: true, ref: n, children: r.tree.NumChildren(n)}
	r.tree.Persisted(n, &view.stat)
	if r.cfg.Digest {
		view.digest = r.work.digester.Node(path, r.tree.Data(n), &view.stat)
	}
	return view
}

// aclOf and dataOf return what lookup leaves out because few requests need it.
func (r *Replica) aclOf(c *change) []byte {
	if c.aclZxid > r.tree.LastZxid() {
		if c.aclZxid == r.drafting {
			return c.aclAt.of(r.work.body)
		}
		return c.acl
	}
	return r.tree.ACL(r.refOf(c))
}

func (r *Replica) dataOf(c *change) []byte {
	if c.dataZxid > r.tree.LastZxid() {
		if c.dataZxid == r.drafting {
			return c.dataAt.of(r.work.body)
		}
		return c.data
	}
	return r.tree.Data(r.refOf(c))
}

func (r *Replica) refOf(c *change) tree.Ref {
	if c.ref != 0 {
		return c.ref
	}
	return r.tree.LookupHash(c.path, c.hash)
}

// changed renews the digest of a node whose stat or data was altered.
func (r *Replica) changed(c *change, data []byte) {
	if !r.cfg.Digest {
		return
	}
	r.digest -= uint64(c.digest)
	c.digest = r.work.digester.Node(c.path, data, &c.stat)
	r.digest += uint64(c.digest)
}
