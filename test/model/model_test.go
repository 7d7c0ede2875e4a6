// Package model holds what the server keeps in memory against models that are
// too simple to be wrong. It is the ring of tests between the tables of the
// packages and the simulator: random operations, every answer compared, and
// rapid shrinks what differs and prints the line that repeats it.
//
// The models are written from the reference, with maps of strings, and must
// never share code with what they judge.
package model

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"zooid/internal/wire"
)

// znode is one node of the model.
type znode struct {
	data  []byte // nil = null
	acl   string
	owner int64

	czxid, mzxid, pzxid         int64
	ctime, mtime                int64
	version, cversion, aversion int32
}

// mark is one watch: the bits are standard 1, persistent 2, recursive 4.
type table map[string]map[uint32]int

const (
	standard = 1 << iota
	persistentMode
	recursive
)

// model is a tree of znodes as a map from path to node; the root is "".
type model struct {
	extended    bool
	nodes       map[string]*znode
	quotas      map[string]bool
	data, child table
}

// event is one trigger: what all of conns are told.
type event struct {
	typ   int32
	path  string
	acl   string
	conns []uint32
}

// outcome is what one transaction leads to.
type outcome struct {
	code   wire.Code
	stat   wire.Stat
	codes  []wire.Code
	events []event
}

var (
	openACL = string(wire.OpenACL)
	readACL = string(wire.AppendACLs(nil, []wire.ACL{{Perms: 1, ID: wire.ID{Scheme: "world", ID: "anyone"}}}))
)

func newModel(extended bool) *model {
	m := &model{extended: extended, nodes: make(map[string]*znode), quotas: make(map[string]bool), data: make(table), child: make(table)}
	for _, p := range []string{"", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		m.nodes[p] = &znode{data: []byte{}, acl: openACL}
	}
	m.nodes["/zookeeper/config"].acl = readACL
	m.nodes["/zookeeper/config"].aversion = -1
	return m
}

// clone copies the nodes, for the cut of a walk.
func (m *model) clone() *model {
	c := &model{extended: m.extended, nodes: make(map[string]*znode)}
	for p, n := range m.nodes {
		x := *n
		c.nodes[p] = &x
	}
	return c
}

// node finds a path; "/" is the root.
func (m *model) node(path string) *znode {
	if path == "/" {
		path = ""
	}
	return m.nodes[path]
}

func parentOf(path string) string { return path[:strings.LastIndexByte(path, '/')] }

func shown(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// children returns the names of the children in order.
func (m *model) children(path string) []string {
	var names []string
	for p := range m.nodes {
		if p != "" && parentOf(p) == path {
			names = append(names, p[len(path)+1:])
		}
	}
	sort.Strings(names)
	return names
}

func (m *model) below(path string) int {
	n := 0
	for p := range m.nodes {
		if strings.HasPrefix(p, path+"/") {
			n++
		}
	}
	return n
}

func (m *model) isSession(owner int64) bool {
	if owner == 0 || owner == math.MinInt64 {
		return false
	}
	return !m.extended || uint64(owner)>>40 != 0xff0000
}

func (m *model) stat(path string) wire.Stat {
	n, kids := m.nodes[path], int32(len(m.children(path)))
	s := wire.Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, Pzxid: n.pzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: 2*n.cversion - kids, Aversion: n.aversion,
		DataLength: int32(len(n.data)), NumChildren: kids,
	}
	if m.isSession(n.owner) {
		s.EphemeralOwner = n.owner
	}
	return s
}

func (n *znode) persisted() wire.StatPersisted {
	return wire.StatPersisted{
		Czxid: n.czxid, Mzxid: n.mzxid, Pzxid: n.pzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.cversion, Aversion: n.aversion, EphemeralOwner: n.owner,
	}
}

// digest adds up the CRCs of all nodes.
func (m *model) digest() (sum uint64) {
	for p, n := range m.nodes {
		if strings.HasPrefix(p, "/zookeeper/") {
			continue
		}
		var b bytes.Buffer
		b.WriteString(p)
		b.Write(n.data)
		for _, v := range []int64{n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime} {
			b.Write([]byte{byte(v >> 56), byte(v >> 48), byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		}
		for _, v := range []int32{n.version, n.cversion, n.aversion, int32(n.owner >> 32), int32(n.owner)} {
			b.Write([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		}
		sum += uint64(crc32.ChecksumIEEE(b.Bytes()))
	}
	return sum
}

func (m *model) dataSize() int64 {
	size := int64(1)
	for p, n := range m.nodes {
		size += int64(len(p) + len(n.data))
	}
	return size
}

func (m *model) ephemerals(session int64) []string {
	var paths []string
	for p, n := range m.nodes {
		if n.owner == session && m.isSession(n.owner) {
			paths = append(paths, p)
		}
	}
	sort.Strings(paths)
	return paths
}

// op is one transaction, or one operation of a multi.
type op struct {
	typ       wire.Opcode
	path      string
	data      []byte
	acl       string
	ephemeral bool
	number    int32 // version, cversion or code
	ttl       int64
	paths     []string
	ops       []op
}

func (m *model) apply(o *op, session, zxid, time int64) (out outcome) {
	switch o.typ {
	case wire.OpCloseSession:
		for _, p := range o.paths {
			m.remove(p, zxid, &out)
		}
		for _, p := range m.ephemerals(session) {
			m.remove(p, zxid, &out)
		}
		out.code, out.stat = 0, wire.Stat{}
	case wire.OpMulti:
		m.multi(o, session, zxid, time, &out)
	default:
		m.one(o, session, zxid, time, &out)
	}
	return out
}

func (m *model) multi(o *op, session, zxid, time int64, out *outcome) {
	failed := slices.ContainsFunc(o.ops, func(x op) bool { return x.typ == wire.OpError })
	behind := wire.CodeOK
	first := wire.CodeOK
	for i := range o.ops {
		x := &o.ops[i]
		if failed && x.typ != wire.OpError {
			out.code = behind
		} else {
			out.code = 0
			m.one(x, session, zxid, time, out)
		}
		if x.typ == wire.OpError {
			behind = wire.CodeRuntimeInconsistency
		}
		if first == 0 {
			first = out.code
		}
		out.codes = append(out.codes, out.code)
	}
	out.code, out.stat = first, wire.Stat{}
}

func (m *model) one(o *op, session, zxid, time int64, out *outcome) {
	switch o.typ {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		m.create(o, session, zxid, time, out)
	case wire.OpDelete, wire.OpDeleteContainer:
		m.remove(o.path, zxid, out)
	case wire.OpSetData, wire.OpReconfig:
		n := m.node(o.path)
		if n == nil {
			out.code = wire.CodeNoNode
			return
		}
		change := len(o.data) - len(n.data)
		n.data, n.version, n.mzxid, n.mtime = o.data, o.number, zxid, time
		out.stat = m.stat(strings.TrimSuffix(o.path, "/"))
		m.count(o.path, 0, change)
		m.fire(out, wire.EventNodeDataChanged, o.path, n.acl, nil)
	case wire.OpSetACL:
		n := m.node(o.path)
		if n == nil {
			out.code = wire.CodeNoNode
			return
		}
		n.acl, n.aversion = o.acl, o.number
		out.stat = m.stat(strings.TrimSuffix(o.path, "/"))
	case wire.OpError:
		out.code = wire.Code(o.number)
	}
}

func (m *model) create(o *op, session, zxid, time int64, out *outcome) {
	parent := m.nodes[parentOf(o.path)]
	if parent == nil {
		out.code = wire.CodeNoNode
		return
	}
	cversion := o.number
	if cversion == -1 {
		cversion = parent.cversion + 1
	}
	n := m.nodes[o.path]
	if n == nil || o.typ == wire.OpCreate {
		if cversion > parent.cversion {
			parent.cversion, parent.pzxid = cversion, zxid
		}
	}
	if n != nil {
		n.acl = o.acl
		out.code = wire.CodeNodeExists
		return
	}
	n = &znode{data: o.data, acl: o.acl, czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: time, mtime: time}
	switch {
	case o.typ == wire.OpCreateContainer:
		n.owner = math.MinInt64
	case o.typ == wire.OpCreateTTL:
		n.owner = -1<<56 | o.ttl
	case o.ephemeral:
		n.owner = session
	}
	m.nodes[o.path] = n
	out.stat = m.stat(o.path)
	if rest, ok := strings.CutPrefix(o.path, "/zookeeper/quota/"); ok {
		if prefix, ok := strings.CutSuffix(rest, "/zookeeper_limits"); ok {
			m.quotas["/"+prefix] = true
		}
		if prefix, ok := strings.CutSuffix(rest, "/zookeeper_stats"); ok {
			m.recount("/" + prefix)
		}
	}
	m.count(o.path, 1, len(o.data))
	m.fire(out, wire.EventNodeCreated, o.path, n.acl, nil)
	m.fireChild(out, wire.EventNodeChildrenChanged, shown(parentOf(o.path)), parent.acl, nil)
}

func (m *model) remove(path string, zxid int64, out *outcome) {
	parent := m.nodes[parentOf(path)]
	if parent == nil {
		out.code = wire.CodeNoNode
		return
	}
	parent.pzxid = max(parent.pzxid, zxid)
	n := m.nodes[path]
	if n == nil {
		out.code = wire.CodeNoNode
		return
	}
	delete(m.nodes, path)
	if rest, ok := strings.CutPrefix(path, "/zookeeper/quota/"); ok {
		if prefix, ok := strings.CutSuffix(rest, "/zookeeper_limits"); ok {
			delete(m.quotas, "/"+prefix)
		}
	}
	m.count(path, -1, -len(n.data))
	told := m.fire(out, wire.EventNodeDeleted, path, n.acl, nil)
	m.fireChild(out, wire.EventNodeDeleted, path, n.acl, told)
	m.fireChild(out, wire.EventNodeChildrenChanged, shown(parentOf(path)), parent.acl, nil)
}

// recount writes the stats node of a quota.
func (m *model) recount(prefix string) {
	count, size := 0, 0
	for p, n := range m.nodes {
		if p == prefix || strings.HasPrefix(p, prefix+"/") {
			count, size = count+1, size+len(n.data)
		}
	}
	m.nodes["/zookeeper/quota"+prefix+"/zookeeper_stats"].data = fmt.Appendf(nil, "count=%d,bytes=%d", count, size)
}

// count changes the stats of the longest prefix with limits.
func (m *model) count(path string, nodes, size int) {
	for p := path; len(p) > 1; p = parentOf(p) {
		if !m.quotas[p] {
			continue
		}
		n := m.nodes["/zookeeper/quota"+p+"/zookeeper_stats"]
		if n == nil {
			return
		}
		f := strings.FieldsFunc(string(n.data), func(r rune) bool { return r == '=' || r == ',' })
		if len(f) != 4 {
			return
		}
		c, _ := strconv.Atoi(f[1])
		b, _ := strconv.Atoi(f[3])
		n.data = fmt.Appendf(nil, "count=%d,bytes=%d", c+nodes, b+size)
		return
	}
}

// fire tells the data table and returns whom.
func (m *model) fire(out *outcome, typ int32, path, acl string, told map[uint32]bool) map[uint32]bool {
	conns := make(map[uint32]bool)
	for c, modes := range m.data[path] {
		conns[c] = true
		m.data.set(path, c, modes&^standard)
	}
	for p := path; p != "/" && p != ""; {
		if p = parentOf(p); p == "" {
			p = "/"
		}
		for c, modes := range m.data[p] {
			if modes&recursive != 0 {
				conns[c] = true
			}
		}
	}
	return out.tell(typ, path, acl, conns, told)
}

// fireChild tells the child table, but not those told already.
func (m *model) fireChild(out *outcome, typ int32, path, acl string, told map[uint32]bool) {
	conns := make(map[uint32]bool)
	for c, modes := range m.child[path] {
		conns[c] = true
		m.child.set(path, c, modes&^standard)
	}
	out.tell(typ, path, acl, conns, told)
}

func (out *outcome) tell(typ int32, path, acl string, conns, told map[uint32]bool) map[uint32]bool {
	e := event{typ: typ, path: path, acl: acl}
	for c := range conns {
		if !told[c] {
			e.conns = append(e.conns, c)
		}
	}
	slices.Sort(e.conns)
	if len(e.conns) > 0 {
		out.events = append(out.events, e)
	}
	return conns
}

func (t table) set(path string, conn uint32, modes int) {
	if modes != 0 {
		if t[path] == nil {
			t[path] = make(map[uint32]int)
		}
		t[path][conn] = modes
		return
	}
	delete(t[path], conn)
	if len(t[path]) == 0 {
		delete(t, path)
	}
}

func (t table) has(path string, conn uint32, modes int) bool { return t[path][conn]&modes != 0 }

func (t table) drop(path string, conn uint32, modes int) bool {
	had := t.has(path, conn, modes)
	if had {
		t.set(path, conn, t[path][conn]&^modes)
	}
	return had
}

func (t table) size() (n int) {
	for _, conns := range t {
		n += len(conns)
	}
	return n
}

func (m *model) addWatch(data, child int, path string, conn uint32) {
	m.data.set(path, conn, m.data[path][conn]|data)
	m.child.set(path, conn, m.child[path][conn]|child)
}

// watchSets says which modes of the two tables a type of removeWatches means.
var watchSets = map[int32][2]int{
	1: {0, standard}, 2: {standard, 0}, 3: {7, 7}, 4: {persistentMode, persistentMode}, 5: {recursive, 0},
}

func (m *model) hasWatch(typ int32, path string, conn uint32) bool {
	s := watchSets[typ]
	return m.data.has(path, conn, s[0]) || m.child.has(path, conn, s[1])
}

func (m *model) removeWatches(typ int32, path string, conn uint32) bool {
	s := watchSets[typ]
	d, c := m.data.drop(path, conn, s[0]), m.child.drop(path, conn, s[1])
	return d || c
}

func (m *model) dropConn(conn uint32) {
	for _, t := range []table{m.data, m.child} {
		for _, path := range slices.Collect(maps.Keys(t)) {
			t.drop(path, conn, 7)
		}
	}
}

// setWatches returns the events, in the order of the request.
func (m *model) setWatches(s *wire.SetWatches, conn uint32) (events []event) {
	missed := func(typ int32, path []byte) {
		events = append(events, event{typ: typ, path: string(path), conns: []uint32{conn}})
	}
	for _, p := range s.Data {
		switch n := m.node(string(p)); {
		case n == nil:
			missed(wire.EventNodeDeleted, p)
		case n.mzxid > s.RelativeZxid:
			missed(wire.EventNodeDataChanged, p)
		default:
			m.addWatch(standard, 0, string(p), conn)
		}
	}
	for _, p := range s.Exist {
		if m.node(string(p)) != nil {
			missed(wire.EventNodeCreated, p)
		} else {
			m.addWatch(standard, 0, string(p), conn)
		}
	}
	for _, p := range s.Child {
		switch n := m.node(string(p)); {
		case n == nil:
			missed(wire.EventNodeDeleted, p)
		case n.pzxid > s.RelativeZxid:
			missed(wire.EventNodeChildrenChanged, p)
		default:
			m.addWatch(0, standard, string(p), conn)
		}
	}
	for _, p := range s.Persistent {
		m.addWatch(persistentMode, persistentMode, string(p), conn)
	}
	for _, p := range s.PersistentRecursive {
		m.addWatch(recursive, 0, string(p), conn)
	}
	return events
}
