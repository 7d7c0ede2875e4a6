package sim

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"

	"zooid/internal/wire"
)

// model is what a ZooKeeper server is meant to be, made as plain as can be:
// every version of every znode by path, every transaction and every session.
// It runs in lockstep with the server under test: predict.go says what each
// request has to become, read.go what each read has to answer at a zxid, and
// after a crash the model is cut back to what the server recovered.
//
// It shares records and numbers with the server (package wire) and no rule.
type model struct {
	digests    bool // transactions carry digests
	closePaths bool // closeSession lists its paths

	hist  map[string][]version
	paths []string // the keys of hist, the oldest first
	txns  []*txn   // txns[i] has the zxid i+1
	// digest is that of the newest state.
	digest  uint64
	dirty   []string // paths that the transaction in the making changed
	byID    map[int64]*session
	ordered []*session // by creation

	applied int64 // the server was told that everything up to here is durable
	acked   int64 // the newest zxid that any client can have seen
}

// version is a znode from a zxid on; node nil: it does not exist.
type version struct {
	zxid int64
	node *node
}

// node is one version of a znode. It is never changed: a change makes a new one.
type node struct {
	data []byte // nil is null
	acl  string // encoded vector
	stat wire.StatPersisted
	kids []string // sorted
}

// event is a watch event as it may go to any connection.
type event struct {
	zxid int64
	kind int32
	path string
	acl  string // who cannot read it is not told
}

// txn is one transaction and all that it leads to.
type txn struct {
	zxid      int64
	typ       wire.Opcode
	session   int64
	cxid      int32
	time      int64
	body      []byte
	entry     []byte // the server's own bytes, digest included
	code      wire.Code
	result    []byte // what stands behind the header of its reply
	events    []event
	unordered bool // the order of its events is not fixed
	digest    uint64
}

// session is a client session from its proposal on.
type session struct {
	id      int64
	timeout int32 // ms, as the connection was last told
	stored  int32 // ms, as the log has it
	created int64 // zxid of createSession
	closed  int64 // zxid of closeSession, 0 as long as there is none
	stream  *stream

	// Between active, when the server last heard of the session, and heard,
	// when its core did, lies what a shell may keep back.
	active, heard int64
	fastRead      bool // was active outside the loop since the last tick
}

const openACL = "\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05world\x00\x00\x00\x06anyone"

func newModel(digests, closePaths bool) *model {
	m := &model{digests: digests, closePaths: closePaths, hist: map[string][]version{}, byID: map[int64]*session{}}
	read := string(wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermRead, ID: wire.ID{Scheme: "world", ID: "anyone"}}}))
	m.put(0, "/", &node{data: []byte{}, acl: openACL, kids: []string{"zookeeper"}})
	m.put(0, "/zookeeper", &node{data: []byte{}, acl: openACL, kids: []string{"config", "quota"}})
	m.put(0, "/zookeeper/quota", &node{data: []byte{}, acl: openACL})
	m.put(0, "/zookeeper/config", &node{data: []byte{}, acl: read, stat: wire.StatPersisted{Aversion: -1}})
	m.dirty = nil
	return m
}

// last is the newest zxid that was handed out.
func (m *model) last() int64 { return int64(len(m.txns)) }

func (m *model) txn(zxid int64) *txn { return m.txns[zxid-1] }

// get returns the newest version of a znode, nil for none.
func (m *model) get(path string) *node { return m.at(path, m.last()+1) }

// at returns a znode as of a zxid.
func (m *model) at(path string, zxid int64) *node {
	h := m.hist[path]
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].zxid <= zxid {
			return h[i].node
		}
	}
	return nil
}

// put adds a version.
func (m *model) put(zxid int64, path string, n *node) {
	if _, known := m.hist[path]; !known {
		m.paths = append(m.paths, path)
	}
	m.digest -= nodeDigest(path, m.get(path))
	m.digest += nodeDigest(path, n)
	m.hist[path] = append(m.hist[path], version{zxid, n})
	m.dirty = append(m.dirty, path)
}

// undo takes back what was put since n entries were dirty.
func (m *model) undo(n int) {
	for len(m.dirty) > n {
		path := m.dirty[len(m.dirty)-1]
		m.dirty = m.dirty[:len(m.dirty)-1]
		m.digest -= nodeDigest(path, m.get(path))
		h := m.hist[path]
		m.hist[path] = h[:len(h)-1]
		m.digest += nodeDigest(path, m.get(path))
	}
}

// cut forgets everything behind zxid: a crash took it.
func (m *model) cut(zxid int64) {
	m.txns = m.txns[:zxid]
	m.paths = slices.DeleteFunc(m.paths, func(path string) bool {
		h := m.hist[path]
		for len(h) > 0 && h[len(h)-1].zxid > zxid {
			h = h[:len(h)-1]
		}
		m.hist[path] = h
		if len(h) == 0 {
			delete(m.hist, path)
		}
		return len(h) == 0
	})
	m.digest = m.digestAt(zxid)
	m.ordered = slices.DeleteFunc(m.ordered, func(s *session) bool {
		if s.created > zxid {
			delete(m.byID, s.id)
			return true
		}
		if s.closed > zxid {
			s.closed = 0
		}
		s.stream, s.fastRead, s.timeout = nil, false, s.stored
		return false
	})
	m.applied = zxid
}

func (m *model) digestAt(zxid int64) uint64 {
	if zxid > 0 {
		return m.txns[zxid-1].digest
	}
	return nodeDigest("/", m.at("/", 0)) + nodeDigest("/zookeeper", m.at("/zookeeper", 0))
}

// live returns the paths of the znodes as of a zxid, sorted.
func (m *model) live(zxid int64) []string {
	var all []string
	for _, p := range m.paths {
		if m.at(p, zxid) != nil {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// ephemerals returns the paths that a session owns as of a zxid, sorted.
func (m *model) ephemerals(id, zxid int64) []string {
	var all []string
	for _, p := range m.paths {
		if n := m.at(p, zxid); n != nil && n.stat.EphemeralOwner == id {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// sessionsAt returns the sessions whose creation is in the log up to a zxid
// and whose end is not.
func (m *model) sessionsAt(zxid int64) []*session {
	var all []*session
	for _, s := range m.ordered {
		if s.created <= zxid && (s.closed == 0 || s.closed > zxid) {
			all = append(all, s)
		}
	}
	return all
}

// nodeDigest is DigestCalculator's, version 2.
func nodeDigest(path string, n *node) uint64 {
	if n == nil || strings.HasPrefix(path, "/zookeeper/") {
		return 0
	}
	b := []byte(path)
	if path == "/" {
		b = nil
	}
	b = append(b, n.data...)
	s := &n.stat
	for _, v := range []int64{s.Czxid, s.Mzxid, s.Pzxid, s.Ctime, s.Mtime} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	for _, v := range []int32{s.Version, s.Cversion, s.Aversion} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.EphemeralOwner))
	return uint64(crc32.ChecksumIEEE(b))
}

// The owners that name no session.
const (
	containerOwner = int64(-1 << 63)
	ttlOwner       = int64(-1 << 56)
	ttlMask        = int64(1<<40 - 1)
)

func ofSession(owner int64) bool { return owner != 0 && owner>>56 != -1 && owner != containerOwner }

// shown is the Stat that a client sees.
func (n *node) shown() wire.Stat {
	s := &n.stat
	st := wire.Stat{
		Czxid: s.Czxid, Mzxid: s.Mzxid, Ctime: s.Ctime, Mtime: s.Mtime, Version: s.Version, Aversion: s.Aversion,
		Cversion: 2*s.Cversion - int32(len(n.kids)), Pzxid: s.Pzxid,
		DataLength: int32(len(n.data)), NumChildren: int32(len(n.kids)),
	}
	if ofSession(s.EphemeralOwner) {
		st.EphemeralOwner = s.EphemeralOwner
	}
	return st
}

// parentOf returns the parent's path and the last part of a path that begins
// with a slash.
func parentOf(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	if i == 0 {
		return "/", path[1:]
	}
	return path[:i], path[i+1:]
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == name })
}

func with(names []string, name string) []string {
	names = append(slices.Clone(names), name)
	slices.Sort(names)
	return names
}

// may reports whether identities have one of the permissions.
func may(acl string, need int32, ids []wire.ID) bool {
	entries, err := wire.DecodeACLs([]byte(acl))
	if err != nil || len(entries) == 0 {
		return err == nil
	}
	for _, e := range entries {
		if e.Perms&need != 0 && (e.ID == wire.ID{Scheme: "world", ID: "anyone"} || slices.Contains(ids, e.ID)) {
			return true
		}
	}
	return false
}

// fullest returns the path with the most children.
func (m *model) fullest() string {
	best, most := "/", 0
	for _, p := range m.paths {
		if n := m.get(p); n != nil && len(n.kids) > most {
			best, most = p, len(n.kids)
		}
	}
	return best
}
