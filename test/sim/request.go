package sim

import (
	"fmt"
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// request is one request of a client, in a form that the model understands
// without decoding bytes. encode makes the frame that the server gets.
type request struct {
	xid     int32
	op      wire.Opcode
	path    string
	data    []byte
	acl     []byte // encoded vector
	flags   int32
	ttl     int64
	version int32
	mode    int32 // of addWatch; type of removeWatches and checkWatches
	watch   bool
	subs    []*request      // of multi and multiRead
	set     wire.SetWatches // of setWatches2
	scheme  string          // of auth, with data
}

// connectFrame is the body of a connect request.
func connectFrame(r *wire.ConnectRequest) []byte { return r.Append(nil) }

// appendFrame appends the frame of the request with its length.
func (q *request) appendFrame(b []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = (&wire.RequestHeader{Xid: q.xid, Type: q.op}).Append(b)
	b = q.appendBody(b)
	jute.PutInt(b[start:], int32(len(b)-start-4))
	return b
}

func (q *request) appendBody(b []byte) []byte {
	path := []byte(q.path)
	switch q.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		return (&wire.CreateRequest{Path: path, Data: q.data, ACL: q.acl, Flags: q.flags}).Append(b)
	case wire.OpCreateTTL:
		r := wire.CreateTTLRequest{CreateRequest: wire.CreateRequest{Path: path, Data: q.data, ACL: q.acl, Flags: q.flags}, TTL: q.ttl}
		return r.Append(b)
	case wire.OpDelete, wire.OpCheck:
		return (&wire.PathVersionRequest{Path: path, Version: q.version}).Append(b)
	case wire.OpSetData:
		return (&wire.SetDataRequest{Path: path, Data: q.data, Version: q.version}).Append(b)
	case wire.OpSetACL:
		return (&wire.SetACLRequest{Path: path, ACL: q.acl, Version: q.version}).Append(b)
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		return (&wire.PathWatchRequest{Path: path, Watch: q.watch}).Append(b)
	case wire.OpGetACL, wire.OpSync, wire.OpGetAllChildrenNumber, wire.OpGetEphemerals:
		return jute.AppendText(b, path)
	case wire.OpAddWatch, wire.OpRemoveWatches, wire.OpCheckWatches:
		return (&wire.PathModeRequest{Path: path, Mode: q.mode}).Append(b)
	case wire.OpSetWatches2:
		return q.set.Append(b, true)
	case wire.OpAuth:
		return (&wire.AuthPacket{Scheme: []byte(q.scheme), Auth: q.data}).Append(b)
	case wire.OpMulti, wire.OpMultiRead:
		for _, s := range q.subs {
			b = (&wire.MultiHeader{Type: s.op, Err: -1}).Append(b)
			b = s.appendBody(b)
		}
		end := wire.MultiEnd
		return end.Append(b)
	}
	return b // ping, closeSession, whoAmI
}

// String describes the request in the text of a failure.
func (q *request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v#%d", q.op, q.xid)
	if q.path != "" {
		fmt.Fprintf(&b, " %s", q.path)
	}
	switch q.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		fmt.Fprintf(&b, " flags=%d ttl=%d", q.flags, q.ttl)
	case wire.OpDelete, wire.OpCheck, wire.OpSetData, wire.OpSetACL:
		fmt.Fprintf(&b, " version=%d", q.version)
	case wire.OpAddWatch, wire.OpRemoveWatches, wire.OpCheckWatches:
		fmt.Fprintf(&b, " mode=%d", q.mode)
	}
	if q.watch {
		b.WriteString(" watch")
	}
	if len(q.subs) > 0 {
		fmt.Fprintf(&b, " %v", q.subs)
	}
	return b.String()
}

// cutFrames returns the contents of the frames in b.
func cutFrames(b []byte) [][]byte {
	var all [][]byte
	for len(b) >= 4 {
		d := jute.NewDecoder(b)
		n := int(d.Int())
		if n < 0 || len(b) < 4+n {
			return append(all, nil) // a torn frame: no reply decodes from it
		}
		all = append(all, b[4:4+n:4+n])
		b = b[4+n:]
	}
	return all
}
