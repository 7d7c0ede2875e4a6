package sim

import (
	"slices"
	"strings"

	"zooid/internal/wire"
)

// The ACLs that clients set.
var acls = [...]string{
	openACL,
	string(wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermRead, ID: wire.ID{Scheme: "world", ID: "anyone"}}})),
	string(wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "digest", ID: digestOf(users[1])}}})),
	string(wire.AppendACLs(nil, []wire.ACL{
		{Perms: wire.PermRead | wire.PermCreate, ID: wire.ID{Scheme: "world", ID: "anyone"}},
		{Perms: wire.PermAll, ID: wire.ID{Scheme: "digest", ID: digestOf(users[2])}},
	})),
}

// weighted are the requests that a client makes, each as often as its weight.
var weighted = []struct {
	weight int
	op     wire.Opcode
}{
	{14, wire.OpCreate}, {6, wire.OpCreate2}, {4, wire.OpCreateContainer}, {6, wire.OpCreateTTL},
	{14, wire.OpDelete}, {18, wire.OpSetData}, {4, wire.OpSetACL}, {9, wire.OpMulti},
	{10, wire.OpGetData}, {6, wire.OpExists}, {6, wire.OpGetChildren}, {8, wire.OpGetChildren2},
	{3, wire.OpGetACL}, {2, wire.OpSync}, {2, wire.OpGetEphemerals}, {1, wire.OpGetAllChildrenNumber},
	{3, wire.OpMultiRead}, {1, wire.OpWhoAmI}, {3, wire.OpPing},
	{4, wire.OpAddWatch}, {2, wire.OpRemoveWatches}, {1, wire.OpCheckWatches}, {1, wire.OpSetWatches2},
	{1, wire.OpCloseSession},
}

// generate makes up a request.
func (c *client) generate() *request {
	total := 0
	for _, x := range weighted {
		total += x.weight
	}
	n := c.w.rng.IntN(total)
	for _, x := range weighted {
		if n -= x.weight; n < 0 {
			q := c.make(x.op)
			if c.w.chance(40) {
				c.spoil(q)
			}
			return q
		}
	}
	return nil
}

// make fills in a request of a kind.
func (c *client) make(op wire.Opcode) *request {
	rng := c.w.rng
	q := &request{op: op, path: c.path(), version: -1}
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		c.fillCreate(q)
	case wire.OpDelete, wire.OpSetData, wire.OpSetACL, wire.OpCheck:
		if c.w.chance(4) {
			q.version = int32(rng.IntN(3))
		}
		q.data, q.acl = c.data(), []byte(acls[rng.IntN(len(acls))])
		if c.w.chance(4) {
			q.path = c.favourite(op)
		}
	case wire.OpMulti:
		q.path = ""
		ops := [...]wire.Opcode{wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL,
			wire.OpDelete, wire.OpSetData, wire.OpSetData, wire.OpCheck}
		for n := rng.IntN(6); n > 0; n-- {
			q.subs = append(q.subs, c.make(ops[rng.IntN(len(ops))]))
		}
	case wire.OpMultiRead:
		q.path = ""
		for n := rng.IntN(4); n > 0; n-- {
			q.subs = append(q.subs, c.make([...]wire.Opcode{wire.OpGetData, wire.OpGetChildren}[rng.IntN(2)]))
			q.subs[len(q.subs)-1].watch = false
		}
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		q.watch = c.w.chance(3)
		if c.w.chance(3) {
			q.path = c.w.model.fullest()
		}
	case wire.OpGetEphemerals:
		if c.w.chance(2) {
			q.path = "/"
		}
	case wire.OpAddWatch:
		q.mode = int32(rng.IntN(2))
	case wire.OpRemoveWatches, wire.OpCheckWatches:
		q.mode = 1 + int32(rng.IntN(5))
		if watches := c.conn.stream.watched(); len(watches) > 0 && !c.w.chance(3) {
			q.path = watches[rng.IntN(len(watches))]
		}
	case wire.OpSetWatches2:
		return c.setWatches()
	case wire.OpPing:
		q.path, q.xid = "", wire.XidPing
	case wire.OpWhoAmI, wire.OpCloseSession:
		q.path = ""
	}
	return q
}

// favourite is a path on which a change tells most: a node with many children
// for setACL, one that lives only as long as it is set for the others.
func (c *client) favourite(op wire.Opcode) string {
	m := c.w.model
	if op == wire.OpSetACL {
		return m.fullest()
	}
	at := c.w.rng.IntN(len(m.paths))
	for i := range m.paths {
		p := m.paths[(at+i)%len(m.paths)]
		if n := m.get(p); n != nil && n.stat.EphemeralOwner>>56 == -1 {
			return p
		}
	}
	return c.path()
}

func (c *client) fillCreate(q *request) {
	rng := c.w.rng
	q.data, q.acl = c.data(), []byte(c.acl())
	if !c.w.chance(5) {
		q.path = strings.TrimSuffix(c.path(), "/") + "/" + string('a'+rune(rng.IntN(12)))
	}
	switch q.op {
	case wire.OpCreateContainer:
		q.flags = 4
	case wire.OpCreateTTL:
		q.flags, q.ttl = int32(5+rng.IntN(2)), 1+rng.Int64N(10*c.w.prof.tick)
	default:
		q.flags = int32(rng.IntN(4))
	}
}

// spoil makes the mode of a create one that does not fit, or that is none.
func (c *client) spoil(q *request) {
	switch q.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		q.flags, q.ttl = int32(c.w.rng.IntN(9)-1), c.w.rng.Int64N(3)-1
	}
}

// path is mostly one of a znode that there is.
func (c *client) path() string {
	w := c.w
	if w.chance(50) {
		return [...]string{"/", "/zookeeper", "/zookeeper/config", "/a//b", "/a/", "relative", "/a/../b"}[w.rng.IntN(7)]
	}
	if paths := w.model.paths; !w.chance(6) {
		at := w.rng.IntN(len(paths))
		for i := range paths {
			p := paths[(at+i)%len(paths)]
			if w.model.get(p) != nil && !strings.HasPrefix(p, "/zookeeper") {
				return p
			}
		}
	}
	p := ""
	for n := 1 + w.rng.IntN(2); n > 0; n-- {
		p += "/" + string('a'+rune(w.rng.IntN(4)))
	}
	return p
}

func (c *client) acl() string {
	if c.w.chance(5) {
		return acls[c.w.rng.IntN(len(acls))]
	}
	return openACL
}

func (c *client) data() []byte {
	w := c.w
	n := w.rng.IntN(40)
	switch {
	case w.chance(20):
		return nil
	case w.chance(15):
		n = w.rng.IntN(3000)
	case w.prof.large > 0 && w.chance(15):
		n = w.rng.IntN(w.prof.large)
	}
	b := make([]byte, n)
	if w.chance(10) {
		return b // looks like a sector that never reached the disk
	}
	for i := range b {
		b[i] = byte(i) ^ byte(n) // no runs of zeros, few draws
	}
	if n > 0 {
		b[0] = byte(w.rng.Uint32())
	}
	return b
}

// watched lists the paths that the connection watches, sorted.
func (st *stream) watched() []string {
	all := make([]string, 0, len(st.watches))
	for p := range st.watches {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// setWatches asks for the watches of the last connection, and for some more.
func (c *client) setWatches() *request {
	w := c.w
	q := &request{op: wire.OpSetWatches2, xid: wire.XidSetWatches}
	q.set.RelativeZxid = c.zxid
	old := &stream{watches: c.old}
	for _, p := range old.watched() {
		mode, path := c.old[p], []byte(p)
		if mode&dataWatch != 0 && w.model.get(p) == nil {
			q.set.Exist = append(q.set.Exist, path)
		} else if mode&dataWatch != 0 {
			q.set.Data = append(q.set.Data, path)
		}
		if mode&childWatch != 0 {
			q.set.Child = append(q.set.Child, path)
		}
		if mode&persistentWatch != 0 {
			q.set.Persistent = append(q.set.Persistent, path)
		}
		if mode&recursiveWatch != 0 {
			q.set.PersistentRecursive = append(q.set.PersistentRecursive, path)
		}
	}
	for _, list := range []*[][]byte{&q.set.Data, &q.set.Exist, &q.set.Child, &q.set.Persistent, &q.set.PersistentRecursive} {
		if w.chance(3) {
			*list = append(*list, []byte(c.path()))
		}
	}
	c.old = nil
	return q
}
