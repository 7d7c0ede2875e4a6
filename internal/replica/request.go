package replica

import (
	"encoding/binary"
	"slices"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// lengthSize is the size of the length in front of every frame.
const lengthSize = 4

// clientBatch takes the requests of a run of whole frames.
func (r *Replica) clientBatch(e *Event) {
	c := r.conn(e.Conn)
	if c == nil {
		return
	}
	c.heard = r.now.Mono
	b := batch{e.Frames, e.At, e.Throttled}
	if r.suspended {
		c.park(b)
		return
	}
	if c.sess != nil && !c.sess.closing {
		r.touch(c.sess)
	}
	if len(c.parked) > 0 || !r.take(c, &b) {
		c.park(b)
	}
}

// take takes the requests of a batch as far as it may now, and reports whether
// that was all.
func (r *Replica) take(c *conn, b *batch) bool {
	for len(b.frames) >= lengthSize && !c.gone {
		if len(c.out) >= r.cfg.Limits.Turn || !r.mayBegin(c, b.frames) {
			return false
		}
		end := lengthSize + int(binary.BigEndian.Uint32(b.frames))
		frame := b.frames[lengthSize:end]
		if b.throttled {
			r.throttle(c, frame, b.at)
		} else {
			r.request(c, frame, b.at)
		}
		b.frames = b.frames[end:]
	}
	return true
}

// throttle answers a request with THROTTLEDOP when its turn comes.
func (r *Replica) throttle(c *conn, frame []byte, at int64) {
	d := jute.NewDecoder(frame)
	var h wire.RequestHeader
	h.Decode(&d)
	if d.Err() != nil || !h.Type.Known() {
		r.request(c, frame, at)
		return
	}
	if !r.enforceAuth(c, h) {
		return
	}
	s := slot{xid: h.Xid, op: h.Type, at: at, throttled: true}
	if c.waiting() > 0 {
		c.push(s, nil)
		return
	}
	r.throttled(c, s)
}

func (r *Replica) throttled(c *conn, s slot) {
	c.answered++
	r.reply(c, s.xid, r.tree.LastZxid(), wire.CodeThrottledOp)
}

// request takes one request: it answers it, queues it behind the session's
// earlier writes, or makes it a transaction.
func (r *Replica) request(c *conn, frame []byte, at int64) {
	d := jute.NewDecoder(frame)
	var h wire.RequestHeader
	h.Decode(&d)
	if d.Err() != nil {
		r.close(c, "frame too short for a request header")
		return
	}
	switch {
	case h.Type == wire.OpAuth:
		r.authenticate(c, h, &d)
		return
	case h.Type == wire.OpSASL:
		r.sasl(c, h, &d)
		return
	case !r.enforceAuth(c, h):
		return
	case !h.Type.Known():
		c.answered++
		r.reply(c, h.Xid, -1, wire.CodeUnimplemented)
		r.close(c, "unknown operation")
		return
	case r.readOnly && refusedReadOnly(c, h.Type):
		c.answered++
		r.reply(c, h.Xid, r.tree.LastZxid(), wire.CodeNotReadOnly)
		return
	}
	if h.Type == wire.OpCloseSession && c.sess != nil && c.sess.local {
		c.sess.closing = true // nothing that comes behind it counts
	} else if h.Type.Writes() && !failsBeforePrep(h.Type, d) {
		if code := r.eager(c, h.Type, d); code != wire.CodeOK {
			c.answered++
			r.reply(c, h.Xid, 0, code)
			return
		}
		r.write(c, h, frame, d.Offset(), at)
		return
	}
	if h.Type == wire.OpSync && r.peer != nil {
		r.sync(c, h, frame, d.Offset(), at)
		return
	}
	if c.waiting() > 0 {
		c.push(slot{xid: h.Xid, op: h.Type, at: at}, frame)
		return
	}
	r.answer(c, h, &d, at)
}

// write begins a write of a client and queues the slot of its reply.
func (r *Replica) write(c *conn, h wire.RequestHeader, frame []byte, off int, at int64) {
	s := slot{kind: slotWrite, xid: h.Xid, op: h.Type, at: at}
	var kept []byte // should the leader be lost
	if r.peer != nil {
		kept = frame
		if code := r.global(c, h.Type, frame[off:]); h.Type != wire.OpMulti {
			s.refused = code // of a multi the leader tells which operation it was
		}
	}
	if r.leads() {
		r.prep(c, h, frame[off:])
	} else {
		r.forward(c, h, frame[off:])
	}
	c.push(s, kept)
}

// failsBeforePrep reports whether a write cannot even be decoded: it is refused
// without taking a zxid. Of a multi that holds for a create without an ACL
// vector only; others take one (PrepRequestProcessor.pRequestHelper).
func failsBeforePrep(op wire.Opcode, d jute.Decoder) bool {
	switch op {
	case wire.OpMulti:
		_, kind := scanMulti(d)
		return kind == multiNullACL
	case wire.OpCloseSession:
		return false
	case wire.OpSetACL:
		var q wire.SetACLRequest
		q.Decode(&d)
	case wire.OpReconfig:
		var q wire.ReconfigRequest
		q.Decode(&d)
	default:
		skipOp(op, &d)
	}
	return d.Err() != nil
}

// authenticate handles an auth packet. It is answered at once, past requests
// that wait, as Apache's server does it outside its queue.
func (r *Replica) authenticate(c *conn, h wire.RequestHeader, d *jute.Decoder) {
	var p wire.AuthPacket
	p.Decode(d)
	if d.Err() != nil {
		r.close(c, "undecodable auth packet")
		return
	}
	c.answered++
	ids, outcome := r.cfg.Auth.Authenticate(p.Scheme, p.Auth)
	if string(p.Scheme) == "ensemble" {
		r.countName(p.Auth, outcome)
	}
	if outcome == auth.Closed {
		r.stats.AuthFailed++
		r.markDirty(c)
		r.close(c, "refused by the "+string(p.Scheme)+" scheme")
		return
	}
	if outcome == auth.NeedsCertificate && hasScheme(c.ids, "x509") {
		outcome = auth.Accepted
	}
	all := auth.AddIDs(c.ids, ids...)
	if outcome != auth.Accepted || r.tooMany(all) {
		r.stats.AuthFailed++
		r.reply(c, h.Xid, 0, wire.CodeAuthFailed)
		r.close(c, "authentication failed")
		return
	}
	c.ids = all
	r.reply(c, h.Xid, 0, wire.CodeOK)
}

// hasScheme reports whether one of the identities is of a scheme.
func hasScheme(ids []wire.ID, scheme string) bool {
	return slices.ContainsFunc(ids, func(id wire.ID) bool { return id.Scheme == scheme })
}

// tooMany reports whether identities are more than goes with a request that a
// learner forwards: the leader would drop the learner for the packet.
func (r *Replica) tooMany(ids []wire.ID) bool {
	size := 0
	for i := range ids {
		size += 8 + len(ids[i].Scheme) + len(ids[i].ID)
	}
	return r.cfg.MaxRecord > 0 && size > r.cfg.MaxRecord
}

// countName counts the name of an ensemble that a client has sent; outcome is
// Refused where nobody looks at it.
func (r *Replica) countName(name []byte, outcome auth.Outcome) {
	n := &r.stats.EnsembleNames
	switch {
	case outcome == auth.Closed:
		n.Wrong++
	case outcome != auth.Accepted:
	case len(name) == 0 || r.cfg.Auth.EnsembleNamesNotSet:
		n.Skipped++
	default:
		n.Right++
	}
}

// enforceAuth refuses a request of a connection that has none of the schemes
// of which the configuration demands one.
func (r *Replica) enforceAuth(c *conn, h wire.RequestHeader) bool {
	if len(r.cfg.EnforceAuth) == 0 {
		return true
	}
	for _, id := range c.ids {
		for _, scheme := range r.cfg.EnforceAuth {
			if id.Scheme == scheme {
				return true
			}
		}
	}
	c.answered++
	r.reply(c, h.Xid, 0, wire.CodeSessionClosedRequireSASLAuth)
	r.close(c, "authentication is required")
	return false
}

// answer executes a request that is not a transaction and whose turn it is.
func (r *Replica) answer(c *conn, h wire.RequestHeader, d *jute.Decoder, at int64) {
	r.markDirty(c)
	c.answered++
	switch h.Type {
	case wire.OpCloseSession:
		r.localClosed(c, h, at)
		return
	case wire.OpSetWatches, wire.OpSetWatches2:
		r.setWatches(c, h, d)
	case wire.OpAddWatch:
		r.addWatch(c, h, d)
	case wire.OpRemoveWatches:
		r.removeWatches(c, h, d)
	default:
		c.frames++
		request, start := *d, len(c.out)
		c.out = r.read(c, h, d, c.out)
		size := len(c.out) - start - lengthSize
		r.fx.Sent.add(size)
		if h.Type != wire.OpPing {
			r.fx.Answered += int64(size)
		}
		if n := ReadSize(h.Type, c.out[start:]); n >= 0 {
			r.fx.used(request.Text(), n, false)
		}
	}
	latency := r.now.Mono - at
	r.fx.Reads = append(r.fx.Reads, int32(latency))
	c.last.note(h.Type, h.Xid, r.tree.LastZxid(), r.now.Mono, latency)
}
