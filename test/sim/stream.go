package sim

import (
	"bytes"
	"fmt"
	"slices"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// stream checks what one connection is sent, frame by frame and against the
// model: replies in the order of the requests (I2) and none before its record
// is durable (I1), each as of the zxid in its header, and every event of its
// watches exactly once and before any reply that shows the change (I3).
type stream struct {
	w       *world
	ids     []wire.ID
	session *session
	connect *handshake // the answer that is due; nil once it came
	expect  []expected
	auths   int // auth packets that are not answered
	watches map[string]watchMode
	cursor  int64   // the events of everything up to here are due or came
	due     []event // have to come before the next reply
	made    []wire.WatcherEvent
	gone    bool // closed by the server, or by the client
	cut     bool // closed by the client: what the server still says is lost
}

// handshake is the answer to a connect request.
type handshake struct {
	refused   bool
	zxid      int64 // of createSession; 0 for a session that is resumed
	id        int64
	timeout   int32
	oldClient bool
	ready     bool
}

// expected is a request whose reply has not come.
type expected struct {
	req     *request
	zxid    int64 // of its transaction; 0 for a read
	ready   bool  // nothing stands in its way: the reply has to come in this turn
	expired bool  // the session was closing when it came
	// throttled: it waited for too long and is refused in its turn.
	throttled bool
}

// watchMode is a set of the four kinds of watches that a path can have.
type watchMode uint8

const (
	dataWatch watchMode = 1 << iota
	childWatch
	persistentWatch
	recursiveWatch
)

func (st *stream) fail(invariant, format string, args ...any) {
	who := "a connection without session"
	if st.session != nil {
		who = fmt.Sprintf("session 0x%x", st.session.id)
	}
	st.w.fail(invariant, "%s: %s", who, fmt.Sprintf(format, args...))
}

// push adds a request whose turn has come in the server.
func (st *stream) push(q *request, zxid int64) {
	ready := zxid == 0 && (len(st.expect) == 0 || st.expect[len(st.expect)-1].ready)
	e := expected{req: q, zxid: zxid, ready: ready}
	e.expired = st.session.closed != 0
	st.expect = append(st.expect, e)
}

// durable makes the reply of a transaction due, and those of the reads that
// only waited for it, unless it was the end.
func (st *stream) durable(zxid int64, end bool) {
	i := slices.IndexFunc(st.expect, func(e expected) bool { return e.zxid == zxid })
	if i < 0 || st.gone {
		return
	}
	st.expect[i].ready = true
	for i++; !end && i < len(st.expect) && st.expect[i].zxid == 0; i++ {
		st.expect[i].ready = true
	}
}

// end drops what the server no longer owes.
func (st *stream) end() {
	st.gone = true
	i := slices.IndexFunc(st.expect, func(e expected) bool { return !e.ready })
	if i >= 0 {
		st.expect = st.expect[:i]
	}
}

// settled checks, after a turn of the server, that nothing is missing.
func (st *stream) settled() {
	if st.cut {
		return
	}
	if !st.gone {
		st.advance(st.w.model.applied)
	}
	switch {
	case len(st.due) > 0 && !st.gone:
		st.fail("I3", "the event %v was not sent", st.due[0])
	case len(st.expect) > 0 && st.expect[0].ready:
		st.fail("I2", "no reply came to %v, which nothing holds up", st.expect[0].req)
	case st.connect != nil && st.connect.ready:
		st.fail("I2", "the connect request got no answer")
	case len(st.made) > 0:
		st.fail("I3", "events without a setWatches: %v", st.made)
	}
}

// advance makes the events of all transactions up to zxid due.
func (st *stream) advance(zxid int64) {
	for ; st.cursor < zxid; st.cursor++ {
		if len(st.watches) == 0 {
			continue
		}
		for _, e := range st.w.model.txn(st.cursor + 1).events {
			if st.hit(&e) {
				st.due = append(st.due, e)
			}
		}
	}
}

// hit uses up the one-shot watches that an event fires and reports whether
// the connection is told.
func (st *stream) hit(e *event) bool {
	mode := st.watches[e.path]
	told := false
	left := mode
	switch e.kind {
	case wire.EventNodeChildrenChanged:
		told = mode&(childWatch|persistentWatch) != 0
		left &^= childWatch
	case wire.EventNodeDeleted:
		told = mode != 0
		left &^= dataWatch | childWatch
	default:
		told = mode&(dataWatch|persistentWatch|recursiveWatch) != 0
		left &^= dataWatch
	}
	if e.kind != wire.EventNodeChildrenChanged && !told {
		for p := e.path; p != "/" && !told; {
			p, _ = parentOf(p)
			told = st.watches[p]&recursiveWatch != 0
		}
	}
	st.setWatch(e.path, left)
	return told && may(e.acl, wire.PermRead, st.ids)
}

func (st *stream) setWatch(path string, mode watchMode) {
	if mode == 0 {
		delete(st.watches, path)
	} else {
		st.watches[path] = mode
	}
}

// entries counts the watches as the server counts them: a path in the table
// of data, and one in that of children.
func (st *stream) entries() int {
	n := 0
	for _, mode := range st.watches {
		if mode&(dataWatch|persistentWatch|recursiveWatch) != 0 {
			n++
		}
		if mode&(childWatch|persistentWatch) != 0 {
			n++
		}
	}
	return n
}

// frame takes the next frame that the server sends.
func (st *stream) frame(f []byte) {
	if st.connect != nil {
		st.connected(f)
		return
	}
	d := jute.NewDecoder(f)
	var h wire.ReplyHeader
	h.Decode(&d)
	if d.Err() != nil {
		st.fail("I2", "a frame of %d bytes that is no reply", len(f))
	}
	switch h.Xid {
	case wire.XidNotification:
		st.notified(h, &d)
	case wire.XidAuth:
		if st.auths--; st.auths < 0 || h.Err != wire.CodeOK {
			st.fail("I2", "unexpected answer to an auth packet: %v", h.Err)
		}
	default:
		st.replied(h, d.Rest())
	}
}

func (st *stream) connected(f []byte) {
	want := st.connect
	if !want.ready {
		st.fail("I1", "the session was confirmed before transaction 0x%x was durable", want.zxid)
	}
	d := jute.NewDecoder(f)
	var r wire.ConnectResponse
	r.Decode(&d)
	password := replica.Password(want.id)
	if want.refused {
		password = [16]byte{}
	}
	switch {
	case d.Err() != nil || r.HasReadOnly == want.oldClient:
		st.fail("I2", "a connect response of %d bytes", len(f))
	case r.SessionID != want.id || r.TimeOut != want.timeout || !bytes.Equal(r.Passwd, password[:]):
		st.fail("I2", "connect response %+v, expected %+v", r, *want)
	}
	st.connect = nil
	st.w.model.acked = max(st.w.model.acked, want.zxid)
}

// notified takes an event.
func (st *stream) notified(h wire.ReplyHeader, d *jute.Decoder) {
	var e wire.WatcherEvent
	e.Decode(d)
	if d.Err() != nil || e.State != wire.StateSyncConnected {
		st.fail("I3", "an event that cannot be read")
	}
	if h.Zxid == -1 { // of setWatches, whose reply follows
		e.Path = bytes.Clone(e.Path)
		st.made = append(st.made, e)
		return
	}
	m := st.w.model
	if h.Zxid > m.applied {
		st.fail("I1", "an event of transaction 0x%x, but only 0x%x is durable", h.Zxid, m.applied)
	}
	st.advance(h.Zxid)
	i := slices.IndexFunc(st.due, func(x event) bool {
		return x.zxid == h.Zxid && x.kind == e.Type && x.path == string(e.Path)
	})
	switch {
	case i < 0:
		st.fail("I3", "event %d of %s at 0x%x, which no watch asked for or which came before", e.Type, e.Path, h.Zxid)
	case st.due[0].zxid < h.Zxid || i > 0 && !m.txn(h.Zxid).unordered:
		st.fail("I3", "event %d of %s at 0x%x came before %v", e.Type, e.Path, h.Zxid, st.due[0])
	}
	st.due = slices.Delete(st.due, i, i+1)
	m.acked = max(m.acked, h.Zxid)
	st.w.met("event")
}

// replied takes a reply.
func (st *stream) replied(h wire.ReplyHeader, body []byte) {
	m := st.w.model
	if len(st.expect) == 0 {
		st.fail("I2", "a reply with xid %d to no request", h.Xid)
	}
	e := st.expect[0]
	q := e.req
	switch {
	case h.Xid != q.xid:
		st.fail("I2", "a reply with xid %d where %v is due", h.Xid, q)
	case !e.ready:
		st.fail("I1", "%v was answered before everything that it waits for was durable", q)
	case e.zxid != 0 && h.Zxid != e.zxid:
		st.fail("I4", "%v became transaction 0x%x and was answered as 0x%x", q, e.zxid, h.Zxid)
	case h.Zxid < st.cursor:
		st.fail("I4", "%v was answered as of 0x%x after 0x%x was shown", q, h.Zxid, st.cursor)
	case h.Zxid > m.applied:
		st.fail("I1", "%v shows transaction 0x%x, but only 0x%x is durable", q, h.Zxid, m.applied)
	}
	st.advance(h.Zxid)
	if len(st.due) > 0 {
		st.fail("I3", "the reply to %v came before the event %v", q, st.due[0])
	}
	st.expect = st.expect[1:]
	m.acked = max(m.acked, h.Zxid)
	code, want := st.answer(&e, h.Zxid)
	if h.Err != code {
		st.fail("reply", "%v as of 0x%x: code %v, expected %v", q, h.Zxid, h.Err, code)
	}
	if code == wire.CodeOK && !bytes.Equal(normal(q, body), want) {
		st.fail("reply", "%v as of 0x%x: %x, expected %x", q, h.Zxid, normal(q, body), want)
	}
	st.w.met("reply")
}

// answer says what the reply to a request holds, and sets the watches that it
// asks for.
func (st *stream) answer(e *expected, zxid int64) (wire.Code, []byte) {
	m, q := st.w.model, e.req
	if e.throttled {
		st.w.met("request throttled")
		return wire.CodeThrottledOp, nil
	}
	if e.zxid != 0 {
		t := m.txn(e.zxid)
		if t.typ == wire.OpMulti {
			return wire.CodeOK, t.result
		}
		return t.code, t.result
	}
	if e.expired && q.op != wire.OpPing {
		st.made = nil
		return wire.CodeSessionExpired, nil
	}
	switch q.op {
	case wire.OpSetWatches2:
		return st.setWatches(q, zxid), nil
	case wire.OpAddWatch:
		mode := persistentWatch
		if q.mode == 1 {
			mode = recursiveWatch
		}
		st.watches[q.path] |= mode
		return wire.CodeOK, jute.AppendInt(nil, 0)
	case wire.OpRemoveWatches, wire.OpCheckWatches:
		gone := [...]watchMode{1: childWatch, dataWatch, 15, persistentWatch, recursiveWatch}[q.mode]
		mode := st.watches[q.path]
		if mode&gone == 0 {
			return wire.CodeNoWatcher, nil
		}
		if q.op == wire.OpRemoveWatches {
			st.setWatch(q.path, mode&^gone)
		}
		return wire.CodeOK, nil
	}
	code, body := m.read(q, zxid, st)
	if q.watch && (code == wire.CodeOK || code == wire.CodeNoNode && q.op == wire.OpExists) {
		mode := dataWatch
		if q.op == wire.OpGetChildren || q.op == wire.OpGetChildren2 {
			mode = childWatch
		}
		st.watches[q.path] |= mode
	}
	return code, body
}

// setWatches checks the events that setWatches made up and sets the others.
func (st *stream) setWatches(q *request, zxid int64) wire.Code {
	var want []wire.WatcherEvent
	m, set := st.w.model, &q.set
	each := func(paths [][]byte, missed func(n *node) int32, mode watchMode) {
		for _, p := range paths {
			if kind := missed(m.at(string(p), zxid)); kind != 0 {
				want = append(want, wire.WatcherEvent{Type: kind, State: wire.StateSyncConnected, Path: p})
			} else {
				st.watches[string(p)] |= mode
			}
		}
	}
	since := func(n *node, changed int64, kind int32) int32 {
		switch {
		case n == nil:
			return wire.EventNodeDeleted
		case changed > set.RelativeZxid:
			return kind
		}
		return 0
	}
	never := func(*node) int32 { return 0 }
	each(set.Data, func(n *node) int32 { return since(n, mzxid(n), wire.EventNodeDataChanged) }, dataWatch)
	each(set.Exist, func(n *node) int32 {
		if n != nil {
			return wire.EventNodeCreated
		}
		return 0
	}, dataWatch)
	each(set.Child, func(n *node) int32 { return since(n, pzxid(n), wire.EventNodeChildrenChanged) }, childWatch)
	each(set.Persistent, never, persistentWatch)
	each(set.PersistentRecursive, never, recursiveWatch)
	same := slices.EqualFunc(st.made, want, func(a, b wire.WatcherEvent) bool {
		return a.Type == b.Type && string(a.Path) == string(b.Path)
	})
	if !same {
		st.fail("I3", "setWatches since 0x%x as of 0x%x told %v, expected %v", set.RelativeZxid, zxid, st.made, want)
	}
	st.w.count("event of setWatches", len(want))
	st.made = nil
	return wire.CodeOK
}

func mzxid(n *node) int64 {
	if n == nil {
		return 0
	}
	return n.stat.Mzxid
}

func pzxid(n *node) int64 {
	if n == nil {
		return 0
	}
	return n.stat.Pzxid
}
