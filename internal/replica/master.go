package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// What this file does is to spare the leader its observers: they learn from a
// follower, which brings them up to date from what it has, informs them of what
// it applies, and passes their requests on as its own (ObserverMaster of
// Apache's server). Other than there nothing is kept for them beside the history
// that every member keeps.

// host is the side of this server that others learn from: a leader's, or a
// follower's for observers; nil for none.
func (r *Replica) host() *zab.Leader {
	if r.leader == nil && r.peer != nil {
		return r.peer.master
	}
	return r.leader
}

// openMaster lets observers learn from this follower.
func (r *Replica) openMaster() {
	p := r.peer
	if !p.cfg.ObserverMaster || p.observer {
		return
	}
	p.master = zab.NewMaster(zab.LeaderOptions{
		Self: p.self, TickTime: r.cfg.TickTime, InitLimit: p.cfg.InitLimit, SyncLimit: p.cfg.SyncLimit,
	}, zab.NewQuorums(p.current, nil), p.learner.Epoch(), r.tree.LastZxid())
}

// hosted carries out what the host asks for: learners to refuse and to bring up
// to date.
func (r *Replica) hosted(out *zab.LeaderOut) {
	for _, x := range out.Refused {
		r.warnOf(x.Link, "a learner is refused", "server", x.Server, "reason", x.Why)
		r.peer.out.CloseLinks = append(r.peer.out.CloseLinks, x)
	}
	for _, k := range out.Sync {
		r.synchronise(k)
	}
}

// mastered carries out what a follower that has observers asks for.
func (r *Replica) mastered() {
	for p := r.peer; p.master != nil; {
		out := p.master.Take()
		if len(out.Refused)+len(out.Sync) == 0 {
			return
		}
		r.hosted(&out)
	}
}

// tellObservers sends what was just committed to the observers of a follower.
func (r *Replica) tellObservers(q *proposal) {
	p := r.peer
	inform := wire.QuorumPacket{Type: wire.PacketInform, Zxid: q.zxid, Data: q.entry}
	if q.reconfig {
		inform.Type = wire.PacketInformAndActivate
		inform.Data = append(jute.AppendLong(nil, p.designated), q.entry...)
	}
	p.master.Informed(q.zxid)
	for _, k := range p.master.Learners() {
		if k.Forwarding() {
			k.Send(&inform)
		}
	}
}

// fromObserver takes a packet of an observer that learns from this follower.
func (r *Replica) fromObserver(k *zab.LearnerLink, q *wire.QuorumPacket) {
	p := r.peer
	switch q.Type {
	case wire.PacketPing:
		p.master.Heard(r.now.Mono, k)
		r.observerTouched(q.Data)
	case wire.PacketRevalidate:
		r.stats.Peer.Revalidations++
		p.master.Heard(r.now.Mono, k)
		d := jute.NewDecoder(q.Data)
		id, lease := d.Long(), d.Int()
		if d.Err() == nil {
			r.askRevalidation(id, revalidation{link: k.Link, lease: lease})
		}
	case wire.PacketRequest:
		p.master.Heard(r.now.Mono, k)
		d := jute.NewDecoder(q.Data)
		d.Long()
		d.Int()
		if op := wire.Opcode(d.Int()); d.Err() != nil {
			r.warnOf(k.Link, "a request of an observer cannot be read", "server", k.SID, "bytes", len(q.Data))
			return
		} else if op == wire.OpSync {
			p.syncs = append(p.syncs, syncing{link: k.Link})
		}
		p.learner.Send(q)
	default:
		p.master.Packet(r.now.Mono, k, q, p.current.Version)
		r.mastered()
	}
}

// observerTouched renews the sessions that an observer has heard of.
func (r *Replica) observerTouched(data []byte) {
	for d := jute.NewDecoder(data); d.Len() >= 12; {
		id, lease := d.Long(), d.Int()
		if s := r.sessions.byID[id]; s != nil && !s.local {
			s.lease = lease
			r.touch(s)
		}
	}
}

// observerRevalidated passes the leader's word on a session to the observer that
// had asked for it.
func (r *Replica) observerRevalidated(v *revalidation, id int64, valid bool, data []byte) {
	p := r.peer
	if s := r.sessions.byID[id]; valid && s != nil {
		s.lease = v.lease
		r.touch(s)
	}
	if p.master == nil {
		return
	}
	if k := p.master.Learner(v.link); k != nil {
		k.Send(&wire.QuorumPacket{Type: wire.PacketRevalidate, Zxid: -1, Data: data})
	}
}
