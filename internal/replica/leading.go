package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// barrier is a sync that is answered once everything proposed before it is
// committed: of a client of this server, or of a learner.
type barrier struct {
	zxid int64
	conn *conn
	link zab.LinkID
}

// led carries out what the leader asks for, until it asks for nothing more.
func (r *Replica) led() {
	for r.leader != nil {
		out := r.leader.Take()
		switch {
		case out.GiveUp != "":
			r.leave(out.GiveUp)
			return
		case out.SaveAccepted != 0:
			r.store(Record{Op: SaveAccepted, Epoch: out.SaveAccepted}, func(*PeerEvent) {
				r.peer.accepted = out.SaveAccepted
				r.seeInitial()
				r.leader.EpochSaved(r.now.Mono, true)
				r.led()
			})
		case out.SaveCurrent != 0:
			r.store(Record{Op: SaveCurrent, Epoch: out.SaveCurrent}, func(*PeerEvent) {
				r.peer.epoch = out.SaveCurrent
				r.leader.EpochSaved(r.now.Mono, false)
				r.led()
			})
		}
		r.hosted(&out)
		if out.Established {
			r.established()
		}
		if out.SaveAccepted == 0 && out.SaveCurrent == 0 && len(out.Sync) == 0 && !out.Established {
			return
		}
	}
}

// established begins the broadcast.
func (r *Replica) established() {
	p := r.peer
	r.fastForward()
	r.tree.SetLastZxid(zab.EpochStart(r.leader.Epoch()))
	r.durable = max(r.durable, r.tree.LastZxid())
	p.uninitDone = true
	p.election.Synced(r.leader.Epoch())
	r.showConfig()
	if r.cfg.ReconfigEnabled && !r.establishConfig() {
		r.leader.Welcome(r.now.Mono)
		return
	}
	r.rule()
	r.serving = p.cfg.LeaderServes
	r.leader.Welcome(r.now.Mono)
	p.out.Roles = append(p.out.Roles, RoleChange{State: wire.Leading, Leader: p.self, Serving: true, Epoch: r.leader.Epoch(), Term: p.term})
	r.resume()
	r.note("leading", "epoch", r.leader.Epoch(), "zxid", hexZxid(r.tree.LastZxid()))
}

// synchronise brings a learner up to date.
func (r *Replica) synchronise(k *zab.LearnerLink) {
	p := r.peer
	last := r.tree.LastZxid()
	if p.cfg.ForceSnapshot {
		r.sendWhatLacks(k, zab.SyncChoice{Method: zab.Snap, Zxid: last}, nil, 0)
		return
	}
	zxids := r.history.zxids()
	choice, from, ok := zab.ChooseSync(k.Zxid, last, zxids)
	if !ok && p.cfg.LogSync && len(zxids) > 0 {
		p.out.Searches = append(p.out.Searches, Search{Link: k.Link, Peer: k.Zxid, Lowest: zxids[0]})
		return
	}
	if !ok {
		choice, from = zab.SyncChoice{Method: zab.Snap, Zxid: last}, len(zxids)
	}
	r.sendWhatLacks(k, choice, r.history.all()[from:], 0)
}

// searched goes on with a learner that memory could not help.
func (r *Replica) searched(ev *PeerEvent) {
	h := r.host()
	if h == nil {
		return
	}
	k := h.Learner(ev.Link)
	if k == nil || k.Forwarding() {
		return
	}
	last := r.tree.LastZxid()
	all := r.history.all()
	if !ev.Found.OK || len(all) == 0 || all[0].zxid > r.durable {
		r.note("a learner gets a snapshot, as the log does not help", "server", k.SID, "reason", ev.Found.Why)
		r.sendWhatLacks(k, zab.SyncChoice{Method: zab.Snap, Zxid: last}, nil, 0)
	} else {
		choice := ev.Found.Choice
		if choice.Method == zab.Diff {
			choice.Zxid = all[len(all)-1].zxid
		}
		r.sendWhatLacks(k, choice, all, ev.Found.From)
	}
	r.led()
}

// sendWhatLacks queues what a learner lacks: the choice, entries of the log
// behind after (0: none), the committed entries, and what is in flight. From
// then on it gets all live traffic.
func (r *Replica) sendWhatLacks(k *zab.LearnerLink, c zab.SyncChoice, entries []keptEntry, after int64) {
	typ := map[zab.SyncMethod]wire.PacketType{zab.Diff: wire.PacketDiff, zab.Trunc: wire.PacketTrunc, zab.Snap: wire.PacketSnap}[c.Method]
	k.Send(&wire.QuorumPacket{Type: typ, Zxid: c.Zxid})
	switch {
	case c.Method == zab.Snap:
		r.stream(k, Stream{Snapshot: r.Cut()})
	case after != 0:
		// What the log holds of what the memory holds makes the two meet; behind
		// it may be the beginning of an epoch, which is in no log.
		r.stream(k, Stream{After: after, Upto: entries[0].zxid})
		entries = entries[1:]
	}
	bytes := 0
	for i := range entries {
		bytes += len(entries[i].entry)
		k.Send(&wire.QuorumPacket{Type: wire.PacketProposal, Zxid: entries[i].zxid, Data: entries[i].entry})
		k.Send(&wire.QuorumPacket{Type: wire.PacketCommit, Zxid: entries[i].zxid})
	}
	// A learner takes the configuration of NEWLEADER for committed and what it
	// sees after it for newer: while one is only proposed it is told of the other
	// one, and first.
	pending := r.leader == nil || r.leader.Reconfiguring()
	if pending {
		r.host().Synchronise(r.now.Mono, k, []byte(r.peer.current.Text()))
	}
	if !k.Observer {
		for i := r.inflightHead; i < len(r.inflight); i++ {
			k.Send(&wire.QuorumPacket{Type: wire.PacketProposal, Zxid: r.inflight[i].zxid, Data: r.inflight[i].entry})
		}
	}
	if !pending {
		r.host().Synchronise(r.now.Mono, k, []byte(r.lastSeen().Text()))
	}
	k.Method = c.Method
	r.measureSyncs(c.Method)
	if c.Method == zab.Snap {
		r.stats.Peer.Snaps++
	} else {
		r.stats.Peer.Diffs++
	}
	r.noteSync(k, c, len(entries), bytes, after)
}

// noteSync says how a learner is brought up to date. What comes out of a
// snapshot or the log on disk is told when it is sent.
func (r *Replica) noteSync(k *zab.LearnerLink, c zab.SyncChoice, transactions, bytes int, after int64) {
	args := []any{"server", k.SID, "by", c.Method, "its_zxid", hexZxid(k.Zxid), "zxid", hexZxid(c.Zxid),
		"transactions", transactions, "bytes", bytes}
	if after != 0 {
		args = append(args, "and_the_log_behind", hexZxid(after))
	}
	if k.Observer {
		args = append(args, "observer", true)
	}
	r.note("bringing a learner up to date", args...)
}

// stream queues a bulk behind what the link has to say so far.
func (r *Replica) stream(k *zab.LearnerLink, s Stream) {
	s.Link, s.Head = k.Link, k.Out
	k.Out = nil
	r.peer.out.Streams = append(r.peer.out.Streams, s)
}

// tellProposal sends a proposal to the followers.
func (r *Replica) tellProposal(zxid int64, entry []byte) {
	for _, k := range r.leader.Learners() {
		if k.Forwarding() && !k.Observer {
			k.Send(&wire.QuorumPacket{Type: wire.PacketProposal, Zxid: zxid, Data: entry})
		}
	}
}

// tellCommit sends the commit of a proposal to the learners; observers have not
// seen it before. That of a reconfiguration names the leader by it.
func (r *Replica) tellCommit(p *proposal) {
	if r.peer.master != nil {
		r.tellObservers(p)
		return
	}
	if !r.leads() || p.zxid <= zab.EpochStart(r.leader.Epoch()) {
		return
	}
	r.stats.Peer.Committed++
	commit := wire.QuorumPacket{Type: wire.PacketCommit, Zxid: p.zxid}
	inform := wire.QuorumPacket{Type: wire.PacketInform, Zxid: p.zxid, Data: p.entry}
	if p.reconfig {
		leader := r.activateOwn(p)
		commit.Type, commit.Data = wire.PacketCommitAndActivate, jute.AppendLong(nil, leader)
		inform.Type, inform.Data = wire.PacketInformAndActivate, append(jute.AppendLong(nil, leader), p.entry...)
	}
	for _, k := range r.leader.Learners() {
		switch {
		case !k.Forwarding():
		case k.Observer:
			k.Send(&inform)
		default:
			k.Send(&commit)
		}
	}
}

// packets takes what a connection brought.
func (r *Replica) packets(ev *PeerEvent) {
	if p := r.peer; p.learner != nil && ev.Link == p.link {
		r.fromLeader(ev)
		return
	}
	for i := range ev.Packets {
		h := r.host()
		if h == nil {
			return
		}
		k := h.Learner(ev.Link)
		switch {
		case k == nil:
			return
		case h == r.leader:
			r.fromLearner(k, &ev.Packets[i])
		default:
			r.fromObserver(k, &ev.Packets[i])
		}
	}
}

// fromLearner takes a packet of a learner.
func (r *Replica) fromLearner(k *zab.LearnerLink, q *wire.QuorumPacket) {
	switch q.Type {
	case wire.PacketPing:
		r.leader.Heard(r.now.Mono, k)
		r.learnerTouched(q.Data)
	case wire.PacketRevalidate:
		r.stats.Peer.Revalidations++
		r.leader.Heard(r.now.Mono, k)
		r.answerRevalidate(k, q.Data)
	case wire.PacketRequest:
		r.leader.Heard(r.now.Mono, k)
		if r.leads() {
			r.learnerRequest(k, q)
		}
	default:
		synced := k.InSync()
		if q.Type == wire.PacketAck {
			r.measureAck(k.SID, q.Zxid)
		}
		if r.leader.Packet(r.now.Mono, k, q, r.peer.current.Version) {
			r.commitAll()
		}
		if k.InSync() && !synced {
			r.measureSyncs(k.Method)
		}
		r.led()
	}
}

// learnerTouched renews the sessions that a learner has heard of.
func (r *Replica) learnerTouched(data []byte) {
	if !r.leads() {
		return
	}
	for d := jute.NewDecoder(data); d.Len() >= 12; {
		id, timeout := d.Long(), d.Int()
		if s := r.sessions.byID[id]; s != nil && !s.closing && !s.local {
			s.lease = timeout
			r.sessions.touch(s, r.now.Mono)
		}
	}
}

// answerRevalidate says whether a session is still there, and makes the learner
// its owner (LearnerHandler, Leader.revalidateSession).
func (r *Replica) answerRevalidate(k *zab.LearnerLink, data []byte) {
	d := jute.NewDecoder(data)
	id, timeout := d.Long(), d.Int()
	if d.Err() != nil {
		return
	}
	s := r.sessions.byID[id]
	valid := r.leads() && s != nil && !s.closing && !s.local
	if valid {
		s.lease, s.owner = timeout, k.Link
		r.sessions.touch(s, r.now.Mono)
	}
	answer := jute.AppendBool(jute.AppendLong(nil, id), valid)
	k.Send(&wire.QuorumPacket{Type: wire.PacketRevalidate, Zxid: -1, Data: answer})
}

// learnerRequest takes a request of a client of a learner.
func (r *Replica) learnerRequest(k *zab.LearnerLink, q *wire.QuorumPacket) {
	d := jute.NewDecoder(q.Data)
	id := d.Long()
	h := wire.RequestHeader{Xid: d.Int(), Type: wire.Opcode(d.Int())}
	if d.Err() != nil {
		r.warnOf(k.Link, "a request of a learner cannot be read", "server", k.SID, "bytes", len(q.Data))
		return
	}
	r.stats.Peer.Requests++
	body := q.Data[d.Offset():]
	s := r.sessions.byID[id]
	w := write{sess: s, id: id, client: true, ids: q.AuthInfo, owner: k.Link, foreign: r.foreign(id)}
	switch h.Type {
	case wire.OpSync:
		r.learnerSync(k)
	case wire.OpCreateSession:
		if s == nil {
			s = r.sessions.add(id, d.Int())
		}
		s.owner, w.sess = k.Link, s
		r.sessions.touch(s, r.now.Mono)
		if r.retires() {
			return
		}
		w.zxid = r.draft()
		r.work.body = (&wire.CreateSessionTxn{TimeOut: s.timeout}).Append(r.work.body)
		r.propose(&w, wire.OpCreateSession, h.Xid, nil)
	default:
		r.prepare(&w, h, body, nil)
	}
}

// learnerSync answers a sync of a learner once what is in flight is committed.
func (r *Replica) learnerSync(k *zab.LearnerLink) {
	if r.Outstanding() == 0 {
		k.Send(&wire.QuorumPacket{Type: wire.PacketSync})
		return
	}
	r.peer.barriers = append(r.peer.barriers, barrier{zxid: r.leader.Proposed(), link: k.Link})
}

// releaseSyncs answers the syncs whose transactions are applied up to zxid.
func (r *Replica) releaseSyncs(zxid int64) {
	if r.peer == nil || !r.leads() {
		return
	}
	p := r.peer
	n := 0
	for n < len(p.barriers) && p.barriers[n].zxid <= zxid {
		b := p.barriers[n]
		n++
		if b.conn == nil {
			if k := r.leader.Learner(b.link); k != nil {
				k.Send(&wire.QuorumPacket{Type: wire.PacketSync})
			}
		} else if !b.conn.gone {
			b.conn.syncs++
			r.release(b.conn)
		}
	}
	p.barriers = p.barriers[n:]
}
