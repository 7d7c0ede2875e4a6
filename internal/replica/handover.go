package replica

import (
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// A leader that is asked to hand over takes no requests any more: those of its
// own clients wait as they do when a leader is lost (suspend.go), those of
// learners are asked again of the next leader. What it has proposed is still
// committed. Once a voter holds all of it this server votes for that one. Apache's
// server has no such thing: it stops, and the others find out.

// beginHandOver has another server lead; leaving says that this one stops then.
func (r *Replica) beginHandOver(leaving bool) {
	p := r.peer
	refusal := "this server does not lead"
	if r.leader != nil {
		if r.leader.HandingOver() {
			return
		}
		refusal = r.leader.HandOver(leaving)
	}
	if refusal != "" {
		p.out.Stays = true
		r.warn("the leadership is not handed over", "reason", refusal)
		return
	}
	r.note("handing over the leadership", "in_flight", r.Outstanding())
	if r.leader.Proposed() == zab.EpochStart(r.leader.Epoch()) {
		// The beginning of an epoch is in no log: with it this server would be
		// ahead of everybody else. A transaction that changes nothing ends that.
		w := write{zxid: r.draft()}
		r.work.body = (&wire.ErrorTxn{Err: wire.CodeRuntimeInconsistency}).Append(r.work.body)
		r.propose(&w, wire.OpError, 0, nil)
	}
	if !r.suspended {
		r.suspended, p.suspendedAt = true, r.now.Mono
	}
}

// endHandOver leaves the leadership to the heir, once there is one.
func (r *Replica) endHandOver() {
	if r.leader == nil {
		return
	}
	if heir := r.leader.Heir(); heir != 0 {
		r.peer.election.Favour(heir)
		r.leave("the leadership is handed over")
	}
}
