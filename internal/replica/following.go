package replica

import (
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// The exit codes with which a learner that cannot go on ends the process
// (ExitCode of Apache's server).
const (
	exitSnapshot = 10 // the disk does not take the leader's snapshot
	exitMismatch = 12 // COMMIT of another transaction than the next one
	exitPacket   = 13 // the synchronisation cannot be carried out
)

// revalidation is a connection that waits for the leader's word on its session.
type revalidation struct {
	conn  *conn      // nil for one of an observer
	link  zab.LinkID // of that
	lease int32
	// attached says that the connection has had the session all the time.
	attached bool
}

// learned carries out what the learner asks for.
func (r *Replica) learned() {
	p := r.peer
	if p.learner == nil {
		return
	}
	out := p.learner.Take()
	saved := func(*PeerEvent) {
		if p.learner.Epoch() != p.epoch {
			r.durable = r.lastLogged() // all that was logged in former roles
		}
		p.learner.EpochSaved(r.now.Mono)
		r.learned()
	}
	switch {
	case out.GiveUp != "":
		if out.Fatal {
			r.fatal(exitPacket, "%s", out.GiveUp)
		}
		r.leave(out.GiveUp)
	case out.SaveAccepted != 0:
		r.store(Record{Op: SaveAccepted, Epoch: out.SaveAccepted}, func(e *PeerEvent) {
			p.accepted, p.syncBegan = out.SaveAccepted, r.now.Mono
			saved(e)
		})
	case out.SaveCurrent != 0:
		r.store(Record{Op: SaveCurrent, Epoch: out.SaveCurrent}, func(e *PeerEvent) {
			p.epoch = out.SaveCurrent
			saved(e)
		})
	case out.Barrier:
		r.store(Record{Op: Barrier}, saved)
	case out.Choice != nil:
		r.chosen(out.Choice)
	case out.NewLeader:
		p.newLeader = true
		r.seeNewLeader()
		r.storeNewLeader()
	case out.Serve:
		r.upToDate()
	}
}

// chosen begins to be brought up to date.
func (r *Replica) chosen(c *zab.SyncChoice) {
	p := r.peer
	p.method = strings.ToLower(c.Method.String())
	r.note("being brought up to date", "leader", p.learner.Leader(), "by", c.Method, "zxid", hexZxid(c.Zxid), "own_zxid", hexZxid(r.lastLogged()))
	switch c.Method {
	case zab.Diff:
		r.fastForward()
	case zab.Snap:
		p.loading = true // Received follows
	case zab.Trunc:
		p.loading = true
		rec := Record{Op: Truncate, Zxid: c.Zxid}
		if r.tree.LastZxid() > c.Zxid {
			rec.Op = TruncateAndLoad
		}
		p.changing = true
		r.change(rec, func(e *PeerEvent) { r.truncated(c.Zxid, e.State) })
	}
}

// truncated goes on once the log ends with zxid. Without a state the one in
// memory is older, and only what was in flight behind zxid is forgotten.
func (r *Replica) truncated(zxid int64, state *Restore) {
	if state != nil {
		held := r.keepUpTo(-1)
		r.Install(state)
		r.inflight = held
	} else {
		r.inflight, r.inflightHead = r.keepUpTo(zxid), 0
		r.commitTo(zxid)
	}
	r.durable = min(r.durable, zxid)
	r.settled()
}

// settled goes on when what the disk holds is what the memory holds again.
func (r *Replica) settled() {
	p := r.peer
	p.changing = false
	if p.lookDue {
		p.lookDue = false
		r.lookAgain()
		return
	}
	p.learner.Loaded(r.now.Mono)
	r.loaded()
}

// keepUpTo returns what is in flight without what the log no longer has: older
// proposals behind zxid. Those of the present leader stay.
func (r *Replica) keepUpTo(zxid int64) []proposal {
	var list []proposal
	for _, q := range r.inflight[r.inflightHead:] {
		if q.fresh || q.zxid <= zxid {
			list = append(list, q)
		}
	}
	return list
}

// snapshotReceived takes the leader's snapshot. It is written to disk before
// anything that follows it is logged.
func (r *Replica) snapshotReceived(ev *PeerEvent) {
	p := r.peer
	if p.learner == nil || ev.Link != p.link || !p.loading {
		return
	}
	r.Install(ev.State)
	p.changing = true
	p.learner.Heard(r.now.Mono)
	r.store(Record{Op: DropBehind, Zxid: r.tree.LastZxid()}, func(*PeerEvent) {})
	r.snap.running, r.snap.wanted, r.snap.roll = true, false, false
	r.snap.logged_, r.snap.bytes = 0, 0
	r.fx.Snapshot = r.Cut()
	r.fx.Snapshot.Received = true
}

// snapshotDone goes on when the snapshot that a leader sent is durable; wrong
// says why it never will be.
func (r *Replica) snapshotDone(wrong string) {
	if wrong != "" {
		r.fatal(exitSnapshot, "the snapshot of the leader cannot be written: %s", wrong)
		return
	}
	// Later snapshots may go only now, as there is another one.
	r.change(Record{Op: DropBehind, Zxid: r.tree.LastZxid()}, func(*PeerEvent) { r.settled() })
}

// loaded logs what came while the state was being replaced.
func (r *Replica) loaded() {
	p := r.peer
	p.loading = false
	r.fx.Append = append(r.fx.Append, p.held...)
	p.held = nil
	r.storeNewLeader()
}

// storeNewLeader stores the epoch behind everything that was sent before
// NEWLEADER, once that is on its way to the disk.
func (r *Replica) storeNewLeader() {
	p := r.peer
	if p.newLeader && !p.loading && p.learner != nil {
		p.newLeader = false
		p.learner.Store(p.committed)
		r.learned()
	}
}

// upToDate begins the service of a learner.
func (r *Replica) upToDate() {
	p := r.peer
	if m := p.offered; m != nil {
		p.offered = nil
		if r.isCommitted(m) && r.activate(m, nil, 0) {
			r.leave("the leader's configuration gives this server another part, or has another leader")
			return
		}
	}
	r.catchUp(p.committed)
	p.uninitDone = true
	p.election.Synced(p.learner.Epoch())
	r.showConfig()
	r.serving = true
	r.openMaster()
	r.resume()
	r.acknowledge()
	took := r.now.Mono - p.syncBegan
	p.out.Roles = append(p.out.Roles, RoleChange{State: r.State(), Leader: p.learner.Leader(), Serving: true, Epoch: p.learner.Epoch(), Term: p.term, SyncTook: took})
	r.note("in sync with the leader", "leader", p.learner.Leader(), "epoch", p.learner.Epoch(), "by", strings.ToUpper(p.method),
		"zxid", hexZxid(r.tree.LastZxid()), "transactions", p.syncTxns, "bytes", p.syncBytes, "took_ms", took)
}

// showConfig shows the configuration in /zookeeper/config, unless it stands
// there.
func (r *Replica) showConfig() {
	m := r.peer.current
	if n := r.tree.Lookup(configPath); n != 0 {
		var st wire.StatPersisted
		if r.tree.Persisted(n, &st); st.Mzxid == m.Version && string(r.tree.Data(n)) == m.Text() {
			return
		}
	}
	r.tree.SetConfig([]byte(m.Text()), m.Version, r.now.Wall, &r.res)
	r.fx.used(configPath, len(m.Text()), true)
	r.notify(m.Version, &r.res)
}

// fromLeader takes what the leader has sent.
func (r *Replica) fromLeader(ev *PeerEvent) {
	p := r.peer
	p.learner.Heard(r.now.Mono)
	for i := range ev.Packets {
		q := &ev.Packets[i]
		if !p.learner.Packet(q) {
			r.live(q)
		}
		r.learned()
		if p.learner == nil || p.link != ev.Link {
			return
		}
	}
}

// live takes a packet of the broadcast.
func (r *Replica) live(q *wire.QuorumPacket) {
	p := r.peer
	switch q.Type {
	case wire.PacketProposal:
		if p.learner.Serving() {
			r.stats.Peer.Proposals++
		}
		r.proposed(q.Zxid, q.Data)
	case wire.PacketCommit:
		if p.learner.Serving() {
			r.stats.Peer.Commits++
		}
		r.committed(q.Zxid)
	case wire.PacketInform:
		if p.learner.Serving() {
			r.stats.Peer.Commits++
		}
		r.proposed(q.Zxid, q.Data)
		if p.learner != nil {
			r.committed(q.Zxid)
		}
	case wire.PacketCommitAndActivate:
		r.activated(q)
	case wire.PacketInformAndActivate:
		r.informed(q)
	case wire.PacketPing:
		p.learner.Send(&wire.QuorumPacket{Type: wire.PacketPing, Zxid: q.Zxid, Data: r.tellTouched()})
	case wire.PacketRevalidate:
		r.revalidated(q.Data)
	case wire.PacketSync:
		r.synced()
	default:
		r.warn("a packet of the leader is passed over", "type", q.Type)
	}
}

// proposed logs a transaction of the leader.
func (r *Replica) proposed(zxid int64, data []byte) {
	p := r.peer
	var h wire.TxnHeader
	d := jute.NewDecoder(data)
	h.Decode(&d)
	body, ok := 0, false
	if d.Err() == nil {
		body, ok = wire.TxnBodySize(h.Type, data[wire.TxnHeaderSize:])
	}
	if !ok || h.Zxid != zxid {
		p.learner.LinkDown("a proposal of the leader cannot be read: " + hexZxid(zxid))
		return
	}
	if !p.learner.Proposal(zxid) {
		return
	}
	switch {
	case !p.learner.Serving():
		p.syncTxns++
		p.syncBytes += len(data)
	case !p.cfg.Observer:
		r.fx.Peer.Proposed = r.age(r.fx.Peer.Proposed, h.Time)
	}
	p.stamped(zxid, h.Time)
	k := r.chunks.room(len(data))
	start := len(k.buf)
	k.buf = append(k.buf, data...)
	k.last = zxid
	entry := k.buf[start:len(k.buf):len(k.buf)]
	r.compactInflight()
	r.inflight = append(r.inflight, proposal{entry: entry, body: body, zxid: zxid, fresh: true, reconfig: h.Type == wire.OpReconfig})
	if h.Type == wire.OpReconfig {
		r.see(configOf(entry))
	}
	rec := Record{Zxid: zxid, Entry: entry}
	if p.loading {
		p.held = append(p.held, rec)
		return
	}
	rec.Roll = r.snap.takeRoll()
	r.snap.logged(len(entry))
	r.fx.Append = append(r.fx.Append, rec)
}

// committed applies up to a transaction. While the learner synchronises that
// waits for UPTODATE; afterwards it must be the oldest one in flight.
func (r *Replica) committed(zxid int64) {
	p := r.peer
	if !p.learner.Serving() {
		p.committed = max(p.committed, zxid)
		return
	}
	if r.Outstanding() == 0 || r.inflight[r.inflightHead].zxid != zxid {
		next := "none"
		if r.Outstanding() > 0 {
			next = hexZxid(r.inflight[r.inflightHead].zxid)
		}
		if zxid <= r.tree.LastZxid() {
			return // synchronisation has brought it
		}
		r.fatal(exitMismatch, "the leader commits %s, but the next transaction here is %s", hexZxid(zxid), next)
		return
	}
	r.commitTo(zxid)
}

// acknowledge tells the leader what the own log holds.
func (r *Replica) acknowledge() {
	p := r.peer
	if p.learner == nil || !p.learner.Durable(r.durable) {
		return
	}
	for zxid := p.learner.Acked() + 1; ; zxid++ {
		next := r.nextLogged(zxid)
		if next == 0 || next > r.durable {
			return
		}
		p.learner.Acknowledge(next)
		zxid = next
	}
}

// nextLogged is the first zxid from zxid on that the present leader has
// proposed, 0 for none: zxids have gaps between epochs only.
func (r *Replica) nextLogged(zxid int64) int64 {
	last := r.peer.learner.Last()
	switch {
	case zxid > last:
		return 0
	case zab.EpochOf(zxid) == zab.EpochOf(last):
		return zxid
	}
	return zab.EpochStart(zab.EpochOf(last)) + 1
}
