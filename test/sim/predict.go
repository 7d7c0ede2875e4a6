package sim

import (
	"fmt"
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// asker is who asks for a transaction: a stream (a client's connection), or
// the server itself.
type asker struct {
	session *session
	stream  *stream // nil: the server
	now     int64   // Time.Wall
}

// predict makes the transaction that a write request has to become, and the
// state behind it. The order of the checks is that of PrepRequestProcessor.
func (m *model) predict(a asker, q *request) *txn {
	t := &txn{zxid: m.last() + 1, typ: q.op, cxid: q.xid, time: a.now}
	if a.session != nil {
		t.session = a.session.id
	}
	m.dirty = m.dirty[:0]
	switch q.op {
	case wire.OpMulti:
		m.multi(t, a, q)
	case wire.OpCloseSession:
		t.code = m.close(t, a.session)
	default:
		t.code = m.one(t, a, q)
	}
	if t.code != wire.CodeOK {
		m.undo(0)
		t.typ, t.result, t.events = wire.OpError, nil, nil
		t.body = jute.AppendInt(nil, int32(t.code))
	}
	m.add(t)
	return t
}

// add takes a transaction into the history.
func (m *model) add(t *txn) {
	t.digest = m.digest
	m.txns = append(m.txns, t)
}

// one predicts an operation on one znode, alone or in a multi.
func (m *model) one(t *txn, a asker, q *request) wire.Code {
	if valid := a.valid(); valid != wire.CodeOK && !strings.HasPrefix(q.op.String(), "create") {
		return valid
	}
	switch q.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		return m.create(t, a, q)
	case wire.OpDelete:
		return m.delete(t, a, q)
	case wire.OpSetData:
		return m.setData(t, a, q)
	case wire.OpSetACL:
		return m.setACL(t, a, q)
	case wire.OpCheck:
		return m.check(t, a, q)
	}
	return wire.CodeMarshallingError
}

// valid is the code for a session that may write no more.
func (a asker) valid() wire.Code {
	if a.session == nil || a.session.closed != 0 {
		return wire.CodeSessionExpired
	}
	return wire.CodeOK
}

func (a asker) may(n *node, need int32) bool { return may(n.acl, need, a.stream.ids) }

// ownerOf checks the mode of a create and says whose the znode will be.
func ownerOf(a asker, q *request) (owner int64, sequential bool, code wire.Code) {
	ttl := int64(-1)
	if q.op == wire.OpCreateTTL {
		ttl = q.ttl
	}
	switch {
	case q.flags < 0 || q.flags > 6:
		return 0, false, wire.CodeBadArguments
	case q.flags >= 5 && (ttl <= 0 || ttl > ttlMask):
		return 0, false, wire.CodeBadArguments
	case q.flags < 5 && q.op == wire.OpCreateTTL:
		return 0, false, wire.CodeBadArguments
	}
	sequential = q.flags == 2 || q.flags == 3 || q.flags == 6
	switch {
	case q.op == wire.OpCreateContainer:
		owner = containerOwner
	case q.op == wire.OpCreateTTL:
		owner = ttlOwner | ttl
	case q.flags == 1 || q.flags == 3:
		owner = a.session.id
	}
	return owner, sequential, wire.CodeOK
}

func (m *model) create(t *txn, a asker, q *request) wire.Code {
	owner, sequential, code := ownerOf(a, q)
	if code == wire.CodeOK {
		code = a.valid()
	}
	if code != wire.CodeOK {
		return code
	}
	if !strings.Contains(q.path, "/") {
		return wire.CodeBadArguments
	}
	above, _ := parentOf(q.path)
	parent := m.get(above)
	if parent == nil {
		return wire.CodeNoNode
	}
	if !a.may(parent, wire.PermCreate) {
		return wire.CodeNoAuth
	}
	path := q.path
	if sequential {
		path += fmt.Sprintf("%010d", parent.stat.Cversion)
	}
	switch {
	case badPath(path):
		return wire.CodeBadArguments
	case m.get(path) != nil:
		return wire.CodeNodeExists
	case ofSession(parent.stat.EphemeralOwner):
		return wire.CodeNoChildrenForEphemerals
	}
	_, name := parentOf(path)
	p := *parent
	p.kids = with(p.kids, name)
	p.stat.Cversion++
	p.stat.Pzxid = t.zxid
	m.put(t.zxid, above, &p)
	n := &node{data: q.data, acl: string(q.acl), stat: wire.StatPersisted{
		Czxid: t.zxid, Mzxid: t.zxid, Pzxid: t.zxid, Ctime: a.now, Mtime: a.now, EphemeralOwner: owner,
	}}
	m.put(t.zxid, path, n)
	t.events = append(t.events,
		event{t.zxid, wire.EventNodeCreated, path, n.acl},
		event{t.zxid, wire.EventNodeChildrenChanged, above, p.acl})
	t.body = createBody(q, path, owner, p.stat.Cversion)
	if q.op == wire.OpCreate {
		t.result = jute.AppendString(nil, path)
	} else {
		st := n.shown()
		t.result = wire.AppendCreate2Response(nil, []byte(path), &st)
	}
	return wire.CodeOK
}

func createBody(q *request, path string, owner int64, cversion int32) []byte {
	b := jute.AppendString(nil, path)
	b = append(jute.AppendBuffer(b, q.data), q.acl...)
	switch q.op {
	case wire.OpCreateContainer:
		return jute.AppendInt(b, cversion)
	case wire.OpCreateTTL:
		return jute.AppendLong(jute.AppendInt(b, cversion), q.ttl)
	}
	return jute.AppendInt(jute.AppendBool(b, owner != 0), cversion)
}

// badPath knows the mistakes that the clients make.
func badPath(path string) bool {
	return path != "/" && (path[0] != '/' || strings.HasSuffix(path, "/") || strings.Contains(path, "//") || strings.Contains(path, "/../"))
}

func (m *model) delete(t *txn, a asker, q *request) wire.Code {
	switch q.path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return wire.CodeBadArguments
	}
	if !strings.Contains(q.path, "/") {
		return wire.CodeBadArguments
	}
	above, _ := parentOf(q.path)
	parent, n := m.get(above), m.get(q.path)
	switch {
	case parent == nil:
		return wire.CodeNoNode
	case !a.may(parent, wire.PermDelete):
		return wire.CodeNoAuth
	case n == nil:
		return wire.CodeNoNode
	case q.version != -1 && q.version != n.stat.Version:
		return wire.CodeBadVersion
	case len(n.kids) > 0:
		return wire.CodeNotEmpty
	}
	m.remove(t, q.path)
	t.body = jute.AppendString(nil, q.path)
	return wire.CodeOK
}

// remove takes a znode without children out of the tree.
func (m *model) remove(t *txn, path string) {
	above, name := parentOf(path)
	n := m.get(path)
	p := *m.get(above)
	p.kids = without(p.kids, name)
	p.stat.Pzxid = t.zxid
	m.put(t.zxid, above, &p)
	m.put(t.zxid, path, nil)
	t.events = append(t.events,
		event{t.zxid, wire.EventNodeDeleted, path, n.acl},
		event{t.zxid, wire.EventNodeChildrenChanged, above, p.acl})
}

func (m *model) setData(t *txn, a asker, q *request) wire.Code {
	n := m.get(q.path)
	switch {
	case badPath(q.path):
		return wire.CodeBadArguments
	case n == nil:
		return wire.CodeNoNode
	case !a.may(n, wire.PermWrite):
		return wire.CodeNoAuth
	case q.version != -1 && q.version != n.stat.Version:
		return wire.CodeBadVersion
	}
	c := *n
	c.data = q.data
	c.stat.Version++
	c.stat.Mzxid, c.stat.Mtime = t.zxid, a.now
	m.put(t.zxid, q.path, &c)
	t.events = append(t.events, event{t.zxid, wire.EventNodeDataChanged, q.path, c.acl})
	t.body = jute.AppendInt(jute.AppendBuffer(jute.AppendString(nil, q.path), q.data), c.stat.Version)
	st := c.shown()
	t.result = st.Append(nil)
	return wire.CodeOK
}

func (m *model) setACL(t *txn, a asker, q *request) wire.Code {
	n := m.get(q.path)
	switch {
	case badPath(q.path):
		return wire.CodeBadArguments
	case n == nil:
		return wire.CodeNoNode
	case !a.may(n, wire.PermAdmin):
		return wire.CodeNoAuth
	case q.version != -1 && q.version != n.stat.Aversion:
		return wire.CodeBadVersion
	}
	c := *n
	c.acl = string(q.acl)
	c.stat.Aversion++
	m.put(t.zxid, q.path, &c)
	t.body = jute.AppendInt(append(jute.AppendString(nil, q.path), q.acl...), c.stat.Aversion)
	st := c.shown()
	t.result = st.Append(nil)
	return wire.CodeOK
}

func (m *model) check(t *txn, a asker, q *request) wire.Code {
	n := m.get(q.path)
	switch {
	case badPath(q.path):
		return wire.CodeBadArguments
	case n == nil:
		return wire.CodeNoNode
	case !a.may(n, wire.PermRead):
		return wire.CodeNoAuth
	case q.version != -1 && q.version != n.stat.Version:
		return wire.CodeBadVersion
	}
	t.body = jute.AppendInt(jute.AppendString(nil, q.path), n.stat.Version+1)
	t.result = nil
	return wire.CodeOK
}

// multi predicts all operations, or, when one fails, the list of errors.
func (m *model) multi(t *txn, a asker, q *request) {
	body := jute.AppendInt(nil, int32(len(q.subs)))
	var result []byte
	for i, s := range q.subs {
		t.result, t.body = nil, nil
		if code := m.one(t, a, s); code != wire.CodeOK {
			m.undo(0)
			m.failedMulti(t, len(q.subs), i, code)
			return
		}
		body = wire.AppendSubTxn(body, s.op, t.body)
		h := wire.MultiHeader{Type: s.op}
		if s.op == wire.OpCreateContainer || s.op == wire.OpCreateTTL {
			h.Type = wire.OpCreate2
		}
		result = append(h.Append(result), t.result...)
	}
	end := wire.MultiEnd
	t.body, t.result = body, end.Append(result)
}

func (m *model) failedMulti(t *txn, n, failed int, code wire.Code) {
	t.events = nil
	t.body, t.result = jute.AppendInt(nil, int32(n)), nil
	for i := range n {
		c := wire.CodeOK
		if i == failed {
			c = code
		} else if i > failed {
			c = wire.CodeRuntimeInconsistency
		}
		t.body = wire.AppendSubTxn(t.body, wire.OpError, jute.AppendInt(nil, int32(c)))
		h := wire.MultiHeader{Type: wire.OpError, Err: c}
		t.result = jute.AppendInt(h.Append(t.result), int32(c))
	}
	end := wire.MultiEnd
	t.result = end.Append(t.result)
}

// close predicts the end of a session. In which order its ephemerals go is
// the server's choice: the body is compared as a set.
func (m *model) close(t *txn, s *session) wire.Code {
	if s == nil || s.closed != 0 {
		return wire.CodeSessionExpired
	}
	paths := m.ephemerals(s.id, t.zxid)
	for _, p := range paths {
		m.remove(t, p)
	}
	if m.closePaths {
		t.body = appendStrings(nil, paths)
	}
	t.unordered = true
	s.closed = t.zxid
	return wire.CodeOK
}

func appendStrings(b []byte, all []string) []byte {
	b = jute.AppendInt(b, int32(len(all)))
	for _, s := range all {
		b = jute.AppendString(b, s)
	}
	return b
}

// predictSession adds the creation of a session under the id that the server
// chose.
func (m *model) predictSession(id int64, timeout int32, now, mono int64, st *stream) *txn {
	t := &txn{zxid: m.last() + 1, typ: wire.OpCreateSession, session: id, time: now, body: jute.AppendInt(nil, timeout)}
	s := &session{id: id, timeout: timeout, stored: timeout, created: t.zxid, stream: st, active: mono, heard: mono}
	m.byID[id] = s
	m.ordered = append(m.ordered, s)
	m.add(t)
	return t
}

// predictSweep adds the removal of a container or TTL node that the server
// decided on; "" if it may go.
func (m *model) predictSweep(path string, now, neverUsed int64) (t *txn, wrong string) {
	n := m.get(path)
	if n == nil || !n.mayGo(now, neverUsed) {
		return nil, fmt.Sprintf("it is %+v, at %d", n, now)
	}
	m.dirty = m.dirty[:0]
	t = &txn{zxid: m.last() + 1, typ: wire.OpDeleteContainer, time: now, body: jute.AppendString(nil, path)}
	m.remove(t, path)
	m.add(t)
	return t, ""
}

// mayGo reports whether the sweep may take a znode: a container that had
// children once, or was never used for long, and a TTL node that was not set
// for longer than it lives; never one with children.
func (n *node) mayGo(now, neverUsed int64) bool {
	age := now - n.stat.Mtime
	switch owner := n.stat.EphemeralOwner; {
	case len(n.kids) > 0:
		return false
	case owner == containerOwner:
		return n.stat.Cversion > 0 || neverUsed != 0 && age > neverUsed
	case owner>>56 == -1:
		return age > owner&ttlMask
	}
	return false
}
