package replica

import (
	"zooid/internal/ensemble"
	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// What this file does is change the ensemble while it works: the checks of a
// reconfig, the last-seen configuration that goes with its proposal, and the
// committed one that goes with its commit (PrepRequestProcessor,
// QuorumPeer.setLastSeenQuorumVerifier, processReconfig).

// configPath is the znode that shows the committed configuration.
var configPath = []byte("/zookeeper/config")

// appointment is the leader that a reconfiguration has named: it is followed
// without an election.
type appointment struct{ leader, zxid int64 }

// Configuration tells the shell who the members are from now on.
type Configuration struct {
	// Current is the committed configuration, Next the last-seen one while it is
	// newer, else nil.
	Current, Next *ensemble.Membership
	// Changed says that the members of Current are others than before, and Reset
	// that the connections of the election are to be made anew.
	Changed, Reset bool
}

// prepReconfig checks a reconfig, in the order of PrepRequestProcessor: enabled,
// session, an ensemble at all, none under way, the version, the new members, a
// quorum of them in sync, permission.
func (r *Replica) prepReconfig(w *write, d *jute.Decoder) wire.Code {
	var req wire.ReconfigRequest
	req.Decode(d)
	if d.Err() != nil {
		return wire.CodeMarshallingError
	}
	if !r.cfg.ReconfigEnabled {
		return wire.CodeReconfigDisabled
	}
	if code := w.valid(); code != wire.CodeOK {
		return code
	}
	p := r.peer
	switch {
	case p == nil:
		return wire.CodeUnimplemented
	case p.next != nil || r.leader.Reconfiguring():
		return wire.CodeReconfigInProgress
	case req.CurConfigID != -1 && req.CurConfigID != p.current.Version:
		return wire.CodeBadVersion
	}
	next, refusal := p.current.Apply(
		&ensemble.Change{Members: req.NewMembers, Leaving: req.Leaving, Joining: req.Joining},
		ensemble.ChangeRules{StandaloneEnabled: p.cfg.StandaloneEnabled, MultiAddress: p.cfg.MultiAddress})
	if refusal != nil {
		r.warn("a reconfiguration is refused", "reason", refusal.Text)
		if refusal.Crash {
			return wire.CodeMarshallingError
		}
		return wire.CodeBadArguments
	}
	if !r.leader.Ready(zab.NewQuorum(next)) {
		r.warn("a reconfiguration is refused", "reason", "no quorum of the new members follows and is in sync")
		return wire.CodeNewConfigNoQuorum
	}
	node := r.lookup(configPath, &r.work.node)
	if node == nil {
		return wire.CodeNoNode
	}
	if !r.may(w, node, wire.PermWrite) {
		return wire.CodeNoAuth
	}
	next = next.At(w.zxid)
	text := []byte(next.Text())
	node = r.pending.put(node, w.zxid)
	node.stat.Version = -1
	node.stat.Mzxid, node.stat.Mtime = w.zxid, r.now.Wall
	start := len(r.work.body)
	r.work.body = (&wire.SetDataTxn{Path: configPath, Data: text, Version: -1}).Append(r.work.body)
	node.dataZxid, node.dataAt = w.zxid, span{start + 4 + len(configPath) + 4, len(text)}
	r.see(next)
	r.leader.Reconfigure(w.zxid, zab.NewQuorums(p.current, p.next))
	r.note("reconfiguration proposed", "zxid", hexZxid(w.zxid), "members", memberText(next))
	return wire.CodeOK
}

// memberText is a configuration in one line of the log.
func memberText(m *ensemble.Membership) string {
	text := []byte(m.Text())
	for i, c := range text {
		if c == '\n' {
			text[i] = ' '
		}
	}
	return string(text)
}

// configOf reads the configuration that a reconfig transaction holds, nil if it
// holds none.
func configOf(entry []byte) *ensemble.Membership {
	var h wire.TxnHeader
	var txn wire.SetDataTxn
	d := jute.NewDecoder(entry)
	h.Decode(&d)
	txn.Decode(&d)
	if d.Err() != nil || h.Type != wire.OpReconfig {
		return nil
	}
	m, err := ensemble.Parse(txn.Data)
	if err != nil {
		return nil
	}
	return m
}

// see takes the newest configuration that is not committed, as far as this
// server knows. Its file is written before anything that is logged later.
func (r *Replica) see(m *ensemble.Membership) {
	p := r.peer
	if !r.cfg.ReconfigEnabled || m == nil || m.Version == r.lastSeen().Version {
		return
	}
	if p.next = m; m.Version <= p.current.Version {
		p.next = nil // what was seen before was never committed
	}
	r.record(Record{Op: SaveSeen, Config: p.next})
	r.configured(false, false)
}

// record asks the disk for a record that nobody waits for.
func (r *Replica) record(rec Record) {
	if p := r.peer; p.loading {
		p.held = append(p.held, rec)
		return
	}
	r.fx.Append = append(r.fx.Append, rec)
}

// configured passes the configurations on.
func (r *Replica) configured(changed, reset bool) {
	p := r.peer
	p.election.Configure(p.current, p.next)
	c := &Configuration{Current: p.current, Next: p.next, Changed: changed, Reset: reset}
	if old := p.out.Config; old != nil {
		c.Changed, c.Reset = c.Changed || old.Changed, c.Reset || old.Reset
	}
	p.out.Config = c
}

// activate makes a configuration the committed one. leader is the server that
// is to lead by it, or nil if that is not known. It reports whether this server
// has to leave its role, because that changes or because the leader does
// (QuorumPeer.processReconfig).
func (r *Replica) activate(m *ensemble.Membership, leader *int64, zxid int64) (leave bool) {
	p := r.peer
	if !r.cfg.ReconfigEnabled {
		return false
	}
	old := p.current
	if m.Version > old.Version {
		p.current = m
		if p.next != nil && p.next.Version <= m.Version {
			p.next = nil
		}
		if p.master != nil {
			p.master.Reconfigured(zab.NewQuorums(m, nil))
		}
		r.record(Record{Op: SaveConfig, Config: m, Seen: p.next})
		r.configured(!m.SameMembers(old), false)
	}
	r.showConfig()
	if m.Version <= old.Version || m.SameMembers(old) {
		return false
	}
	r.note("reconfigured", "version", hexZxid(m.Version), "members", memberText(m))
	changed := r.takeType(m)
	present := p.election.Vote().Leader
	if leader != nil {
		if *leader != present {
			p.appointed = &appointment{*leader, zxid}
			return true
		}
		if changed {
			p.appointed = &appointment{present, zxid}
		}
		return changed
	}
	p.appointed = nil
	before, was := old.Member(present)
	after, is := m.Member(present)
	return changed || !was || !is || before.Observer || after.Observer || !before.SameAddresses(after)
}

// takeType takes the part of this server in a configuration: a server that it
// does not name follows without a vote (QuorumPeer.updateLearnerType).
func (r *Replica) takeType(m *ensemble.Membership) (changed bool) {
	p := r.peer
	own, _ := m.Member(p.self)
	if own.Observer == p.observer {
		return false
	}
	p.observer = own.Observer
	p.election.SetObserver(p.observer)
	r.note("the part of this server in the ensemble changes", "observer", p.observer)
	return true
}

// activateOwn carries out a reconfiguration that this leader has committed. It
// returns the server that leads from now on: this one if it votes and is where
// it was, else the one that holds the most of what is in flight.
func (r *Replica) activateOwn(q *proposal) (leader int64) {
	m := configOf(q.entry)
	if m == nil {
		m = r.lastSeen()
	}
	leader = r.successor(m)
	r.activate(m, &leader, q.zxid)
	return leader
}

// inForce lets the leader go on behind a reconfiguration. If that names another
// leader it proposes nothing any more: what only it had logged would put it
// ahead of the one that it names.
func (r *Replica) inForce() {
	p := r.peer
	r.leader.Activate(r.now.Mono, zab.NewQuorums(p.current, p.next), p.appointed == nil || p.appointed.leader == p.self)
	if r.leader.Ceded() {
		r.note("handing over", "leader", p.appointed.leader, "in_flight", r.Outstanding())
		r.serving = false
		r.suspend()
	}
}

// successor is the server that leads by a configuration.
func (r *Replica) successor(m *ensemble.Membership) int64 {
	p := r.peer
	own, here := m.Member(p.self)
	before, _ := p.current.Member(p.self)
	if here && !own.Observer && own.SameAddresses(before) {
		return p.self
	}
	if id := r.leader.Successor(zab.NewQuorum(m)); id != 0 {
		return id
	}
	return p.self
}

// establishConfig makes the last-seen configuration the committed one, once a
// quorum of both has synchronised with this leader (Leader.startZkServer). It
// reports whether this server leads by it.
func (r *Replica) establishConfig() bool {
	m := r.lastSeen()
	leader := r.successor(m)
	r.activate(m, &leader, zab.EpochStart(r.leader.Epoch()))
	r.inForce()
	return !r.leader.Ceded()
}

// seeInitial gives a configuration without a version the one of this leader's
// epoch: it comes before all that were never established (ZOOKEEPER-1783).
func (r *Replica) seeInitial() {
	p := r.peer
	if p.current.Version == 0 && p.next == nil {
		r.see(p.current.At(zab.EpochStart(r.leader.Epoch())))
	}
}

// seeNewLeader takes the configuration that came with NEWLEADER; it is in force
// with UPTODATE. One that cannot be read is passed over, as Apache's server does.
func (r *Replica) seeNewLeader() {
	p := r.peer
	m, err := ensemble.Parse(p.learner.Config())
	if err != nil {
		return
	}
	p.offered = m
	r.see(m)
}

// isCommitted says whether the configuration of NEWLEADER is in force. One of a
// transaction that the leader has not committed yet is only seen: Apache's leader
// sends the last-seen one, whatever becomes of it. Such a transaction is of the
// leader's own epoch: what it had seen of any other is in force once it leads,
// even one of a later epoch, which only files can hold that outlived their data.
func (r *Replica) isCommitted(m *ensemble.Membership) bool {
	p := r.peer
	epoch := p.learner.Epoch()
	return zab.EpochOf(m.Version) != epoch || m.Version <= max(p.committed, r.tree.LastZxid(), zab.EpochStart(epoch))
}

// activated takes the commit of a reconfiguration.
func (r *Replica) activated(q *wire.QuorumPacket) {
	d := jute.NewDecoder(q.Data)
	leader := d.Long()
	entry := r.inflightEntry(q.Zxid)
	if d.Err() != nil || entry == nil {
		r.warn("a reconfiguration that this server does not have is committed", "zxid", hexZxid(q.Zxid))
		r.committed(q.Zxid)
		return
	}
	leave := false
	r.peer.designated = leader
	if m := configOf(entry); m != nil {
		leave = r.activate(m, &leader, q.Zxid)
	}
	r.committed(q.Zxid)
	if leave && r.peer.learner != nil {
		r.leave("the ensemble is reconfigured")
	}
}

// informed takes a reconfiguration at an observer: the leader by it, then the
// transaction.
func (r *Replica) informed(q *wire.QuorumPacket) {
	if len(q.Data) < 8 {
		r.peer.learner.LinkDown("INFORMANDACTIVATE without a transaction")
		return
	}
	r.proposed(q.Zxid, q.Data[8:])
	if r.peer.learner != nil {
		r.activated(&wire.QuorumPacket{Zxid: q.Zxid, Data: q.Data[:8]})
	}
}

// inflightEntry is the logged transaction of a zxid that is not applied.
func (r *Replica) inflightEntry(zxid int64) []byte {
	for _, q := range r.inflight[r.inflightHead:] {
		if q.zxid == zxid {
			return q.entry
		}
	}
	return nil
}

// cede ends the rule of a leader whose successor has been named, once all
// learners have heard of it and gone there. With the first ones gone it loses its
// quorum; it has a tick for the rest.
func (r *Replica) cede() {
	if r.leader != nil && r.leader.Ceded() && r.leader.Abandoned() {
		r.leave("the reconfiguration has named another leader")
	}
}

// appoint takes the role that a reconfiguration gives without an election.
func (r *Replica) appoint() {
	p := r.peer
	a := p.appointed
	p.appointed = nil
	r.note("the reconfiguration has named the leader", "leader", a.leader)
	r.voted(p.election.Appoint(a.leader, a.zxid))
}
