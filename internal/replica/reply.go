package replica

import (
	"bytes"
	"cmp"

	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// beginReply leaves room for the length of a frame; endReply fills it in.
func (r *Replica) beginReply(c *conn) int {
	r.markDirty(c)
	c.frames++
	c.out = append(c.out, 0, 0, 0, 0)
	return len(c.out)
}

func (r *Replica) endReply(c *conn, start int) {
	endFrame(c.out, start)
	r.fx.Answered += int64(len(c.out) - start)
	r.fx.Sent.add(len(c.out) - start)
}

// endFrame writes the length of the frame whose content begins at start.
func endFrame(b []byte, start int) { jute.PutInt(b[start-lengthSize:], int32(len(b)-start)) }

// reply encodes a reply that is only a header.
func (r *Replica) reply(c *conn, xid int32, zxid int64, code wire.Code) {
	start := r.beginReply(c)
	c.out = (&wire.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}).Append(c.out)
	r.endReply(c, start)
}

func (r *Replica) connectResponse(c *conn, timeout int32, id int64, password []byte) {
	c.answered++
	start := r.beginReply(c)
	resp := wire.ConnectResponse{TimeOut: timeout, SessionID: id, Passwd: password, ReadOnly: r.readOnly, HasReadOnly: !c.oldClient}
	c.out = resp.Append(c.out)
	endFrame(c.out, start)
}

// writeReply encodes the reply of a transaction that was just applied.
func (r *Replica) writeReply(c *conn, s slot, res *tree.Result) {
	c.answered++
	if moved(res) {
		r.close(c, "the session has moved to another server")
		return
	}
	start := r.beginReply(c)
	zxid, code := r.tree.LastZxid(), cmp.Or(s.refused, headerCode(res))
	c.out = (&wire.ReplyHeader{Xid: s.xid, Zxid: zxid, Err: code}).Append(c.out)
	switch {
	case s.refused != wire.CodeOK:
	case res.Type == wire.OpMulti:
		c.out = appendMultiResult(c.out, res)
	case res.Err != wire.CodeOK:
	case s.op == wire.OpCreate:
		c.out = jute.AppendText(c.out, res.Path)
	case s.op == wire.OpCreate2 || s.op == wire.OpCreateContainer || s.op == wire.OpCreateTTL:
		c.out = wire.AppendCreate2Response(c.out, res.Path, &res.Stat)
	case s.op == wire.OpSetData || s.op == wire.OpSetACL:
		c.out = res.Stat.Append(c.out)
	case s.op == wire.OpReconfig && r.peer != nil:
		c.out = wire.AppendGetDataResponse(c.out, []byte(r.peer.current.Text()), &res.Stat)
	}
	r.endReply(c, start)
	latency := r.now.Mono - s.at
	r.fx.Writes = append(r.fx.Writes, int32(latency))
	c.last.note(s.op, s.xid, zxid, r.now.Mono, latency)
}

// moved says that the session was another server's when the request came to the
// leader: the connection is stale and ends without a reply
// (FinalRequestProcessor, ZOOKEEPER-710).
func moved(res *tree.Result) bool {
	if res.Err == wire.CodeSessionMoved {
		return true
	}
	for i := range res.Sub {
		if res.Sub[i].Err == wire.CodeSessionMoved {
			return true
		}
	}
	return false
}

// headerCode is the code in the reply header: a multi that failed in one of
// its operations reports that in its body.
func headerCode(res *tree.Result) wire.Code {
	if res.Type == wire.OpMulti {
		return wire.CodeOK
	}
	return res.Err
}

// appendMultiResult encodes the results of a multi, one for each operation.
// All three two-part creates report as create2 (MultiResponse.serialize).
func appendMultiResult(b []byte, res *tree.Result) []byte {
	for i := range res.Sub {
		s := &res.Sub[i]
		h := wire.MultiHeader{Type: s.Type}
		switch s.Type {
		case wire.OpCreate:
			b = jute.AppendText(h.Append(b), s.Path)
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			h.Type = wire.OpCreate2
			b = wire.AppendCreate2Response(h.Append(b), s.Path, &s.Stat)
		case wire.OpSetData:
			b = s.Stat.Append(h.Append(b))
		case wire.OpError:
			h.Err = s.Err
			b = jute.AppendInt(h.Append(b), int32(s.Err))
		default:
			b = h.Append(b)
		}
	}
	end := wire.MultiEnd
	return end.Append(b)
}

// notify encodes the events of the change that was just applied, each for a
// connection that may read the node.
func (r *Replica) notify(zxid int64, res *tree.Result) {
	first := len(r.fx.Fired)
	for i := range res.Hits {
		hit := &res.Hits[i]
		c := r.conn(ConnID(hit.Conn))
		if c == nil || c.gone || !r.mayRead(hit.ACL, c) {
			continue
		}
		r.event(c, zxid, hit.Event, hit.Path)
		k := len(r.fx.Fired)
		if i == 0 || k == first || res.Hits[i-1].Event != hit.Event || !bytes.Equal(res.Hits[i-1].Path, hit.Path) {
			r.fx.Fired = append(r.fx.Fired, Fired{Event: hit.Event})
			k++
		}
		r.fx.Fired[k-1].Watchers++
	}
}

// event encodes one notification.
func (r *Replica) event(c *conn, zxid int64, event int32, path []byte) {
	start := r.beginReply(c)
	c.out = (&wire.ReplyHeader{Xid: wire.XidNotification, Zxid: zxid}).Append(c.out)
	c.out = (&wire.WatcherEvent{Type: event, State: wire.StateSyncConnected, Path: path}).Append(c.out)
	endFrame(c.out, start)
	r.fx.Sent.add(len(c.out) - start)
	r.stats.WatchBytes += int64(len(c.out) - start)
}

func (r *Replica) mayRead(acl []byte, c *conn) bool {
	return r.allowed(acl, wire.PermRead, c)
}

func (r *Replica) allowed(acl []byte, need int32, c *conn) bool {
	return r.cfg.Auth.Check(acl, need, c.ids)
}
