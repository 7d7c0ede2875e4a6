package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// What this file does is a learner's part of a request that only the leader can
// answer (FollowerRequestProcessor, LearnerZooKeeperServer).

// request sends a request to the leader.
func (r *Replica) ask(id int64, h wire.RequestHeader, body []byte, ids []wire.ID) {
	data := make([]byte, 0, 16+len(body))
	data = jute.AppendLong(data, id)
	data = jute.AppendInt(data, h.Xid)
	data = jute.AppendInt(data, int32(h.Type))
	data = append(data, body...)
	r.peer.learner.Send(&wire.QuorumPacket{Type: wire.PacketRequest, Zxid: -1, Data: data, AuthInfo: ids})
}

// forward sends a write of a client to the leader; the caller queues its slot.
func (r *Replica) forward(c *conn, h wire.RequestHeader, body []byte) {
	var id int64
	if c.sess != nil {
		id = c.sess.id
	}
	r.ask(id, h, body, c.ids)
}

// forwardCreateSession asks the leader for a new session.
func (r *Replica) forwardCreateSession(c *conn, timeout int32, at int64) {
	s := r.sessions.add(r.sessions.newID(), timeout)
	s.conn, c.sess = c, s
	r.touch(s)
	r.ask(s.id, wire.RequestHeader{Type: wire.OpCreateSession}, jute.AppendInt(nil, timeout), c.ids)
	c.push(slot{kind: slotWrite, op: wire.OpCreateSession, at: at}, nil)
}

// syncing is a sync that the leader has been asked for, of a client of this
// server or of an observer.
type syncing struct {
	conn *conn      // nil for one of an observer
	link zab.LinkID // of that
}

// sync takes a sync of a client: a learner asks the leader, a leader waits for
// what is in flight.
func (r *Replica) sync(c *conn, h wire.RequestHeader, frame []byte, off int, at int64) {
	kind := slotSync
	switch {
	case !r.leads():
		r.forward(c, h, frame[off:])
		r.peer.syncs = append(r.peer.syncs, syncing{conn: c})
	case r.Outstanding() > 0:
		r.peer.barriers = append(r.peer.barriers, barrier{zxid: r.leader.Proposed(), conn: c})
	default:
		kind = slotRead
	}
	c.push(slot{kind: kind, xid: h.Xid, op: h.Type, at: at}, frame)
	r.release(c)
}

// synced takes the leader's SYNC: it answers the oldest one that is asked for.
func (r *Replica) synced() {
	p := r.peer
	if len(p.syncs) == 0 {
		return
	}
	s := p.syncs[0]
	p.syncs = p.syncs[1:]
	if s.conn == nil {
		if k := p.master.Learner(s.link); k != nil {
			k.Send(&wire.QuorumPacket{Type: wire.PacketSync})
		}
	} else if !s.conn.gone {
		s.conn.syncs++
		r.release(s.conn)
	}
}

// revalidate asks the leader whether the session of a connection is still
// there.
func (r *Replica) revalidate(c *conn, id int64, lease int32) {
	r.askRevalidation(id, revalidation{conn: c, lease: lease, attached: c.sess != nil})
}

func (r *Replica) askRevalidation(id int64, v revalidation) {
	p := r.peer
	p.revalidating[id] = append(p.revalidating[id], v)
	data := jute.AppendInt(jute.AppendLong(nil, id), v.lease)
	p.learner.Send(&wire.QuorumPacket{Type: wire.PacketRevalidate, Zxid: -1, Data: data})
}

// revalidated takes the leader's answer.
func (r *Replica) revalidated(data []byte) {
	p := r.peer
	d := jute.NewDecoder(data)
	id, valid := d.Long(), d.Bool()
	waiting := p.revalidating[id]
	if d.Err() != nil || len(waiting) == 0 {
		return
	}
	v := waiting[0]
	if p.revalidating[id] = waiting[1:]; len(waiting) == 1 {
		delete(p.revalidating, id)
	}
	if v.conn == nil {
		r.observerRevalidated(&v, id, valid, data)
		return
	}
	if v.conn.gone {
		return
	}
	if v.attached {
		if !valid {
			r.close(v.conn, "the session has expired")
		}
		return
	}
	var s *session
	if valid {
		if s = r.sessions.byID[id]; s == nil {
			// Its createSession is on its way here.
			s = r.sessions.add(id, v.lease)
		}
		if old := s.conn; old != nil && old != v.conn {
			s.conn, old.sess = nil, nil
			r.close(old, "session resumed on another connection")
		}
	}
	r.attach(v.conn, s, v.lease)
}

// touch notes that a session is alive, for the next answer to a PING.
func (p *peer) touch(s *session) {
	if !s.touched {
		s.touched = true
		p.touched = append(p.touched, s)
	}
}

// tellTouched encodes the sessions that were alive since the last time
// (LearnerSessionTracker.snapshot).
func (r *Replica) tellTouched() []byte {
	p := r.peer
	b := make([]byte, 0, 12*len(p.touched))
	for _, s := range p.touched {
		s.touched = false
		b = jute.AppendInt(jute.AppendLong(b, s.id), s.lease)
	}
	p.touched = p.touched[:0]
	return b
}
