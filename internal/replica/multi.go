package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// multiOp reports whether an operation may stand in a multi.
func multiOp(op wire.Opcode) bool {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL,
		wire.OpDelete, wire.OpSetData, wire.OpCheck:
		return true
	}
	return false
}

// skipOp moves d past the request of one operation of a multi or multiRead.
func skipOp(op wire.Opcode, d *jute.Decoder) {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		var q wire.CreateRequest
		q.Decode(d)
	case wire.OpCreateTTL:
		var q wire.CreateTTLRequest
		q.Decode(d)
	case wire.OpDelete, wire.OpCheck:
		var q wire.PathVersionRequest
		q.Decode(d)
	case wire.OpSetData:
		var q wire.SetDataRequest
		q.Decode(d)
	case wire.OpGetData, wire.OpGetChildren:
		var q wire.PathWatchRequest
		q.Decode(d)
	default:
		d.Fail(jute.ErrLength)
	}
}

// scanMulti decodes a whole list of operations: how many there are, and
// whether all are operations of a multi or all reads. A list that mixes them or
// cannot be decoded is not ok (MultiOperationRecord).
func scanMulti(d jute.Decoder) (n int, writes, ok bool) {
	for {
		var h wire.MultiHeader
		h.Decode(&d)
		if d.Err() != nil {
			return 0, false, false
		}
		if h.Done {
			return n, writes, true
		}
		w := multiOp(h.Type)
		if n > 0 && w != writes {
			return 0, false, false
		}
		writes = w
		skipOp(h.Type, &d)
		n++
	}
}

// prepMulti prepares all operations under one zxid. When one fails, what the
// earlier ones changed is taken back and the transaction becomes a list of
// errors: 0 before the failed one, its code, -2 behind it.
func (r *Replica) prepMulti(w *write, d *jute.Decoder) wire.Code {
	n, writes, ok := scanMulti(*d)
	if !ok || n > 0 && !writes {
		return wire.CodeMarshallingError
	}
	mark, digest := r.pending.beginUndo(), r.digest
	r.work.body = jute.AppendInt(r.work.body, int32(n))
	for i := 0; i < n; i++ {
		var h wire.MultiHeader
		h.Decode(d)
		r.work.body = jute.AppendInt(r.work.body, int32(h.Type))
		r.work.body = jute.AppendInt(r.work.body, 0)
		start := len(r.work.body)
		before := *d
		typ := h.Type
		code := r.prepOp(w, &typ, d)
		if code != wire.CodeOK {
			r.pending.rollback(mark)
			r.digest = digest
			r.failMulti(n, i, code)
			return wire.CodeOK
		}
		jute.PutInt(r.work.body[start-4:], int32(len(r.work.body)-start))
		*d = before
		skipOp(h.Type, d)
	}
	r.pending.endUndo()
	return wire.CodeOK
}

// failMulti writes the body of a multi of n operations whose k-th failed.
func (r *Replica) failMulti(n, k int, code wire.Code) {
	r.work.body = jute.AppendInt(r.work.body[:0], int32(n))
	for i := 0; i < n; i++ {
		e := wire.ErrorTxn{Err: wire.CodeRuntimeInconsistency}
		if i < k {
			e.Err = wire.CodeOK
		} else if i == k {
			e.Err = code
		}
		var buf [4]byte
		r.work.body = wire.AppendSubTxn(r.work.body, wire.OpError, e.Append(buf[:0]))
	}
}
