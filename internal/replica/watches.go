package replica

import (
	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// The modes of addWatch (AddWatchMode).
const (
	addPersistent          = 0
	addPersistentRecursive = 1
)

// localReply closes the reply of a request that only touches watches.
func (r *Replica) localReply(c *conn, xid int32, code wire.Code, body func([]byte) []byte) {
	start := r.beginReply(c)
	c.out = (&wire.ReplyHeader{Xid: xid, Zxid: r.tree.LastZxid(), Err: code}).Append(c.out)
	if code == wire.CodeOK && body != nil {
		c.out = body(c.out)
	}
	r.endReply(c, start)
}

// sessionGone says whether a request comes too late for its session: one that
// waited behind a write when its session began to end does not.
func (r *Replica) sessionGone(c *conn) bool {
	return c.sess == nil || c.sess.closing && !c.timely
}

// addWatch sets a persistent watch; neither existence nor permission of the
// node matters here, as events are filtered when they fire.
func (r *Replica) addWatch(c *conn, h wire.RequestHeader, d *jute.Decoder) {
	var q wire.PathModeRequest
	q.Decode(d)
	code := wire.CodeOK
	switch {
	case r.sessionGone(c):
		code = wire.CodeSessionExpired
	case d.Err() != nil || q.Path == nil || q.Mode != addPersistent && q.Mode != addPersistentRecursive:
		code = wire.CodeMarshallingError
	case q.Mode == addPersistent:
		r.tree.AddWatch(tree.WatchPersistent, q.Path, uint32(c.id))
	default:
		r.tree.AddWatch(tree.WatchRecursive, q.Path, uint32(c.id))
	}
	r.localReply(c, h.Xid, code, func(b []byte) []byte { return jute.AppendInt(b, 0) })
}

// removeWatches removes the watches of a type; none there is an error.
func (r *Replica) removeWatches(c *conn, h wire.RequestHeader, d *jute.Decoder) {
	var q wire.PathModeRequest
	q.Decode(d)
	code := wire.CodeOK
	switch {
	case r.sessionGone(c):
		code = wire.CodeSessionExpired
	case d.Err() != nil || q.Path == nil || q.Mode < tree.WatcherChildren || q.Mode > tree.WatcherPersistentRecursive:
		code = wire.CodeMarshallingError
	case !r.tree.RemoveWatches(q.Mode, q.Path, uint32(c.id)):
		code = wire.CodeNoWatcher
	}
	r.localReply(c, h.Xid, code, nil)
}

// checkWatches tells whether there is a watch of a type; it only reads.
func (r *Replica) checkWatches(c *conn, q *wire.PathModeRequest, decode error) wire.Code {
	switch {
	case decode != nil || q.Path == nil || q.Mode < tree.WatcherChildren || q.Mode > tree.WatcherPersistentRecursive:
		return wire.CodeMarshallingError
	case !r.tree.HasWatch(q.Mode, q.Path, uint32(c.id)):
		return wire.CodeNoWatcher
	}
	return wire.CodeOK
}

// noZxid is the zxid of events that setWatches makes up.
const noZxid = -1

// setWatches sets the watches of a client that comes back, and fires at once
// those whose node changed since the client last heard (DataTree.setWatches).
// Apache's server sends these events without looking at the permissions, and
// stumbles over a list that is the null vector when it comes to it.
func (r *Replica) setWatches(c *conn, h wire.RequestHeader, d *jute.Decoder) {
	q := &r.work.set
	two := h.Type == wire.OpSetWatches2
	q.Persistent, q.PersistentRecursive = q.Persistent[:0], q.PersistentRecursive[:0]
	q.Decode(d, two)
	if r.sessionGone(c) || d.Err() != nil {
		code := wire.CodeMarshallingError
		if d.Err() == nil {
			code = wire.CodeSessionExpired
		}
		r.localReply(c, h.Xid, code, nil)
		return
	}
	code := wire.CodeOK
	if q.FirstNull > 0 {
		code = wire.CodeMarshallingError
		lists := [...]*[][]byte{&q.Data, &q.Exist, &q.Child, &q.Persistent, &q.PersistentRecursive}
		for _, list := range lists[q.FirstNull-1:] {
			*list = (*list)[:0]
		}
	}
	r.work.hits = r.tree.SetWatches(q, uint32(c.id), r.work.hits[:0])
	for i := range r.work.hits {
		r.event(c, noZxid, r.work.hits[i].Event, wire.JavaEcho(r.work.hits[i].Path))
	}
	r.localReply(c, h.Xid, code, nil)
}
