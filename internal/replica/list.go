package replica

import (
	"bytes"
	"encoding/binary"

	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// listTries is how often a list begins anew because the children changed; after
// that it is made at once.
const listTries = 8

// List is a long list of children in the making. Between its turns, which only
// read, the tree may change: a list whose node has won or lost a child begins
// anew, so that a reply is always the list of one moment.
type List struct {
	head  wire.RequestHeader
	path  []byte
	node  tree.Ref
	czxid int64
	pzxid int64
	next  tree.Ref
	names []byte
	count int
	tries int
}

// long reports whether a request asks for a list that is made in turns.
func (r *Replica) long(op wire.Opcode, d jute.Decoder) bool {
	if op != wire.OpGetChildren && op != wire.OpGetChildren2 {
		return false
	}
	n := r.tree.Lookup(d.Text())
	return n != 0 && int(r.tree.NumChildren(n)) > 4*r.cfg.Limits.List
}

// BeginList returns the list that the first request of frames asks for, if it
// is a long one that the connection may have, and the length of its frame.
func (r *Replica) BeginList(id ConnID, frames []byte) (*List, int) {
	c := r.conn(id)
	if c == nil || c.gone || r.suspended || r.sessionGone(c) || len(r.cfg.EnforceAuth) > 0 || len(frames) < lengthSize {
		return nil, 0
	}
	size := lengthSize + int(binary.BigEndian.Uint32(frames))
	d := jute.NewDecoder(frames[lengthSize:size])
	l := &List{}
	l.head.Decode(&d)
	if d.Err() != nil || !readOnly(l.head.Type, d) || !r.long(l.head.Type, d) {
		return nil, 0
	}
	l.path = bytes.Clone(d.Text())
	if !r.allowed(r.tree.ACL(r.tree.Lookup(l.path)), wire.PermRead, c) {
		return nil, 0
	}
	return l, size
}

// ListTurn adds to the list and reports whether it is complete. The last turn
// appends the reply to out.
func (r *Replica) ListTurn(id ConnID, l *List, out []byte) ([]byte, bool) {
	n := r.tree.Lookup(l.path)
	c := r.conn(id)
	if n == 0 || c == nil || l.tries > listTries || !r.allowed(r.tree.ACL(n), wire.PermRead, c) {
		return r.listAtOnce(c, l, out), true
	}
	var st wire.Stat
	r.tree.Stat(n, &st)
	if l.node != n || l.czxid != st.Czxid || l.pzxid != st.Pzxid {
		l.node, l.czxid, l.pzxid = n, st.Czxid, st.Pzxid
		l.next, l.names, l.count = 0, l.names[:0], 0
		l.tries++
	}
	var more int
	l.names, more, l.next = r.tree.AppendSomeChildren(l.names, n, l.next, r.cfg.Limits.List)
	l.count += more
	if l.next != 0 {
		return out, false
	}
	out = append(out, 0, 0, 0, 0)
	start := len(out)
	out = (&wire.ReplyHeader{Xid: l.head.Xid, Zxid: r.tree.LastZxid()}).Append(out)
	out = append(jute.AppendInt(out, int32(l.count)), l.names...)
	if l.head.Type == wire.OpGetChildren2 {
		out = st.Append(out)
	}
	endFrame(out, start)
	return out, true
}

// listAtOnce answers like any other read: for a node that has gone, that the
// connection may no longer read, or that changes faster than it can be listed.
func (r *Replica) listAtOnce(c *conn, l *List, out []byte) []byte {
	if c == nil {
		return out
	}
	q := wire.PathWatchRequest{Path: l.path}
	d := jute.NewDecoder(q.Append(nil))
	return r.read(c, l.head, &d, out)
}
