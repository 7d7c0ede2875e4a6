package zab

import "slices"

// What this file does is count acknowledgements: by the quorums that held when
// a proposal was made, in the order of the proposals, with a stop at each
// reconfiguration (Leader.propose, tryToCommit).

// rule says which quorums proposals need that are not older than from.
type rule struct {
	from Zxid
	q    *Quorums
}

// Reconfigure has the proposal zxid, which is being made, and all that follow it
// need quorums of both configurations of q.
func (l *Leader) Reconfigure(zxid Zxid, q *Quorums) {
	l.reconfig, l.quorums = zxid, q
	l.rules = append(l.rules, rule{zxid, q})
}

// Reconfiguring says whether there is a reconfiguration that is not committed,
// or committed and not activated.
func (l *Leader) Reconfiguring() bool { return l.reconfig != 0 }

// Activate says that the reconfiguration, which is committed, is in force: what
// is proposed behind it needs a quorum of q alone, whenever that was. The former
// members may be gone, and with them the quorum that it would else wait for. If
// this server is not the one that is to lead by it nothing more is committed
// here.
func (l *Leader) Activate(now int64, q *Quorums, leads bool) {
	l.reconfig, l.quorums, l.ceded = 0, q, !leads
	if l.ceded {
		l.judgedAt = now // a whole tick for the followers to hear of it and to go
	}
	l.rules = []rule{{l.committed + 1, q}}
	l.commit()
}

// Ceded says that another server leads from the last commit on.
func (l *Leader) Ceded() bool { return l.ceded }

// Abandoned says that no learner is in sync any more.
func (l *Leader) Abandoned() bool {
	return l.phase == broadcasting && !slices.ContainsFunc(l.learners, (*LearnerLink).InSync)
}

// Ready says whether a quorum of a configuration follows and is in sync, so that
// it can be made the next one (Leader.isQuorumSynced). A server that has just
// become an observer still follows, but will come back as one, and acknowledge
// nothing: Apache's leader counts it, and then waits for it for ever.
func (l *Leader) Ready(q *Quorum) bool {
	return q.Contains(func(id int64) bool { return id == l.opt.Self || l.follows(id) && !l.quorums.observes(id) })
}

// Successor is the voter of q, other than this server, that holds the most of
// what is proposed: with it as the next leader the least is lost
// (Leader.getDesignatedLeader). It is 0 if there is none.
func (l *Leader) Successor(q *Quorum) int64 {
	best, most := int64(0), Zxid(-2)
	for _, id := range q.voters {
		if id == l.opt.Self {
			continue
		}
		if at := l.ackedBy(id); at > most {
			best, most = id, at
		}
	}
	return best
}

// acknowledge records that a follower holds everything up to zxid; streams are
// FIFO, so one acknowledgement stands for all before it. Those of proposals
// that were never made and old ones change nothing.
func (l *Leader) acknowledge(k *LearnerLink, zxid Zxid) bool {
	if zxid > l.proposed || zxid <= k.acked {
		return false
	}
	k.acked = zxid
	return l.commit()
}

// commit moves committed to the newest zxid that the quorums of its time hold,
// but not beyond a reconfiguration that is not in force.
func (l *Leader) commit() bool {
	if l.phase != broadcasting || l.ceded {
		return false
	}
	for before := l.committed; ; {
		for len(l.rules) > 1 && l.rules[1].from <= l.committed+1 {
			l.rules = l.rules[1:]
		}
		limit := l.proposed
		if len(l.rules) > 1 {
			limit = l.rules[1].from - 1
		}
		if l.reconfig != 0 {
			limit = min(limit, max(l.reconfig, l.committed))
		}
		at := l.committed
		l.commitWithin(l.rules[0].q, limit)
		if l.committed == at || l.committed < limit {
			return l.committed > before
		}
	}
}

// commitWithin commits what a quorum of q holds, up to limit.
func (l *Leader) commitWithin(q *Quorums, limit Zxid) {
	try := func(zxid Zxid) {
		zxid = min(zxid, limit)
		if zxid > l.committed && l.reach(q, func(id int64) bool { return l.ackedBy(id) >= zxid }) {
			l.committed = zxid
		}
	}
	try(l.durable)
	for _, k := range l.learners {
		if !k.Observer && k.Forwarding() {
			try(k.acked)
		}
	}
}

// ackedBy is the newest zxid that a server is known to hold.
func (l *Leader) ackedBy(id int64) Zxid {
	if id == l.opt.Self {
		return l.durable
	}
	for _, k := range l.learners {
		if k.SID == id && !k.Observer && k.Forwarding() {
			return k.acked
		}
	}
	return -1
}
