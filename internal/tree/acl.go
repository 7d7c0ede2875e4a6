package tree

import (
	"bytes"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// aclTable keeps each ACL vector once, found by its encoded bytes, with the
// number of nodes that use it. Number 0 is world:anyone with all permissions
// (and the null vector, which means the same); snapshots call it -1.
type aclTable struct {
	entries []aclEntry
	byRaw   map[string]uint32
	free    []uint32
}

type aclEntry struct {
	raw  []byte // nil = unused
	uses int
}

func (a *aclTable) init() {
	a.entries = []aclEntry{{raw: wire.OpenACL}}
	a.byRaw = make(map[string]uint32)
}

// intern returns the number of a vector and counts a use.
func (a *aclTable) intern(raw []byte) uint32 {
	if bytes.Equal(raw, wire.OpenACL) || len(raw) < 4 || raw[0] == 0xff {
		return 0
	}
	if id, ok := a.byRaw[string(raw)]; ok {
		a.entries[id].uses++
		return id
	}
	e := aclEntry{raw: bytes.Clone(raw), uses: 1}
	var id uint32
	if last := len(a.free) - 1; last >= 0 {
		id, a.free = a.free[last], a.free[:last]
		a.entries[id] = e
	} else {
		id = uint32(len(a.entries))
		a.entries = append(a.entries, e)
	}
	a.byRaw[string(e.raw)] = id
	return id
}

// release ends a use.
func (a *aclTable) release(id uint32) {
	if id == 0 {
		return
	}
	e := &a.entries[id]
	if e.uses--; e.uses == 0 {
		delete(a.byRaw, string(e.raw))
		e.raw = nil
		a.free = append(a.free, id)
	}
}

func (a *aclTable) raw(id uint32) []byte { return a.entries[id].raw }

func (a *aclTable) count() int { return len(a.byRaw) }

// snapshotACL is the number of an ACL in a snapshot.
func snapshotACL(id uint32) int64 {
	if id == 0 {
		return -1
	}
	return int64(id)
}

// appendCache appends the ACL cache of a snapshot: a count, then each number
// with its vector.
func (a *aclTable) appendCache(b []byte) []byte {
	b = jute.AppendInt(b, int32(a.count()))
	for id := 1; id < len(a.entries); id++ {
		if raw := a.entries[id].raw; raw != nil {
			b = append(jute.AppendLong(b, int64(id)), raw...)
		}
	}
	return b
}
