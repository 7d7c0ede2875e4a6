// Package zab is ZooKeeper's atomic broadcast as state machines: who leads,
// which zxid comes next, who has acknowledged what, and what is thereby
// committed.
//
// It stands between the preparation of a transaction and its application
// (package replica calls both sides) and must never do I/O, read a clock or
// know what a transaction says. This release has the broadcast phase of a
// leader whose ensemble is itself (Leader). Quorum and Quorums are the rules of
// who has to agree, and Election is how servers find their leader; replica does
// not use these yet, and discovery and synchronisation are still to come.
//
// Source: Junqueira, Reed, Serafini, "Zab: High-performance broadcast for
// primary-backup systems", DSN 2011, section IV.D; Leader.propose,
// Leader.tryToCommit and FastLeaderElection of Apache's server.
package zab

// Zxid is a transaction id: epoch in the upper, counter in the lower 32 bits.
type Zxid = int64

// Voter is one acknowledging member of the ensemble.
type Voter struct {
	ID int64 // server id
	// acked is the newest zxid that the voter has on stable storage. Streams
	// are FIFO, so one acknowledgement stands for all before it.
	acked Zxid
}

// Leader is the broadcast phase of a leader.
type Leader struct {
	self      int64
	voters    []Voter
	proposed  Zxid
	committed Zxid
}

// NewLeader returns a leader with server id self whose history ends at last;
// voters are the ids of the members that count, self among them.
func NewLeader(self int64, voters []int64, last Zxid) *Leader {
	l := &Leader{self: self, proposed: last, committed: last}
	for _, id := range voters {
		l.voters = append(l.voters, Voter{ID: id, acked: last})
	}
	return l
}

// Propose takes the next zxid. The caller appends the transaction to its log
// and sends it to its followers under this number, in this order.
func (l *Leader) Propose() Zxid {
	l.proposed++
	return l.proposed
}

// Proposed returns the newest zxid handed out.
func (l *Leader) Proposed() Zxid { return l.proposed }

// Committed returns the newest committed zxid: everything up to it may be
// applied, in order.
func (l *Leader) Committed() Zxid { return l.committed }

// Outstanding returns how many proposals await their quorum.
func (l *Leader) Outstanding() int { return int(l.proposed - l.committed) }

// Durable records that the leader's own log holds everything up to zxid, and
// returns the newest committed zxid. It is the leader's acknowledgement.
func (l *Leader) Durable(zxid Zxid) Zxid { return l.Ack(l.self, zxid) }

// Ack records that voter id holds everything up to zxid, and returns the
// newest committed zxid. Acknowledgements of strangers, of proposals that were
// never made and old ones change nothing.
func (l *Leader) Ack(id int64, zxid Zxid) Zxid {
	if zxid > l.proposed {
		return l.committed
	}
	for i := range l.voters {
		v := &l.voters[i]
		if v.ID == id && zxid > v.acked {
			v.acked = zxid
			l.commit()
		}
	}
	return l.committed
}

// commit moves committed to the newest zxid that a majority holds.
func (l *Leader) commit() {
	for i := range l.voters {
		zxid := l.voters[i].acked
		if zxid <= l.committed {
			continue
		}
		holders := 0
		for j := range l.voters {
			if l.voters[j].acked >= zxid {
				holders++
			}
		}
		if 2*holders > len(l.voters) {
			l.committed = zxid
		}
	}
}
