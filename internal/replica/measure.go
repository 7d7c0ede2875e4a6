package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// What this file does is to note numbers for an operator. Nothing here decides
// anything.

// Tally gathers whole numbers: how many, their sum, the extremes and the last.
type Tally struct{ N, Sum, Low, High, Last int64 }

func (t *Tally) add(v int) {
	x := int64(v)
	if t.N == 0 || x < t.Low {
		t.Low = x
	}
	if t.N == 0 || x > t.High {
		t.High = x
	}
	t.N, t.Sum, t.Last = t.N+1, t.Sum+x, x
}

// QueueSamples are what a step has done with the requests that wait for an
// earlier one of their session.
type QueueSamples struct {
	// Pushed is the number of requests in the queue of a session, of each
	// request that was put into one.
	Pushed Tally
	// Released is how many others a request that was answered has let go, of
	// each such request.
	Released Tally
	// Drained is how many of them have let go any.
	Drained int
}

// waiting counts the requests that wait for an earlier one of their session.
type waiting struct {
	conns  int // connections with requests that wait, writes included
	others int // requests that wait and are no writes
	// stalled counts the connections with requests that could be answered.
	stalled int
	QueueSamples
}

// Waiting returns the number of sessions with requests that are not answered,
// and how many of those requests are no writes; it only reads.
func (r *Replica) Waiting() (sessions, others int) { return r.waits.conns, r.waits.others }

// PeerSamples are what a member of an ensemble has measured in a step.
type PeerSamples struct {
	// Proposed are, of each proposal that a follower got, the ms since its
	// time stamp; Logged, of each proposal that has become durable in the own
	// log, likewise. An observer measures neither.
	Proposed, Logged []int32
	// Acks are of proposals that AckSampling chooses.
	Acks []AckSample
	// Syncs are the changes of how many learners are being brought up to date.
	Syncs []SyncSample
}

func (s *PeerSamples) reset() {
	*s = PeerSamples{Proposed: s.Proposed[:0], Logged: s.Logged[:0], Acks: s.Acks[:0], Syncs: s.Syncs[:0]}
}

// AckSample is an acknowledgement that a leader got: of whom, and the ms since
// the time stamp of the proposal.
type AckSample struct {
	Server int64
	Age    int32
}

// SyncSample is how many learners are being brought up to date by a method.
type SyncSample struct {
	Method   zab.SyncMethod // Diff stands for Trunc too
	Learners int
}

// stamp is the time stamp of a proposal that is not durable yet.
type stamp struct{ zxid, wall int64 }

// stamped notes a proposal that goes to the disk.
func (p *peer) stamped(zxid, wall int64) {
	if !p.cfg.Observer {
		p.stamps = append(p.stamps, stamp{zxid, wall})
	}
}

// measureLogged notes how old the proposals are that have become durable.
func (r *Replica) measureLogged(zxid int64) {
	p := r.peer
	n := 0
	for ; n < len(p.stamps) && p.stamps[n].zxid <= zxid; n++ {
		r.fx.Peer.Logged = r.age(r.fx.Peer.Logged, p.stamps[n].wall)
	}
	p.stamps = p.stamps[:copy(p.stamps, p.stamps[n:])]
}

// age appends the ms since a time stamp; clocks of two servers may differ, and
// what is negative is left out (Request.logLatency).
func (r *Replica) age(list []int32, wall int64) []int32 {
	if ms := r.now.Wall - wall; ms >= 0 {
		list = append(list, int32(min(ms, maxAge)))
	}
	return list
}

const maxAge = 1<<31 - 1

// measureAck notes an acknowledgement of a proposal that is not committed yet
// (Leader.processAck).
func (r *Replica) measureAck(server, zxid int64) {
	every := r.peer.cfg.AckSampling
	if every <= 0 || zxid%every != 0 || r.Outstanding() == 0 {
		return
	}
	i := zxid - r.inflight[r.inflightHead].zxid
	if i < 0 || i >= int64(r.Outstanding()) || zxid <= r.leader.Committed() {
		return
	}
	d := jute.NewDecoder(r.inflight[r.inflightHead+int(i)].entry)
	var h wire.TxnHeader
	h.Decode(&d)
	if h.Zxid == zxid && r.now.Wall >= h.Time {
		r.fx.Peer.Acks = append(r.fx.Peer.Acks, AckSample{server, int32(min(r.now.Wall-h.Time, maxAge))})
	}
}

// measureOwnAck is measureAck for what has become durable in a leader's own
// log.
func (r *Replica) measureOwnAck(before, zxid int64) {
	every := r.peer.cfg.AckSampling
	if every <= 0 {
		return
	}
	if chosen := zxid - zxid%every; chosen > before {
		r.measureAck(r.peer.self, chosen)
	}
}

// measureSyncs notes how many learners are being brought up to date, when one
// begins or is done.
func (r *Replica) measureSyncs(m zab.SyncMethod) {
	s := SyncSample{Method: m}
	for _, k := range r.host().Learners() {
		if k.Forwarding() && !k.InSync() && (k.Method == zab.Snap) == (m == zab.Snap) {
			s.Learners++
		}
	}
	r.fx.Peer.Syncs = append(r.fx.Peer.Syncs, s)
}

// Phase returns how far the role of a member of an ensemble is, as mntr and the
// AdminServer spell it ("election", "discovery", "synchronization",
// "broadcast"), and while it is being brought up to date by what ("diff",
// "trunc", "snap"; QuorumPeer.ZabState, SyncMode). It only reads.
func (r *Replica) Phase() (phase, method string) {
	names := [...]string{zab.StageDiscovery: "discovery", zab.StageSync: "synchronization", zab.StageBroadcast: "broadcast"}
	p := r.peer
	switch {
	case r.leader != nil:
		return names[r.leader.Stage()], ""
	case p == nil || p.learner == nil:
		return "election", ""
	}
	stage := p.learner.Stage()
	if stage == zab.StageSync {
		method = p.method
	}
	return names[stage], method
}

// LinkQueue describes the connection to a learner: its server id, 0 as long as
// it is not known, whether that is in no configuration, and how many packets
// DrainLink would give. It only reads.
func (r *Replica) LinkQueue(link zab.LinkID) (server int64, stranger bool, packets int) {
	if h := r.host(); h != nil {
		if k := h.Learner(link); k != nil {
			return k.SID, h.Stranger(k), k.Queued
		}
	}
	return 0, false, 0
}
