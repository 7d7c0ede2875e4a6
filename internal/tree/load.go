package tree

import (
	"bytes"
	"errors"
	"fmt"

	"zooid/internal/wire"
)

// Loader builds a tree from the parts of a snapshot: first the ACL cache, then
// the nodes, parents before children, then Finish.
type Loader struct {
	t    *Tree
	acls map[int64]*loadedACL
	root bool

	// The parent of the last node: siblings mostly come together.
	dir     uint32
	dirPath []byte
}

type loadedACL struct {
	raw []byte
	id  uint32 // in the tree's table, with one use, once a node has it
}

// NewLoader returns a loader of an empty tree.
func NewLoader(opt Options) *Loader {
	return &Loader{t: newBare(opt), acls: map[int64]*loadedACL{-1: {raw: wire.OpenACL}}}
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
// copied. A path that came before is overwritten, as in Java. The error names
// the path.
func (l *Loader) AddNode(path, data []byte, aclID int64, s *wire.StatPersisted) error {
	i, err := l.place(path, data)
	if err != nil {
		return err
	}
	t := l.t
	n := t.nodes.at(i)
	n.czxid, n.mzxid, n.ctime, n.mtime = s.Czxid, s.Mzxid, s.Ctime, s.Mtime
	n.version, n.aversion = s.Version, s.Aversion
	if n.dir != 0 || s.Cversion != 0 || s.Pzxid != s.Czxid {
		d := t.ensureDir(i)
		d.pzxid, d.cversion = s.Pzxid, s.Cversion
	}
	if n.owner != 0 {
		t.disown(i, n)
	}
	if i != uint32(Root) {
		t.own(i, s.EphemeralOwner)
	}
	old := n.acl
	n.acl = l.acl(aclID)
	t.acls.release(old)
	t.add(path, n)
	return nil
}

// place finds or makes the node of a path.
func (l *Loader) place(path, data []byte) (uint32, error) {
	t := l.t
	if len(path) == 0 {
		if l.root {
			t.open(path, t.nodes.at(uint32(Root)))
		}
		l.root = true
		t.setData(uint32(Root), data)
		return uint32(Root), nil
	}
	slash := lastSlash(path)
	if slash < 0 || slash == len(path)-1 {
		return 0, fmt.Errorf("node %q: not a path", path)
	}
	if l.dir == 0 || !bytes.Equal(path[:slash], l.dirPath) {
		r := t.Lookup(path[:slash])
		if r == 0 {
			return 0, fmt.Errorf("node %q: its parent %q did not come before it", path, path[:slash])
		}
		l.dir, l.dirPath = uint32(r), append(l.dirPath[:0], path[:slash]...)
	}
	if r := t.Lookup(path); r != 0 {
		n := t.nodes.at(uint32(r))
		t.open(path, n)
		t.setData(uint32(r), data)
		return uint32(r), nil
	}
	return t.attach(l.dir, path, path[slash+1:], data), nil
}

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
	t := l.t
	for _, a := range l.acls {
		if a.id != 0 {
			t.acls.release(a.id)
		}
	}
	t.quotaLoad()
	t.lastZxid = zxid
	return t, nil
}
