package tree

import (
	"slices"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Walk hands out the tree exactly as it was when the walk began, a piece at a
// time, while the tree goes on changing in between. It goes through the tree in
// pre-order; whoever changes a node that the walk has not reached yet first
// puts it, and the nodes above it, into the walk's buffer (touch). Nodes made
// later are left out by a bit each.
type Walk struct {
	t       *Tree
	zxid    int64
	digest  uint64
	nodes   int
	acls    []byte
	done    []uint64 // one bit a Ref: handed out, or made after the cut
	next    uint32   // where the pre-order goes on; 0 = at the end
	pending []byte   // encoded nodes that had to go out of order
	// The path of dirOf, the parent of the node handed out last. It cannot be
	// of a former node with that Ref: the children of a later one are later.
	prefix []byte
	dirOf  uint32
}

// BeginWalk begins a walk over the tree as it is now. Several may be under way
// at once; each slows changes a little until it has ended.
func (t *Tree) BeginWalk() *Walk {
	w := &Walk{
		t:      t,
		zxid:   t.lastZxid,
		digest: t.digest,
		nodes:  t.nodes.count(),
		acls:   t.acls.appendCache(nil),
		done:   make([]uint64, (t.nodes.slots()+63)/64),
		next:   uint32(Root),
	}
	t.walks = append(t.walks, w)
	return w
}

// Zxid returns the zxid of the tree at the cut.
func (w *Walk) Zxid() int64 { return w.zxid }

// Digest returns the digest of the tree at the cut.
func (w *Walk) Digest() uint64 { return w.digest }

// Nodes returns the number of nodes at the cut, the root once.
func (w *Walk) Nodes() int { return w.nodes }

// AppendACLs appends the ACL cache of the cut as a snapshot has it: an int
// count, then a long number and a vector each.
func (w *Walk) AppendACLs(b []byte) []byte { return append(b, w.acls...) }

// Next appends the next nodes, each as a snapshot has it: ustring path (""
// for the root), buffer data, long ACL number, StatPersisted. Parents come
// before their children. It stops soon after maxBytes have been appended; done
// means that nothing is left.
func (w *Walk) Next(b []byte, maxBytes int) (out []byte, done bool) {
	end := len(b) + maxBytes
	b = append(b, w.pending...)
	w.pending = w.pending[:0]
	if cap(w.pending) > 1<<20 {
		w.pending = nil
	}
	// Nodes made after the cut cost time but no bytes.
	for steps := max(maxBytes/64, 64); w.next != 0; steps-- {
		if len(b) >= end || steps == 0 {
			return b, false
		}
		i := w.next
		if !w.isDone(i) {
			w.setDone(i)
			b = w.emit(b, i)
		}
		w.next = w.t.following(i)
	}
	w.Abort()
	return b, true
}

// Abort ends the walk; ending one that has ended does nothing.
func (w *Walk) Abort() {
	if at := slices.Index(w.t.walks, w); at >= 0 {
		w.t.walks = slices.Delete(w.t.walks, at, at+1)
	}
	w.next, w.pending, w.done, w.acls = 0, nil, nil, nil
}

func (w *Walk) isDone(i uint32) bool {
	return int(i>>6) >= len(w.done) || w.done[i>>6]>>(i&63)&1 != 0
}

func (w *Walk) setDone(i uint32) {
	if int(i>>6) < len(w.done) {
		w.done[i>>6] |= 1 << (i & 63)
	}
}

// emit appends one node.
func (w *Walk) emit(b []byte, i uint32) []byte {
	t, n := w.t, w.t.nodes.at(i)
	if i == uint32(Root) {
		b = jute.AppendInt(b, 0)
	} else {
		if n.parent != w.dirOf {
			w.dirOf, w.prefix = n.parent, t.appendPath(w.prefix[:0], n.parent)
		}
		name := t.name(n)
		b = jute.AppendInt(b, int32(len(w.prefix)+1+len(name)))
		b = append(b, w.prefix...)
		b = append(b, '/')
		b = append(b, name...)
	}
	b = jute.AppendBuffer(b, t.data(n))
	b = jute.AppendLong(b, snapshotACL(n.acl))
	var s wire.StatPersisted
	t.persisted(n, &s)
	return s.Append(b)
}

// touch is called before any change to a node that a snapshot would show.
func (t *Tree) touch(i uint32) {
	for _, w := range t.walks {
		if !w.isDone(i) {
			w.flush(i)
		}
	}
}

// flush puts a node and the nodes above it that are still to come into the
// buffer.
func (w *Walk) flush(i uint32) {
	if parent := w.t.nodes.at(i).parent; parent != 0 && !w.isDone(parent) {
		w.flush(parent)
	}
	w.setDone(i)
	w.pending = w.emit(w.pending, i)
}

// born is called when a node has been made.
func (t *Tree) born(i uint32) {
	for _, w := range t.walks {
		w.setDone(i)
	}
}

// gone is called before a node without children is deleted.
func (t *Tree) gone(i uint32) {
	for _, w := range t.walks {
		if w.next == i {
			w.next = t.afterSubtree(i)
		}
	}
}
