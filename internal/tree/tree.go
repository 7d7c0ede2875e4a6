// Package tree holds the znodes of one server in memory, and the watches set
// on them: it answers reads, applies committed transactions, says which watches
// each one fires, and hands the whole tree out as of one zxid while it goes on
// changing.
//
// It stands at the end of the way of a write (step 8 of ARCHITECTURE.md) and
// of every read. Only package replica calls it: Apply and everything else that
// changes it from one goroutine at a time; methods documented as reads may run
// beside each other, never beside a change. It checks no permission and no
// version, knows no session but as the owner of ephemerals, and trusts the
// transactions that it gets, which prep has checked: what they ask for is done
// by the idempotent rules of ZooKeeper's replay.
//
// It is made for millions of znodes under a garbage collector. Nodes lie in
// chunked slabs of structs without pointers and are named by index; name and
// data share one slot of a size-class store; paths are found through a keyed
// hash by linear hashing, which never stalls to grow. The collector sees a few
// thousand large objects, whatever the number of znodes.
//
// The rules are those of org.apache.zookeeper.server.DataTree.
package tree

import (
	"bytes"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Options steer a tree.
type Options struct {
	// Seed keys the hash of paths. It should be secret, so that clients cannot
	// choose paths that collide; it changes nothing that can be seen.
	Seed uint64
	// Digest keeps the digest of the tree up to date (zookeeper.digest.enabled).
	Digest bool
	// ExtendedTypes reads owners with the top byte 0xff as TTL nodes
	// (zookeeper.extendedTypesEnabled).
	ExtendedTypes bool
	// Emulate353 reads, with ExtendedTypes, every other negative owner as a TTL
	// node of release 3.5.3 (zookeeper.emulate353TTLNodes).
	Emulate353 bool
}

// Ref names a node; 0 names none. It is good until the node is deleted, after
// which another node may get it.
type Ref uint32

// Root is the node "/".
const Root Ref = 1

// Tree is a tree of znodes with its watches.
type Tree struct {
	opt   Options
	hash  hasher
	nodes slab[node]
	dirs  slab[dir]
	index index
	blobs blobs
	acls  aclTable

	owned    slab[owned]
	sessions map[int64]uint32 // session -> its first entry in owned
	numTTL   int
	numCont  int

	lastZxid int64
	digest   uint64
	digester Digester
	dataSize int64
	quotas   quotas
	watches  watches
	walks    []*Walk
	scratch  []byte

	replaying bool   // Replaying
	foreseen  uint32 // of no meaning
}

// node is one znode without its name, data and what only parents have. 80
// bytes: a chunk of 1024 fills pages exactly.
type node struct {
	hash    uint32 // of the full path
	next    uint32 // hash chain
	parent  uint32
	blob    blob   // name and data
	dataLen int32  // -1 = null
	acl     uint32 // in aclTable; 0 = open
	dir     uint32 // in dirs; 0 = never had a child
	owner   uint32 // in owned; 0 = persistent

	version  int32
	aversion int32

	nextSib uint32 // 0 behind the last
	prevSib uint32 // the last one's index at the first

	czxid, mzxid int64
	ctime, mtime int64
}

// dir is what a node has that is or was a parent, or whose pzxid or cversion
// say so. A node without one has pzxid = czxid and cversion 0.
type dir struct {
	pzxid    int64
	bytes    int64  // data of all descendants
	first    uint32 // oldest child
	children uint32
	cversion int32 // children ever created
	below    int32 // number of all descendants
}

// New returns a fresh tree: the root, /zookeeper, /zookeeper/config and
// /zookeeper/quota, in the order in which Java's first snapshot has them.
func New(opt Options) *Tree {
	t := newBare(opt)
	zk := t.builtin(Root, "/zookeeper")
	config := t.builtin(zk, "/zookeeper/config")
	t.builtin(zk, "/zookeeper/quota")
	n := t.nodes.at(uint32(config))
	n.acl = t.acls.intern(readACL)
	n.aversion = -1
	t.redigest()
	return t
}

// readACL is world:anyone with READ: the ACL of /zookeeper/config.
var readACL = wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermRead, ID: wire.ID{Scheme: "world", ID: "anyone"}}})

// newBare returns a tree that holds only the root.
func newBare(opt Options) *Tree {
	t := &Tree{
		opt:      opt,
		hash:     newHasher(opt.Seed),
		nodes:    newSlab[node](),
		dirs:     newSlab[dir](),
		owned:    newSlab[owned](),
		sessions: make(map[int64]uint32),
	}
	t.blobs.init()
	t.acls.init()
	t.watches.init(&t.blobs, &t.hash)
	t.index = newIndex(
		func(i uint32) uint32 { return t.nodes.at(i).hash },
		func(i uint32) *uint32 { return &t.nodes.at(i).next })
	root := t.nodes.at(t.nodes.alloc())
	root.blob = t.newBlob(nil, []byte{})
	t.dataSize = int64(textLen("/"))
	return t
}

// builtin adds a node as a fresh tree has it: empty data, zero stat, and not
// counted as a creation at its parent.
func (t *Tree) builtin(parent Ref, path string) Ref {
	r := t.attach(uint32(parent), []byte(path), []byte(path[lastSlash([]byte(path))+1:]), []byte{})
	return Ref(r)
}

func lastSlash(path []byte) int { return bytes.LastIndexByte(path, '/') }

// textLen is the length of a path in Java's characters, UTF-16 units: the
// approximate data size counts those.
func textLen[T string | []byte](path T) int {
	n := 0
	for i := range len(path) {
		if c := path[i]; c < 0x80 || c >= 0xc0 {
			n++
			if c >= 0xf0 {
				n++
			}
		}
	}
	return n
}

// LastZxid returns the zxid of the last transaction applied, or set. A read.
func (t *Tree) LastZxid() int64 { return t.lastZxid }

// SetLastZxid says which zxid the tree is at when no transaction did: after a
// load, and for the first zxid of an epoch.
func (t *Tree) SetLastZxid(zxid int64) { t.lastZxid = zxid }

// Lookup returns the node of a path, or 0. "" and "/" are the root. A read; it
// allocates nothing.
func (t *Tree) Lookup(path []byte) Ref { return t.LookupHash(path, t.Hash(path)) }

// Hash returns the hash of a path for LookupHash. It is keyed by the tree's
// seed, so clients cannot make paths that collide. A read.
func (t *Tree) Hash(path []byte) uint32 { return t.hash.sum(path) }

// LookupHash is Lookup for a caller that has the hash of the path already.
func (t *Tree) LookupHash(path []byte, h uint32) Ref {
	if len(path) <= 1 {
		if len(path) == 0 || path[0] == '/' {
			return Root
		}
		return 0
	}
	for i := *t.index.bucket(h); i != 0; {
		n := t.nodes.at(i)
		if n.hash == h && t.hasPath(i, path) {
			return Ref(i)
		}
		i = n.next
	}
	return 0
}

// Foresee fetches what Lookup of a path will look at. Fetches do not wait for
// each other, as lookups do, so a few of them before as many lookups save most
// of the time that the memory takes.
func (t *Tree) Foresee(path []byte) {
	if i := *t.index.bucket(t.Hash(path)); i != 0 {
		t.foreseen ^= t.nodes.at(i).hash // or the compiler would leave it out
	}
}

// hasPath compares a path with a node's, from the back.
func (t *Tree) hasPath(i uint32, path []byte) bool {
	for i != uint32(Root) {
		n := t.nodes.at(i)
		name := t.name(n)
		at := len(path) - len(name)
		if at < 1 || path[at-1] != '/' || string(path[at:]) != string(name) {
			return false
		}
		path, i = path[:at-1], n.parent
	}
	return len(path) == 0
}

// Path appends the full path of a node to b. A read.
func (t *Tree) Path(b []byte, r Ref) []byte {
	if r == Root {
		return append(b, '/')
	}
	return t.appendPath(b, uint32(r))
}

// appendPath is Path with "" for the root, as snapshots and digests have it.
func (t *Tree) appendPath(b []byte, i uint32) []byte {
	size := 0
	for j := i; j != uint32(Root); {
		n := t.nodes.at(j)
		size += 1 + len(t.name(n))
		j = n.parent
	}
	b = grow(b, size)
	at := len(b)
	for i != uint32(Root) {
		n := t.nodes.at(i)
		name := t.name(n)
		at -= len(name)
		copy(b[at:], name)
		at--
		b[at] = '/'
		i = n.parent
	}
	return b
}

// grow lengthens b by n bytes of any content.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(b, make([]byte, n)...)
		return b
	}
	return b[:len(b)+n]
}

// Name appends the last part of a node's path; nothing for the root. A read.
func (t *Tree) Name(b []byte, r Ref) []byte { return append(b, t.name(t.nodes.at(uint32(r)))...) }

// Parent returns the parent of a node, 0 for the root. A read.
func (t *Tree) Parent(r Ref) Ref { return Ref(t.nodes.at(uint32(r)).parent) }

// Stat fills s with what a client sees of a node. A read.
func (t *Tree) Stat(r Ref, s *wire.Stat) {
	n := t.nodes.at(uint32(r))
	s.Czxid, s.Mzxid, s.Ctime, s.Mtime = n.czxid, n.mzxid, n.ctime, n.mtime
	s.Version, s.Aversion = n.version, n.aversion
	s.DataLength = max(n.dataLen, 0)
	s.Cversion, s.NumChildren, s.Pzxid, s.EphemeralOwner = 0, 0, n.czxid, 0
	if n.dir != 0 {
		d := t.dirs.at(n.dir)
		s.NumChildren, s.Pzxid = int32(d.children), d.pzxid
		// A client counts deletions too: each creation has one but for the
		// children still there.
		s.Cversion = d.cversion*2 - s.NumChildren
	}
	if n.owner != 0 {
		if o := t.owned.at(n.owner).owner; t.kindOf(o) == ordinary {
			s.EphemeralOwner = o
		}
	}
}

// Persisted fills s with what a snapshot keeps of a node. A read.
func (t *Tree) Persisted(r Ref, s *wire.StatPersisted) {
	t.persisted(t.nodes.at(uint32(r)), s)
}

func (t *Tree) persisted(n *node, s *wire.StatPersisted) {
	s.Czxid, s.Mzxid, s.Ctime, s.Mtime = n.czxid, n.mzxid, n.ctime, n.mtime
	s.Version, s.Aversion = n.version, n.aversion
	s.Cversion, s.Pzxid, s.EphemeralOwner = 0, n.czxid, 0
	if n.dir != 0 {
		d := t.dirs.at(n.dir)
		s.Cversion, s.Pzxid = d.cversion, d.pzxid
	}
	if n.owner != 0 {
		s.EphemeralOwner = t.owned.at(n.owner).owner
	}
}

// Data returns the data of a node: nil for null. The slice is good until the
// next change of the tree. A read.
func (t *Tree) Data(r Ref) []byte { return t.data(t.nodes.at(uint32(r))) }

// ACL returns the encoded ACL vector of a node. A read.
func (t *Tree) ACL(r Ref) []byte { return t.acls.raw(t.nodes.at(uint32(r)).acl) }

// NumChildren returns the number of children of a node. A read.
func (t *Tree) NumChildren(r Ref) int32 {
	if d := t.nodes.at(uint32(r)).dir; d != 0 {
		return int32(t.dirs.at(d).children)
	}
	return 0
}

// Descendants returns the number of nodes below a node, in constant time. A read.
func (t *Tree) Descendants(r Ref) int32 {
	if d := t.nodes.at(uint32(r)).dir; d != 0 {
		return t.dirs.at(d).below
	}
	return 0
}

// Cversion returns the internal cversion of a node: the number of children
// ever created, from which the suffix of a sequential child is made. A read.
func (t *Tree) Cversion(r Ref) int32 {
	if d := t.nodes.at(uint32(r)).dir; d != 0 {
		return t.dirs.at(d).cversion
	}
	return 0
}

// Children calls yield with the name of each child, oldest first, until it
// returns false. The name is good until the next change. A read.
func (t *Tree) Children(r Ref, yield func(name []byte) bool) {
	for i := t.firstChild(t.nodes.at(uint32(r))); i != 0; {
		n := t.nodes.at(i)
		if !yield(t.name(n)) {
			return
		}
		i = n.nextSib
	}
}

// AppendChildren appends the names of the children as an encoded vector of
// ustrings, oldest first. A read.
func (t *Tree) AppendChildren(b []byte, r Ref) []byte {
	b = jute.AppendInt(b, t.NumChildren(r))
	for i := t.firstChild(t.nodes.at(uint32(r))); i != 0; {
		n := t.nodes.at(i)
		b = jute.AppendText(b, t.name(n))
		i = n.nextSib
	}
	return b
}

// AppendSomeChildren appends the names of up to max children as ustrings,
// beginning with the child from (0 for the first), and returns how many they are
// and the child to go on with, 0 after the last. Whoever lists in turns makes
// sure that no child came or went in between (the parent's pzxid tells). A read.
func (t *Tree) AppendSomeChildren(b []byte, r, from Ref, max int) (out []byte, count int, next Ref) {
	i := uint32(from)
	if from == 0 {
		i = t.firstChild(t.nodes.at(uint32(r)))
	}
	for ; i != 0 && count < max; count++ {
		n := t.nodes.at(i)
		b = jute.AppendText(b, t.name(n))
		i = n.nextSib
	}
	return b, count, Ref(i)
}

func (t *Tree) firstChild(n *node) uint32 {
	if n.dir == 0 {
		return 0
	}
	return t.dirs.at(n.dir).first
}

// NodeCount returns the number of nodes as ZooKeeper counts them: the root,
// which its table holds under two names, twice. A read.
func (t *Tree) NodeCount() int { return t.nodes.count() + 1 }

// DataSize returns ZooKeeper's approximate data size: the characters of all
// paths and the bytes of all data. A read.
func (t *Tree) DataSize() int64 { return t.dataSize }

// ACLCount returns the number of different ACLs that are not open. A read.
func (t *Tree) ACLCount() int { return t.acls.count() }
