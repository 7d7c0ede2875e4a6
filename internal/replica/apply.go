package replica

import (
	"math"

	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// commitTo applies what is committed, in order.
func (r *Replica) commitTo(zxid int64) {
	for r.inflightHead < len(r.inflight) && r.inflight[r.inflightHead].zxid <= zxid {
		p := &r.inflight[r.inflightHead]
		r.inflightHead++
		r.commit(p)
		*p = proposal{}
	}
	if r.inflightHead == len(r.inflight) {
		r.inflight, r.inflightHead = r.inflight[:0], 0
	}
	r.pending.applied(zxid)
	r.chunks.applied(zxid)
}

// commit applies one transaction: tree, sessions, then the events that it
// causes, then the reply to the one who asked (promise: event before reply).
func (r *Replica) commit(p *proposal) {
	d := jute.NewDecoder(p.entry)
	var h wire.TxnHeader
	h.Decode(&d)
	body := p.entry[wire.TxnHeaderSize : wire.TxnHeaderSize+p.body]
	r.tree.Apply(&h, body, &r.res)
	r.stats.Commits++
	if age := r.now.Wall - h.Time; age >= 0 {
		r.fx.Ages = append(r.fx.Ages, int32(min(age, math.MaxInt32)))
	}
	if r.cfg.Digest {
		r.compareDigest(p)
		r.rememberDigest(p.zxid)
	}
	r.notify(p.zxid, &r.res)
	r.noteWrites(&r.res)
	switch h.Type {
	case wire.OpCreateSession:
		r.sessionCreated(p)
		return
	case wire.OpCloseSession:
		r.sessionClosed(p)
		return
	}
	if c := p.origin; c != nil && !c.gone {
		s := c.pop()
		r.writeReply(c, s, &r.res)
		r.release(c)
	}
}

// noteWrites counts the znodes that a transaction has created, set or deleted.
func (r *Replica) noteWrites(res *tree.Result) {
	if res.Err == wire.CodeOK {
		r.noteWrite(res.Type, res.Path, &res.Stat)
	}
	for i := range res.Sub {
		r.noteWrite(res.Sub[i].Type, res.Sub[i].Path, &res.Sub[i].Stat)
	}
}

func (r *Replica) noteWrite(op wire.Opcode, path []byte, st *wire.Stat) {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateTTL, wire.OpCreateContainer, wire.OpSetData:
		r.fx.used(path, int(st.DataLength), true)
	case wire.OpDelete, wire.OpDeleteContainer:
		r.fx.used(path, 0, true)
	}
}

// compareDigest checks the tree against what preparation foretold (I5).
func (r *Replica) compareDigest(p *proposal) {
	if len(p.entry) == wire.TxnHeaderSize+p.body {
		return // an error, which changes nothing
	}
	var want wire.TxnDigest
	d := jute.NewDecoder(p.entry[wire.TxnHeaderSize+p.body:])
	want.Decode(&d)
	if uint64(want.Digest) != r.tree.Digest() {
		r.stats.DigestMismatches++
	}
}

// release answers the requests that waited for the write that was just
// answered, up to the next write of the session.
func (r *Replica) release(c *conn) {
	for !c.gone && c.waiting() > 0 && c.slots[c.slotHead].zxid == 0 {
		s := c.pop()
		if s.throttled {
			r.throttled(c, s)
			continue
		}
		d := jute.NewDecoder(c.frame(s))
		var h wire.RequestHeader
		h.Decode(&d)
		r.answer(c, h, &d, s.at)
		if !c.gone {
			c.trim(s)
		}
	}
}

// sessionCreated makes the session count and answers the connect request.
func (r *Replica) sessionCreated(p *proposal) {
	p.sess.committed = true
	if c := p.origin; c != nil && !c.gone {
		c.pop()
		password := Password(p.sess.id)
		r.connectResponse(c, p.sess.timeout, p.sess.id, password[:])
		r.release(c)
	}
}

// sessionClosed ends the session: its connection gets the reply, if it asked,
// and is closed.
func (r *Replica) sessionClosed(p *proposal) {
	if r.res.Err == wire.CodeOK && p.sess != nil {
		r.sessions.remove(p.sess)
	}
	c := p.origin
	if c == nil && p.sess != nil {
		c = p.sess.conn
	}
	if c == nil || c.gone {
		return
	}
	if p.origin != nil {
		r.writeReply(c, c.pop(), &r.res)
	}
	r.close(c, "session closed")
}
