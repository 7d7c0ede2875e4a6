package ensemble

import (
	"fmt"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// request is one request of a client.
type request struct {
	xid              int32
	op               wire.Opcode
	path             string
	data             string
	flags            int32
	version          int32
	watch            bool
	subs             []*request
	mustSee          int64 // what the answer to a sync has to show
	set              wire.SetWatches
	joining, leaving string // of reconfig
}

const openACL = "\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05world\x00\x00\x00\x06anyone"

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
	case wire.OpCreate:
		return (&wire.CreateRequest{Path: path, Data: []byte(q.data), ACL: []byte(openACL), Flags: q.flags}).Append(b)
	case wire.OpDelete, wire.OpCheck:
		return (&wire.PathVersionRequest{Path: path, Version: q.version}).Append(b)
	case wire.OpSetData:
		return (&wire.SetDataRequest{Path: path, Data: []byte(q.data), Version: q.version}).Append(b)
	case wire.OpExists, wire.OpGetData:
		return (&wire.PathWatchRequest{Path: path, Watch: q.watch}).Append(b)
	case wire.OpReconfig:
		r := wire.ReconfigRequest{CurConfigID: -1}
		if q.joining != "" {
			r.Joining = []byte(q.joining)
		}
		if q.leaving != "" {
			r.Leaving = []byte(q.leaving)
		}
		return r.Append(b)
	case wire.OpSetWatches:
		return q.set.Append(b, false)
	case wire.OpSync:
		return jute.AppendText(b, path)
	case wire.OpMulti:
		for _, s := range q.subs {
			b = (&wire.MultiHeader{Type: s.op, Err: -1}).Append(b)
			b = s.appendBody(b)
		}
		end := wire.MultiEnd
		return end.Append(b)
	}
	return b // ping, closeSession
}

// String describes the request in the text of a failure.
func (q *request) String() string {
	return fmt.Sprintf("%v#%d %s", q.op, q.xid, q.path)
}

func (q *request) writes() bool {
	switch q.op {
	case wire.OpCreate, wire.OpDelete, wire.OpSetData, wire.OpMulti, wire.OpCloseSession, wire.OpReconfig:
		return true
	}
	return false
}

// cutFrames returns the contents of the frames in b.
func cutFrames(b []byte) [][]byte {
	var all [][]byte
	for len(b) >= 4 {
		d := jute.NewDecoder(b)
		n := int(d.Int())
		all = append(all, b[4:4+n:4+n])
		b = b[4+n:]
	}
	return all
}
