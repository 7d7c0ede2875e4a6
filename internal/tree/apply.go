package tree

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Result is what a transaction led to. One value is used for call after call:
// its slices keep their memory and are good until the next Apply; paths in it
// point into the body that was applied or into the Result.
type Result struct {
	Type wire.Opcode
	// Err is the code for the reply. An error transaction carries its own;
	// for a multi it is the first one that is not OK. CodeMarshallingError
	// means that the body cannot be read, which is damage and no reply.
	Err  wire.Code
	Path []byte    // of the node; nil when the type has none
	Stat wire.Stat // after a create, setData or setACL that worked
	Sub  []SubResult
	Hits []Hit // the watches that fired, in order

	paths []byte // paths that no body holds
}

// SubResult is what one operation of a multi led to. Type is OpError for each
// operation of a multi that failed.
type SubResult struct {
	Type wire.Opcode
	Err  wire.Code
	Path []byte
	Stat wire.Stat
}

// change is one operation on its way into the tree.
type change struct {
	zxid, time int64
	session    int64
	r          *Result
}

// Apply applies a committed transaction and fills r. It takes every type of
// the log, changes nothing for those that do not concern the tree, and does
// again without harm what a tree already holds, by the rules of ZooKeeper's
// replay. A transaction that would not do anything but fail, fails in r.Err;
// the tree goes on. In steady state it allocates nothing.
func (t *Tree) Apply(h *wire.TxnHeader, body []byte, r *Result) {
	r.Type, r.Err, r.Path = h.Type, wire.CodeOK, nil
	r.Stat = wire.Stat{}
	r.Sub, r.Hits, r.paths = r.Sub[:0], r.Hits[:0], r.paths[:0]
	c := change{zxid: h.Zxid, time: h.Time, session: h.ClientID, r: r}
	switch h.Type {
	case wire.OpCloseSession:
		r.Err = t.closeSession(&c, body)
	case wire.OpMulti:
		r.Err = t.applyMulti(&c, body)
	case wire.OpCreateSession:
	default:
		r.Path, r.Err = t.applyOne(&c, h.Type, body, &r.Stat)
	}
	t.lastZxid = max(t.lastZxid, h.Zxid)
}

// applyOne applies a transaction on one node, alone or as part of a multi.
func (t *Tree) applyOne(c *change, typ wire.Opcode, body []byte, s *wire.Stat) (path []byte, code wire.Code) {
	d := jute.NewDecoder(body)
	switch typ {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return t.applyCreate(c, typ, body, s)
	case wire.OpDelete, wire.OpDeleteContainer:
		var x wire.DeleteTxn
		if x.Decode(&d); d.Err() == nil {
			return x.Path, t.remove(c, x.Path)
		}
	case wire.OpSetData, wire.OpReconfig:
		var x wire.SetDataTxn
		if x.Decode(&d); d.Err() == nil && x.Path != nil {
			return x.Path, t.set(c, x.Path, x.Data, x.Version, s)
		}
	case wire.OpSetACL:
		var x wire.SetACLTxn
		if x.Decode(&d); d.Err() == nil && x.Path != nil {
			return x.Path, t.setACL(x.Path, x.ACL, x.Version, s)
		}
	case wire.OpCheck:
		var x wire.CheckVersionTxn
		if x.Decode(&d); d.Err() == nil {
			return x.Path, wire.CodeOK
		}
	case wire.OpError:
		var x wire.ErrorTxn
		if x.Decode(&d); d.Err() == nil {
			return nil, x.Err
		}
	}
	return nil, wire.CodeMarshallingError
}

// creation is the common form of the four create transactions.
type creation struct {
	path, data, acl []byte
	owner           int64
	parentCversion  int32 // -1 = the present one plus one
}

func (t *Tree) applyCreate(c *change, typ wire.Opcode, body []byte, s *wire.Stat) ([]byte, wire.Code) {
	d := jute.NewDecoder(body)
	var n creation
	switch typ {
	case wire.OpCreateContainer:
		var x wire.CreateContainerTxn
		x.Decode(&d)
		n = creation{x.Path, x.Data, x.ACL, ContainerOwner, x.ParentCVersion}
	case wire.OpCreateTTL:
		var x wire.CreateTTLTxn
		x.Decode(&d)
		n = creation{x.Path, x.Data, x.ACL, TTLOwner(x.TTL), x.ParentCVersion}
		if d.Err() == nil && (x.TTL < 1 || x.TTL > MaxTTL) {
			// Prep never lets one through. Java logs and then dies on it, at
			// every start again; here such a log can be read.
			return x.Path, wire.CodeBadArguments
		}
	default:
		var x wire.CreateTxn
		x.Decode(&d)
		n = creation{x.Path, x.Data, x.ACL, 0, x.ParentCVersion}
		if x.Ephemeral {
			n.owner = c.session
		}
	}
	if d.Err() != nil {
		return nil, wire.CodeMarshallingError
	}
	code := t.create(c, &n, s)
	if code == wire.CodeNodeExists && typ == wire.OpCreate {
		t.raiseCversion(n.path, n.parentCversion, c.zxid)
	}
	return n.path, code
}

// create adds a node.
func (t *Tree) create(c *change, x *creation, s *wire.Stat) wire.Code {
	slash := lastSlash(x.path)
	if slash < 0 {
		return wire.CodeNoNode
	}
	parentPath, name := x.path[:slash], x.path[slash+1:]
	p := uint32(t.Lookup(parentPath))
	if p == 0 {
		return wire.CodeNoNode
	}
	if r := t.Lookup(x.path); r != 0 {
		t.replaceACL(uint32(r), x.acl)
		return wire.CodeNodeExists
	}
	if len(name) == 0 {
		return wire.CodeNoNode
	}
	t.touch(p)
	parent := t.nodes.at(p)
	opened := t.open(parentPath, parent)
	t.raise(t.ensureDir(p), x.parentCversion, c.zxid)
	i := t.attach(p, x.path, name, x.data)
	t.born(i)
	n := t.nodes.at(i)
	n.czxid, n.mzxid, n.ctime, n.mtime = c.zxid, c.zxid, c.time, c.time
	n.acl = t.acls.intern(x.acl)
	t.own(i, x.owner)
	t.close(opened, parent)
	t.add(x.path, n)
	t.Stat(Ref(i), s)
	t.quotaCreated(x.path, i)
	if t.watches.any() {
		t.watches.created(c.r, x.path, slash, t.acls.raw(n.acl), t.acls.raw(parent.acl))
	}
	return wire.CodeOK
}

// raise sets the cversion and pzxid of a parent for a creation, unless it is
// beyond that already.
func (t *Tree) raise(d *dir, cversion int32, zxid int64) {
	if cversion == -1 {
		cversion = d.cversion + 1
	}
	if cversion > d.cversion {
		d.cversion, d.pzxid = cversion, zxid
	}
}

// raiseCversion is raise for a creation found to be done already: the tree may
// hold the child from a later session than the parent's numbers.
func (t *Tree) raiseCversion(path []byte, cversion int32, zxid int64) {
	parentPath := path[:lastSlash(path)]
	p := uint32(t.Lookup(parentPath))
	if p == 0 {
		return
	}
	if d := t.nodes.at(p).dir; cversion != -1 && d != 0 && cversion <= t.dirs.at(d).cversion {
		return
	}
	t.touch(p)
	n := t.nodes.at(p)
	opened := t.open(parentPath, n)
	t.raise(t.ensureDir(p), cversion, zxid)
	t.close(opened, n)
}

// remove deletes a node. One that still has children, which only the replay
// over a snapshot of Java's can meet, loses them first: transactions that
// follow make them again.
func (t *Tree) remove(c *change, path []byte) wire.Code {
	slash := lastSlash(path)
	if slash < 0 {
		return wire.CodeNoNode
	}
	parentPath := path[:slash]
	p := uint32(t.Lookup(parentPath))
	if p == 0 {
		return wire.CodeNoNode
	}
	i := uint32(t.Lookup(path))
	if i == uint32(Root) {
		return wire.CodeNoNode
	}
	if i != 0 && t.firstChild(t.nodes.at(i)) != 0 {
		t.removeBelow(c, i)
	}
	// The parent notes the deletion even when the node is gone already.
	parent := t.nodes.at(p)
	if d := t.ensureDir(p); c.zxid > d.pzxid {
		t.touch(p)
		opened := t.open(parentPath, parent)
		d.pzxid = c.zxid
		t.close(opened, parent)
	}
	if i == 0 {
		return wire.CodeNoNode
	}
	n := t.nodes.at(i)
	t.touch(i)
	t.gone(i)
	t.open(path, n)
	acl, size := t.acls.raw(n.acl), int64(max(n.dataLen, 0))
	t.detach(i, path)
	t.quotaDeleted(path, size)
	if t.watches.any() {
		t.watches.deleted(c.r, path, slash, acl, t.acls.raw(parent.acl))
	}
	return wire.CodeOK
}

func (t *Tree) removeBelow(c *change, i uint32) {
	for {
		child := t.firstChild(t.nodes.at(i))
		if child == 0 {
			return
		}
		t.removeFound(c, child)
	}
}

// removeFound removes a node that a loop over the tree has met. If its own
// path did not lead to it the loop would meet it for ever.
func (t *Tree) removeFound(c *change, i uint32) {
	if t.remove(c, c.r.pathOf(t, i)) != wire.CodeOK {
		panic("tree: a node is not found by its own path")
	}
}

// pathOf returns a node's path, kept in the Result.
func (r *Result) pathOf(t *Tree, i uint32) []byte {
	at := len(r.paths)
	r.paths = t.appendPath(r.paths, i)
	return r.paths[at:len(r.paths):len(r.paths)]
}

// set replaces the data of a node.
func (t *Tree) set(c *change, path, data []byte, version int32, s *wire.Stat) wire.Code {
	i := uint32(t.Lookup(path))
	if i == 0 {
		return wire.CodeNoNode
	}
	t.touch(i)
	n := t.nodes.at(i)
	t.open(path, n)
	was := int64(max(n.dataLen, 0))
	t.setData(i, data)
	n.mzxid, n.mtime, n.version = c.zxid, c.time, version
	t.add(path, n)
	t.Stat(Ref(i), s)
	t.quotaSet(path, int64(len(data))-was)
	if t.watches.any() {
		t.watches.changed(c.r, path, t.acls.raw(n.acl))
	}
	return wire.CodeOK
}

// setACL replaces the ACL of a node.
func (t *Tree) setACL(path, acl []byte, aversion int32, s *wire.Stat) wire.Code {
	i := uint32(t.Lookup(path))
	if i == 0 {
		return wire.CodeNoNode
	}
	t.touch(i)
	n := t.nodes.at(i)
	opened := t.open(path, n)
	n.aversion = aversion
	t.replaceACL(i, acl)
	t.close(opened, n)
	t.Stat(Ref(i), s)
	return wire.CodeOK
}

func (t *Tree) replaceACL(i uint32, acl []byte) {
	t.touch(i)
	n := t.nodes.at(i)
	old := n.acl
	n.acl = t.acls.intern(acl)
	t.acls.release(old)
}

// closeSession deletes the listed nodes, then whatever the session still owns.
func (t *Tree) closeSession(c *change, body []byte) wire.Code {
	d := jute.NewDecoder(body)
	if len(body) > 0 {
		for n := d.Count(4); n > 0 && d.Err() == nil; n-- {
			if path := d.Text(); d.Err() == nil {
				// It may be gone: the fuzzy snapshot of Java's below a replay can be
				// newer than its zxid.
				_ = t.remove(c, path)
			}
		}
		if d.Err() != nil {
			return wire.CodeMarshallingError
		}
	}
	for {
		e := t.sessions[c.session]
		if e == 0 {
			return wire.CodeOK
		}
		t.removeFound(c, t.owned.at(e).node)
	}
}

// applyMulti applies the operations of a multi one by one, or, when one of
// them is an error, none: then each only gets its code.
func (t *Tree) applyMulti(c *change, body []byte) wire.Code {
	failed := false
	d := jute.NewDecoder(body)
	for n := d.Count(8); n > 0; n-- {
		x := wire.NextSubTxn(&d)
		failed = failed || x.Type == wire.OpError
	}
	if d.Err() != nil {
		return wire.CodeMarshallingError
	}
	first, after := wire.CodeOK, wire.CodeOK
	d = jute.NewDecoder(body)
	for n := d.Count(8); n > 0; n-- {
		x := wire.NextSubTxn(&d)
		c.r.Sub = append(c.r.Sub, SubResult{Type: x.Type})
		sub := &c.r.Sub[len(c.r.Sub)-1]
		switch {
		case failed && x.Type != wire.OpError:
			sub.Type, sub.Err = wire.OpError, after
		default:
			sub.Path, sub.Err = t.applyOne(c, x.Type, x.Data, &sub.Stat)
		}
		if x.Type == wire.OpError {
			after = wire.CodeRuntimeInconsistency
		}
		if first == wire.CodeOK {
			first = sub.Err
		}
	}
	return first
}

// SetConfig writes the data of /zookeeper/config, made if need be, as each
// server does for itself when a configuration of the given version becomes
// active; now in ms since 1970. It is no transaction and fires the watches
// like one.
func (t *Tree) SetConfig(data []byte, version, now int64, r *Result) {
	r.Hits, r.paths = r.Hits[:0], r.paths[:0]
	path := []byte("/zookeeper/config")
	if t.Lookup(path) == 0 {
		zk := t.Lookup(path[:len("/zookeeper")])
		if zk == 0 {
			zk = t.builtin(Root, "/zookeeper")
			t.born(uint32(zk))
			t.redigest()
		}
		config := t.builtin(zk, string(path))
		t.born(uint32(config))
		n := t.nodes.at(uint32(config))
		n.acl, n.aversion = t.acls.intern(readACL), -1
	}
	c := change{zxid: version, time: now, r: r}
	_ = t.set(&c, path, data, -1, &r.Stat) // it fails only without the node, which is there
}
