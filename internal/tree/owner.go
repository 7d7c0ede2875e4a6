package tree

import (
	"bytes"
	"math"
	"slices"

	"zooid/internal/jute"
)

// owned is one node with an owner: an ephemeral, a container or a TTL node.
// The ephemerals of a session form a list, oldest first.
type owned struct {
	owner int64  // as on disk
	node  uint32 // 0 = unused
	next  uint32 // 0 behind the last
	prev  uint32 // the last one's index at the first
}

// ContainerOwner is the owner that marks a container.
const ContainerOwner int64 = math.MinInt64

// MaxTTL is the longest time to live of a TTL node, in ms.
const MaxTTL int64 = 1<<40 - 1

const ttlOwner = int64(-1) << 56

// TTLOwner returns the owner that marks a node with a time to live of ttl ms,
// 1 to MaxTTL.
func TTLOwner(ttl int64) int64 { return ttlOwner | ttl }

type kind uint8

const (
	persistent kind = iota
	ordinary        // ephemeral of a session
	container
	ttlNode
)

// kindOf reads an owner as EphemeralType does. Owners with the top byte 0xff
// and an unknown feature, on which Java fails, count as sessions.
func (t *Tree) kindOf(owner int64) kind {
	switch {
	case owner == 0:
		return persistent
	case owner == ContainerOwner:
		return container
	case owner < 0 && t.opt.ExtendedTypes:
		if t.opt.Emulate353 || uint64(owner)>>40 == 0xff0000 {
			return ttlNode
		}
	}
	return ordinary
}

// own makes owner the owner of a new node.
func (t *Tree) own(i uint32, owner int64) {
	k := t.kindOf(owner)
	if k == persistent {
		return
	}
	e := t.owned.alloc()
	o := t.owned.at(e)
	o.owner, o.node = owner, i
	t.nodes.at(i).owner = e
	switch k {
	case container:
		t.numCont++
	case ttlNode:
		t.numTTL++
	case ordinary:
		head := t.sessions[owner]
		if head == 0 {
			t.sessions[owner], o.prev = e, e
			return
		}
		first := t.owned.at(head)
		t.owned.at(first.prev).next = e
		o.prev, first.prev = first.prev, e
	}
}

// disown ends the ownership of a node that goes.
func (t *Tree) disown(i uint32, n *node) {
	if n.owner == 0 {
		return
	}
	o := t.owned.at(n.owner)
	switch t.kindOf(o.owner) {
	case container:
		t.numCont--
	case ttlNode:
		t.numTTL--
	case ordinary:
		head := t.sessions[o.owner]
		if o.next != 0 {
			t.owned.at(o.next).prev = o.prev
		} else if head != n.owner {
			t.owned.at(head).prev = o.prev
		}
		switch {
		case head != n.owner:
			t.owned.at(o.prev).next = o.next
		case o.next != 0:
			t.sessions[o.owner] = o.next
		default:
			delete(t.sessions, o.owner)
		}
	}
	o.node = 0
	t.owned.free(n.owner)
	n.owner = 0
}

// Owner returns the owner of a node as snapshots keep it: 0, a session, or the
// mark of a container or TTL node. A read.
func (t *Tree) Owner(r Ref) int64 {
	if e := t.nodes.at(uint32(r)).owner; e != 0 {
		return t.owned.at(e).owner
	}
	return 0
}

// IsOrdinaryEphemeral reports whether a node belongs to a session, and so may
// have no children. A read.
func (t *Tree) IsOrdinaryEphemeral(r Ref) bool { return t.kindOf(t.Owner(r)) == ordinary }

// EphemeralPaths calls yield with the path of each ephemeral of a session,
// oldest first, until it returns false. The path is good until yield returns.
// A read.
func (t *Tree) EphemeralPaths(session int64, yield func(path []byte) bool) {
	var path []byte
	for e := t.sessions[session]; e != 0; {
		o := t.owned.at(e)
		if path = t.appendPath(path[:0], o.node); !yield(path) {
			return
		}
		e = o.next
	}
}

// AppendEphemerals appends, as an encoded vector of ustrings, the paths of the
// session's ephemerals that begin with prefix; a null or blank prefix and "/"
// mean all. A read.
func (t *Tree) AppendEphemerals(b []byte, session int64, prefix []byte) []byte {
	blank := func(r rune) bool { return r <= ' ' }
	if p := bytes.TrimFunc(prefix, blank); len(p) == 0 || len(p) == 1 && p[0] == '/' {
		prefix = nil
	}
	start, count := len(b), int32(0)
	b = jute.AppendInt(b, 0)
	for e := t.sessions[session]; e != 0; {
		o := t.owned.at(e)
		at := len(b)
		b = t.appendPath(append(b, 0, 0, 0, 0), o.node)
		if bytes.HasPrefix(b[at+4:], prefix) {
			jute.PutInt(b[at:], int32(len(b)-at-4))
			count++
		} else {
			b = b[:at]
		}
		e = o.next
	}
	jute.PutInt(b[start:], count)
	return b
}

// EphemeralCount returns the number of ephemerals of all sessions. A read.
func (t *Tree) EphemeralCount() int { return t.owned.count() - t.numCont - t.numTTL }

// ContainerCount returns the number of containers. A read.
func (t *Tree) ContainerCount() int { return t.numCont }

// TTLCount returns the number of TTL nodes. A read.
func (t *Tree) TTLCount() int { return t.numTTL }

// EphemeralSessions returns the sessions that own ephemerals, in ascending
// order. A read; for reports and the check at start.
func (t *Tree) EphemeralSessions() []int64 {
	ids := make([]int64, 0, len(t.sessions))
	for id := range t.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Sweep looks at up to budget of the nodes with an owner, beginning at cursor
// (0 for a new round), and calls yield with the path of each container and TTL
// node that may go: one without children that is a container once used, a
// container unused for longer than neverUsed ms (0 = such stay), or a TTL node
// not set for longer than its time to live; now in ms since 1970. It returns
// the cursor to go on with, 0 at the end of the round. The path is good until
// yield returns. A read.
//
// The rule is that of ContainerManager.getCandidates.
func (t *Tree) Sweep(cursor uint32, budget int, now, neverUsed int64, yield func(path []byte)) uint32 {
	if t.numCont+t.numTTL == 0 {
		return 0
	}
	var path []byte
	end := t.owned.slots()
	for ; cursor < end && budget > 0; cursor++ {
		if !t.owned.taken(cursor) {
			continue
		}
		budget--
		o := t.owned.at(cursor)
		if o.node != 0 && t.expired(o, now, neverUsed) {
			path = t.appendPath(path[:0], o.node)
			yield(path)
		}
	}
	if cursor >= end {
		return 0
	}
	return cursor
}

// MayGo reports whether Sweep would still name a node: between a sweep and the
// removal its data may have been set, or another node may have taken the path.
// A read.
func (t *Tree) MayGo(r Ref, now, neverUsed int64) bool {
	n := t.nodes.at(uint32(r))
	return n.owner != 0 && t.expired(t.owned.at(n.owner), now, neverUsed)
}

func (t *Tree) expired(o *owned, now, neverUsed int64) bool {
	n := t.nodes.at(o.node)
	if t.firstChild(n) != 0 {
		return false
	}
	age := now - n.mtime
	switch t.kindOf(o.owner) {
	case container:
		return t.Cversion(Ref(o.node)) > 0 || neverUsed != 0 && age > neverUsed
	case ttlNode:
		ttl := o.owner & MaxTTL
		return ttl != 0 && age > ttl
	}
	return false
}
