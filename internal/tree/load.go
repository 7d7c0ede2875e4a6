package tree

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"zooid/internal/wire"
)

// Loader builds a tree from the parts of a snapshot: first the ACL cache, then
// the nodes, parents before children, then Finish.
//
// Snapshots are nearly in pre-order, so the parent of a node is mostly one of
// the nodes above the last one. As long as that holds nothing is looked up,
// and the index of paths is built once, at its final size.
type Loader struct {
	t       *Tree
	acls    map[int64]*loadedACL
	root    bool
	indexed bool

	above []ancestor // the last node and those above it, the root first
	path  []byte     // of the last node
	err   error
}

// ancestor is a node whose path is the beginning of Loader.path.
type ancestor struct {
	node uint32
	size int
}

type loadedACL struct {
	raw []byte
	id  uint32 // in the tree's table, with one use, once a node has it
}

// NewLoader returns a loader of an empty tree.
func NewLoader(opt Options) *Loader {
	return &Loader{
		t:     newBare(opt),
		acls:  map[int64]*loadedACL{-1: {raw: wire.OpenACL}},
		above: []ancestor{{uint32(Root), 0}},
	}
}

// AddACL adds an entry of the ACL cache. The vector is copied when it is used.
func (l *Loader) AddACL(id int64, raw []byte) {
	l.acls[id] = &loadedACL{raw: bytes.Clone(raw)}
}

// lockedACL stands for an ACL that the cache of the snapshot lacks. Java writes
// the cache before the nodes, so that a node made in between may have one; the
// log holds the transaction that sets it again. Until then nobody may use it.
var lockedACL = wire.AppendACLs(nil, []wire.ACL{{Perms: 0, ID: wire.ID{Scheme: "world", ID: "anyone"}}})

// AddNode adds a node; path "" is the root, data nil is null. The slices are
// copied. The error names the path.
func (l *Loader) AddNode(path, data []byte, aclID int64, s *wire.StatPersisted) error {
	n, err := l.addNode(path, data, aclID, s)
	if err == nil {
		l.t.add(path, n)
	}
	return err
}

// AddDigested is AddNode for whoever has computed the digest of the node
// (Digester.Node).
func (l *Loader) AddDigested(path, data []byte, aclID int64, s *wire.StatPersisted, digest uint32) error {
	_, err := l.addNode(path, data, aclID, s)
	if err == nil && l.t.opt.Digest {
		l.t.digest += uint64(digest)
	}
	return err
}

func (l *Loader) addNode(path, data []byte, aclID int64, s *wire.StatPersisted) (*node, error) {
	i, err := l.place(path, data)
	if err != nil {
		return nil, err
	}
	t := l.t
	n := t.nodes.at(i)
	n.czxid, n.mzxid, n.ctime, n.mtime = s.Czxid, s.Mzxid, s.Ctime, s.Mtime
	n.version, n.aversion = s.Version, s.Aversion
	if s.Cversion != 0 || s.Pzxid != s.Czxid {
		d := t.ensureDir(i)
		d.pzxid, d.cversion = s.Pzxid, s.Cversion
	}
	if i != uint32(Root) {
		t.own(i, s.EphemeralOwner)
	}
	n.acl = l.acl(aclID)
	return n, nil
}

// place makes the node of a path.
func (l *Loader) place(path, data []byte) (uint32, error) {
	if len(path) == 0 {
		if l.root {
			return 0, errors.New("the root comes twice")
		}
		l.root = true
		l.t.setData(uint32(Root), data)
		return uint32(Root), nil
	}
	slash := lastSlash(path)
	if slash < 0 || slash == len(path)-1 {
		return 0, fmt.Errorf("node %q: not a path", path)
	}
	parent := l.parent(path[:slash])
	if parent == 0 {
		return 0, fmt.Errorf("node %q: its parent %q did not come before it", path, path[:slash])
	}
	var i uint32
	if l.indexed {
		if l.t.Lookup(path) != 0 {
			return 0, fmt.Errorf("node %q comes twice", path)
		}
		i = l.t.attach(parent, path, path[slash+1:], data)
	} else {
		i = l.t.attachUnindexed(parent, path, path[slash+1:], data)
	}
	l.path = append(l.path[:slash], path[slash:]...)
	l.above = append(l.above, ancestor{i, len(path)})
	return i, nil
}

// parent finds the node of a path, and leaves it as the last of above.
func (l *Loader) parent(path []byte) uint32 {
	for n := len(l.above) - 1; n >= 0 && l.above[n].size >= len(path); n-- {
		if a := l.above[n]; a.size == len(path) && bytes.Equal(l.path[:a.size], path) {
			l.above = l.above[:n+1]
			return a.node
		}
	}
	if !l.indexed {
		l.index()
	}
	r := uint32(l.t.Lookup(path))
	if r != 0 {
		l.above = append(l.above[:0], ancestor{uint32(Root), 0}, ancestor{r, len(path)})
		l.path = append(l.path[:0], path...)
	}
	return r
}

// index lets Lookup find all nodes so far.
func (l *Loader) index() {
	l.indexed = true
	t := l.t
	t.index.build(t.nodes.count()-1, t.nodes.slots(), t.below, func(a, b uint32) {
		pa, pb := t.appendPath(nil, a), t.appendPath(nil, b)
		if bytes.Equal(pa, pb) && l.err == nil {
			l.err = fmt.Errorf("node %q comes twice", pa)
		}
	})
}

// below yields all nodes but the root.
func (t *Tree) below(yield func(uint32) bool) {
	for i := uint32(Root) + 1; i < t.nodes.slots(); i++ {
		if t.nodes.taken(i) && !yield(i) {
			return
		}
	}
}

// Replaying says whether transactions of a log are being applied: nobody waits
// for any one of them, so the index of paths grows to the double at once, which
// walks the nodes in the order in which they lie and costs a fraction of growing
// by one bucket a node.
func (t *Tree) Replaying(on bool) { t.replaying = on }

// acl returns the table's number of a snapshot's ACL number, and counts a use.
func (l *Loader) acl(id int64) uint32 {
	a := l.acls[id]
	if a == nil {
		a = &loadedACL{raw: lockedACL}
		l.acls[id] = a
	}
	if a.id == 0 {
		// One use more than the nodes have keeps it until Finish.
		if a.id = l.t.acls.intern(a.raw); a.id == 0 {
			return 0
		}
	}
	l.t.acls.entries[a.id].uses++
	return a.id
}

// Finish returns the tree, with its quotas counted again, at the given zxid.
// The loader is used up.
func (l *Loader) Finish(zxid int64) (*Tree, error) {
	if !l.root {
		return nil, errors.New("the snapshot has no root node")
	}
	if !l.indexed {
		l.index()
	}
	if l.err != nil {
		return nil, l.err
	}
	t := l.t
	// In order of the numbers, as those that nobody uses are given out again: a
	// seed gives one run.
	for _, id := range slices.Sorted(maps.Keys(l.acls)) {
		if a := l.acls[id]; a.id != 0 {
			t.acls.release(a.id)
		}
	}
	t.quotaLoad()
	t.lastZxid = zxid
	return t, nil
}
