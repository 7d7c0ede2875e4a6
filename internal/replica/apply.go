package replica

import (
	"zooid/internal/jute"
	"zooid/internal/tree"
	"zooid/internal/wire"
)

// commitAll applies all that the leader has committed. A reconfiguration may
// commit more by coming into force.
func (r *Replica) commitAll() {
	for zxid := int64(-1); zxid < r.leader.Committed(); {
		zxid = r.leader.Committed()
		r.commitTo(zxid)
		if r.peer != nil && r.leader.Reconfiguring() && r.peer.next == nil {
			r.inForce()
		}
	}
}

// commitTo applies what is committed, in order.
func (r *Replica) commitTo(zxid int64) {
	for r.inflightHead < len(r.inflight) && r.inflight[r.inflightHead].zxid <= zxid {
		p := &r.inflight[r.inflightHead]
		r.inflightHead++
		if r.peer != nil {
			r.tellCommit(p)
		}
		r.commit(p)
		r.history.add(keptEntry{zxid: p.zxid, entry: p.entry})
		// A sync comes behind what it waits for and before what follows.
		r.releaseSyncs(p.zxid)
		*p = proposal{}
	}
	if r.inflightHead == len(r.inflight) {
		r.inflight, r.inflightHead = r.inflight[:0], 0
	}
	r.pending.applied(zxid)
	r.giveBack()
}

// giveBack takes back the memory of records that are applied, durable, and not
// kept for learners. Both must hold: a quorum may be faster than the own disk.
func (r *Replica) giveBack() {
	zxid := min(r.tree.LastZxid(), r.durable)
	r.chunks.applied(min(zxid, r.history.oldest(zxid+1)-1))
}

// forgetInflight drops everything that is proposed and not applied.
func (r *Replica) forgetInflight() {
	r.inflight, r.inflightHead = nil, 0
	r.pending = newPendingTable()
	r.chunks = chunkPool{size: r.chunks.size}
}

// commit applies one transaction: tree, sessions, then the events that it
// causes, then the reply to the one who asked (promise: event before reply).
func (r *Replica) commit(p *proposal) {
	d := jute.NewDecoder(p.entry)
	var h wire.TxnHeader
	h.Decode(&d)
	body := p.entry[wire.TxnHeaderSize : wire.TxnHeaderSize+p.body]
	if r.waits.stalled > 0 {
		r.answerBefore(p, &h)
	}
	r.tree.Apply(&h, body, &r.res)
	r.stats.Commits++
	r.fx.Ages = r.age(r.fx.Ages, h.Time)
	if r.cfg.Digest {
		r.compareDigest(p)
		r.rememberDigest(p.zxid)
	}
	r.notify(p.zxid, &r.res)
	r.noteWrites(&r.res)
	switch h.Type {
	case wire.OpCreateSession:
		r.sessionCreated(p, &h, body)
		return
	case wire.OpCloseSession:
		r.noteGone(body)
		r.sessionClosed(p, &h)
		return
	}
	if c := r.waiter(p, &h); c != nil {
		s := c.take()
		r.writeReply(c, s, &r.res)
		r.release(c)
	}
}

// waiter returns the connection whose oldest request the transaction answers,
// nil for none. Unless it has led from the request on, the server finds it by
// session and xid, as its own requests come back among those of all
// (CommitProcessor).
func (r *Replica) waiter(p *proposal, h *wire.TxnHeader) *conn {
	c := p.origin
	if c == nil && r.peer != nil && !r.leads() {
		if s := r.sessions.byID[h.ClientID]; s != nil && s.conn != nil {
			c = s.conn
			if c.waiting() == 0 || !c.slots[c.slotHead].answers(h) {
				return nil
			}
		}
	}
	if c == nil || c.gone {
		return nil
	}
	return c
}

// answers says whether a transaction is that of the request in the slot.
func (s *slot) answers(h *wire.TxnHeader) bool {
	if s.kind != slotWrite {
		return false
	}
	if s.op == wire.OpCreateSession || h.Type == wire.OpCreateSession {
		return s.op == h.Type
	}
	return s.xid == h.Cxid
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

// noteGone counts the ephemerals that the end of a session has deleted, as far
// as its transaction lists them.
func (r *Replica) noteGone(body []byte) {
	if len(body) == 0 {
		return
	}
	d := jute.NewDecoder(body)
	for n := d.Count(4); n > 0 && d.Err() == nil; n-- {
		r.fx.used(d.Text(), 0, true)
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
	if r.peer != nil && !r.leads() && !r.follows() {
		return // the snapshot of a Java leader holds more than its zxid says
	}
	var want wire.TxnDigest
	d := jute.NewDecoder(p.entry[wire.TxnHeaderSize+p.body:])
	want.Decode(&d)
	if uint64(want.Digest) != r.tree.Digest() {
		r.stats.DigestMismatches++
	}
}

// sessionCreated makes the session count and answers the connect request.
func (r *Replica) sessionCreated(p *proposal, h *wire.TxnHeader, body []byte) {
	s := p.sess
	if s == nil {
		var t wire.CreateSessionTxn
		d := jute.NewDecoder(body)
		t.Decode(&d)
		if s = r.sessions.byID[h.ClientID]; s == nil {
			s = r.sessions.add(h.ClientID, t.TimeOut)
		}
		s.timeout = t.TimeOut
	}
	s.committed = true
	if s.local {
		r.unlocal(s)
	}
	if c := r.waiter(p, h); c != nil {
		latency := r.now.Mono - c.pop().at
		r.fx.Writes = append(r.fx.Writes, int32(latency))
		c.last.note(wire.OpCreateSession, 0, p.zxid, r.now.Mono, latency)
		password := Password(s.id)
		r.connectResponse(c, s.timeout, s.id, password[:])
		r.release(c)
	}
}

// sessionClosed ends the session: its connection gets the reply, if it asked,
// and is closed.
func (r *Replica) sessionClosed(p *proposal, h *wire.TxnHeader) {
	asked := r.waiter(p, h)
	s := p.sess
	if s == nil {
		s = r.sessions.byID[h.ClientID]
	}
	c := asked
	if s != nil {
		if c == nil {
			c = s.conn
		}
		if r.res.Err == wire.CodeOK {
			r.sessions.remove(s)
		}
	}
	if c == nil || c.gone {
		return
	}
	if asked != nil {
		r.writeReply(c, c.take(), &r.res)
	}
	r.close(c, "session closed")
}
