package replica

import (
	"encoding/binary"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// ServeReads answers the reads at the front of frames, up to the first request
// that changes anything (a write, a watch, a session matter), or until there
// are Limits.Replies bytes of replies, which the caller writes before it asks
// for more, and appends them to out. It returns out, the number of bytes and of
// requests it took.
//
// It only reads, so any number of connections may call it between steps; the
// caller makes sure that the connection has nothing outstanding in the core. It
// also stops in front of a list that is so long that it is made in turns
// (BeginList).
func (r *Replica) ServeReads(id ConnID, frames, out []byte) ([]byte, int, int) {
	c := r.conn(id)
	if c == nil || c.gone || c.sess == nil || c.sess.closing || r.suspended || len(r.cfg.EnforceAuth) > 0 {
		return out, 0, 0
	}
	taken, count, start := 0, 0, len(out)
	for len(frames)-taken >= lengthSize && len(out)-start < r.cfg.Limits.Replies {
		n := int(binary.BigEndian.Uint32(frames[taken:]))
		frame := frames[taken+lengthSize : taken+lengthSize+n]
		d := jute.NewDecoder(frame)
		var h wire.RequestHeader
		h.Decode(&d)
		if d.Err() != nil || !readOnly(h.Type, d) || r.long(h.Type, d) || h.Type == wire.OpSync && r.peer != nil {
			break
		}
		out = r.read(c, h, &d, out)
		taken += lengthSize + n
		count++
	}
	return out, taken, count
}

// BeginsWithRead reports whether the request at the front of frames is one for
// ServeReads or BeginList, as far as that shows without the replica: asking
// costs no lock.
func BeginsWithRead(frames []byte) bool {
	d := jute.NewDecoder(frames[lengthSize:])
	var h wire.RequestHeader
	h.Decode(&d)
	return d.Err() == nil && readOnly(h.Type, d)
}

// ReadSize returns how much a read has read beside its path, by what it was
// answered: the data or the children's names, and a Stat of 68 bytes, as
// Apache's server counts it (DataTree.updateReadStat). It is -1 for other
// requests and for reads that failed. reply is the whole frame.
func ReadSize(op wire.Opcode, reply []byte) int {
	const head, stat = lengthSize + wire.ReplyHeaderSize, 68
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
	default:
		return -1
	}
	if len(reply) < head || binary.BigEndian.Uint32(reply[head-4:]) != 0 {
		return -1
	}
	body := reply[head:]
	switch op {
	case wire.OpGetData:
		return len(body) - 4
	case wire.OpGetChildren:
		return len(body) - 4 - 4*int(binary.BigEndian.Uint32(body)) + stat
	case wire.OpGetChildren2:
		return len(body) - 4 - 4*int(binary.BigEndian.Uint32(body))
	}
	return stat
}

// readOnly reports whether a request leaves no trace: a read without a watch.
func readOnly(op wire.Opcode, d jute.Decoder) bool {
	switch op {
	case wire.OpPing, wire.OpGetACL, wire.OpGetEphemerals, wire.OpGetAllChildrenNumber,
		wire.OpMultiRead, wire.OpWhoAmI, wire.OpCheckWatches, wire.OpSync:
		return true
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		d.Text()
		return !d.Bool() && d.Err() == nil
	}
	return false
}

// read answers one request that is not a transaction. A watch that it asks for
// is set here, which is why only requests without one are for ServeReads.
func (r *Replica) read(c *conn, h wire.RequestHeader, d *jute.Decoder, out []byte) []byte {
	out = append(out, 0, 0, 0, 0)
	start := len(out)
	head := wire.ReplyHeader{Xid: h.Xid, Zxid: r.tree.LastZxid()}
	out = head.Append(out)
	var code wire.Code
	if h.Type == wire.OpPing {
		jute.PutInt(out[start:], wire.XidPing)
	} else if r.sessionGone(c) {
		code = wire.CodeSessionExpired
	} else {
		out, code = r.readBody(c, h.Type, d, out)
	}
	if code != wire.CodeOK {
		keep := start + wire.ReplyHeaderSize
		if h.Type == wire.OpMultiRead && code == wire.CodeMarshallingError && len(out) > keep {
			keep = len(out) // the empty list that Apache's server sends all the same
		}
		out = out[:keep]
		jute.PutInt(out[start+12:], int32(code))
	}
	endFrame(out, start)
	return out
}

// readBody appends the body of a reply (FinalRequestProcessor).
func (r *Replica) readBody(c *conn, op wire.Opcode, d *jute.Decoder, out []byte) ([]byte, wire.Code) {
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var q wire.PathWatchRequest
		q.Decode(d)
		if d.Err() != nil || q.Path == nil {
			return out, wire.CodeMarshallingError
		}
		return r.readNode(c, op, &q, out)
	case wire.OpGetACL:
		return r.readACL(c, d, out)
	case wire.OpSync:
		path := d.Text()
		if d.Err() != nil {
			return out, wire.CodeMarshallingError
		}
		return jute.AppendText(out, wire.JavaEcho(path)), wire.CodeOK
	case wire.OpGetEphemerals:
		prefix := d.Text()
		if d.Err() != nil {
			return out, wire.CodeMarshallingError
		}
		return r.tree.AppendEphemerals(out, c.sess.id, cleanPrefix(prefix)), wire.CodeOK
	case wire.OpGetAllChildrenNumber:
		return r.readAllChildrenNumber(c, d, out)
	case wire.OpMultiRead:
		return r.readMulti(c, d, out)
	case wire.OpWhoAmI:
		return r.readWhoAmI(c, out), wire.CodeOK
	case wire.OpCheckWatches:
		var q wire.PathModeRequest
		q.Decode(d)
		return out, r.checkWatches(c, &q, d.Err())
	}
	return out, wire.CodeMarshallingError
}

// readNode answers exists, getData, getChildren and getChildren2.
func (r *Replica) readNode(c *conn, op wire.Opcode, q *wire.PathWatchRequest, out []byte) ([]byte, wire.Code) {
	if op == wire.OpExists && hasNUL(q.Path) {
		return out, wire.CodeBadArguments
	}
	n := r.tree.Lookup(q.Path)
	if n != 0 && !r.allowed(r.tree.ACL(n), wire.PermRead, c) {
		return out, wire.CodeNoAuth
	}
	if q.Watch && (n != 0 || op == wire.OpExists) {
		table := tree.WatchData
		if op == wire.OpGetChildren || op == wire.OpGetChildren2 {
			table = tree.WatchChild
		}
		r.tree.AddWatch(table, q.Path, uint32(c.id))
	}
	if n == 0 {
		return out, wire.CodeNoNode
	}
	return r.appendNode(op, n, out), wire.CodeOK
}

func (r *Replica) appendNode(op wire.Opcode, n tree.Ref, out []byte) []byte {
	var st wire.Stat
	switch op {
	case wire.OpGetData:
		r.tree.Stat(n, &st)
		return wire.AppendGetDataResponse(out, r.tree.Data(n), &st)
	case wire.OpGetChildren:
		return r.tree.AppendChildren(out, n)
	case wire.OpGetChildren2:
		out = r.tree.AppendChildren(out, n)
	}
	r.tree.Stat(n, &st)
	return st.Append(out)
}

func hasNUL(p []byte) bool {
	for _, b := range p {
		if b == 0 {
			return true
		}
	}
	return false
}

// cleanPrefix turns what stands for all ephemerals into the empty prefix.
func cleanPrefix(p []byte) []byte {
	blank := true
	for _, b := range p {
		blank = blank && b <= ' '
	}
	if blank || len(p) == 1 && p[0] == '/' {
		return nil
	}
	return p
}

// readACL answers getACL: READ or ADMIN lets it through, and only ADMIN shows
// the hashes of digest identities (CVE-2019-0201).
func (r *Replica) readACL(c *conn, d *jute.Decoder, out []byte) ([]byte, wire.Code) {
	path := d.Text()
	if d.Err() != nil || path == nil {
		return out, wire.CodeMarshallingError
	}
	n := r.tree.Lookup(path)
	if n == 0 {
		return out, wire.CodeNoNode
	}
	acl := r.tree.ACL(n)
	if !r.allowed(acl, wire.PermRead|wire.PermAdmin, c) {
		return out, wire.CodeNoAuth
	}
	if !r.allowed(acl, wire.PermAdmin, c) {
		acl = auth.MaskDigests(acl)
	}
	var st wire.Stat
	r.tree.Stat(n, &st)
	return st.Append(append(out, acl...)), wire.CodeOK
}

func (r *Replica) readAllChildrenNumber(c *conn, d *jute.Decoder, out []byte) ([]byte, wire.Code) {
	path := d.Text()
	if d.Err() != nil || path == nil {
		return out, wire.CodeMarshallingError
	}
	n := r.tree.Lookup(path)
	if n == 0 {
		return out, wire.CodeNoNode
	}
	if !r.allowed(r.tree.ACL(n), wire.PermRead, c) {
		return out, wire.CodeNoAuth
	}
	return jute.AppendInt(out, r.tree.Descendants(n)), wire.CodeOK
}

// readMulti answers multiRead: each operation has its own result, in order. A
// short request can ask for any number of bytes, so those behind too many are
// answered that they were not done.
func (r *Replica) readMulti(c *conn, d *jute.Decoder, out []byte) ([]byte, wire.Code) {
	end := wire.MultiEnd
	n, kind := scanMulti(*d)
	if n > 0 && kind == multiWrites {
		return end.Append(out), wire.CodeMarshallingError
	}
	if n > 0 && kind != multiReads || kind >= multiBad {
		return out, wire.CodeMarshallingError
	}
	begin := len(out)
	for ; n > 0; n-- {
		var h wire.MultiHeader
		h.Decode(d)
		var q wire.PathWatchRequest
		q.Decode(d)
		q.Watch = false
		mark := len(out)
		res := wire.MultiHeader{Type: h.Type}
		out = res.Append(out)
		code := wire.CodeThrottledOp
		if mark-begin < r.cfg.Limits.MultiRead {
			out, code = r.readNode(c, h.Type, &q, out)
		}
		if code != wire.CodeOK {
			res = wire.MultiHeader{Type: wire.OpError, Err: code}
			out = jute.AppendInt(res.Append(out[:mark]), int32(code))
		}
	}
	return end.Append(out), wire.CodeOK
}

// readWhoAmI lists the identities with the user names that may be shown.
func (r *Replica) readWhoAmI(c *conn, out []byte) []byte {
	out = jute.AppendInt(out, int32(len(c.ids)))
	for _, id := range c.ids {
		user := []byte{}
		if name, ok := r.cfg.Auth.UserName(id); ok {
			user = []byte(name)
		}
		out = wire.AppendClientInfo(out, id.Scheme, user)
	}
	return out
}
