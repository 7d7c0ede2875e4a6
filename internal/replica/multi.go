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

// multiScan is what the look at a whole list of operations tells.
type multiScan int

const (
	multiWrites  multiScan = iota // all are operations of a multi, or none at all
	multiReads                    // all are reads
	multiBad                      // cannot be decoded, or mixed
	multiNullACL                  // Apache's server fails before it takes a zxid
)

// scanMulti decodes a whole list of operations and counts them
// (MultiOperationRecord.deserialize).
func scanMulti(d jute.Decoder) (n int, kind multiScan) {
	for {
		var h wire.MultiHeader
		h.Decode(&d)
		if d.Err() != nil {
			return 0, multiBad
		}
		if h.Done {
			return n, kind
		}
		k := multiReads
		if multiOp(h.Type) {
			k = multiWrites
		}
		if n > 0 && k != kind {
			return 0, multiBad
		}
		kind = k
		if bad := scanOp(h.Type, &d); bad != multiWrites {
			return 0, bad
		}
		n++
	}
}

// scanOp moves d past one operation and finds what its decoding would refuse:
// a create without an ACL vector, or with a mode that is unknown or needs a TTL
// that it does not carry.
func scanOp(op wire.Opcode, d *jute.Decoder) multiScan {
	if op != wire.OpCreate && op != wire.OpCreate2 && op != wire.OpCreateContainer {
		skipOp(op, d)
		if d.Err() != nil {
			return multiBad
		}
		return multiWrites
	}
	var q wire.CreateRequest
	q.Decode(d)
	switch {
	case d.Err() != nil || q.Flags < modePersistent || q.Flags > modeSequentialTTL:
		return multiBad
	case len(q.ACL) == 4 && q.ACL[0] == 0xff:
		return multiNullACL
	case q.Flags == modeTTL || q.Flags == modeSequentialTTL:
		return multiBad
	}
	return multiWrites
}

// prepMulti prepares all operations under one zxid. When one fails, what the
// earlier ones changed is taken back and the transaction becomes a list of
// errors: 0 before the failed one, its code, -2 behind it.
func (r *Replica) prepMulti(w *write, d *jute.Decoder) wire.Code {
	n, kind := scanMulti(*d)
	if kind != multiWrites {
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
		typ := typeInMulti(h.Type, *d)
		code := r.prepOp(w, &typ, d)
		if code == wire.CodeOK && r.tooLong(len(r.work.body)) {
			code = wire.CodeBadArguments
		}
		if code != wire.CodeOK {
			r.pending.rollback(mark)
			r.digest = digest
			if code == wire.CodeMarshallingError {
				return code
			}
			r.failMulti(n, i, code)
			return wire.CodeOK
		}
		jute.PutInt(r.work.body[start-8:], int32(typ))
		jute.PutInt(r.work.body[start-4:], int32(len(r.work.body)-start))
		*d = before
		skipOp(h.Type, d)
	}
	r.pending.endUndo()
	return wire.CodeOK
}

// typeInMulti returns the type of an operation as Apache's server sees it in a
// multi: a container mode makes any create a createContainer, and createTTL
// with another mode than a TTL one is a plain create (Op.create).
func typeInMulti(op wire.Opcode, d jute.Decoder) wire.Opcode {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
	default:
		return op
	}
	var q wire.CreateRequest
	q.Decode(&d)
	switch {
	case q.Flags == modeContainer:
		return wire.OpCreateContainer
	case op == wire.OpCreateTTL && q.Flags != modeTTL && q.Flags != modeSequentialTTL:
		return wire.OpCreate
	}
	return op
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
