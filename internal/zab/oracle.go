package zab

// Oracle is the word of somebody outside on whether one of two servers may go on
// without the other, who knows that the other one does not (oraclePath,
// QuorumOracleMaj of Apache's server). It is asked only where a configuration has
// two voters that make a majority together, and only by a server without a
// follower. nil is no oracle.
type Oracle struct {
	Grants bool
}

// suffices says whether the voters that has names, of which there must be one,
// may do without the other.
func (o *Oracle) suffices(q *Quorums, has func(id int64) bool) bool {
	if o == nil || !o.Grants || !q.pair() {
		return false
	}
	for _, id := range q.voters {
		if has(id) {
			return true
		}
	}
	return false
}

// denies says whether the oracle speaks, and for the other server.
func (o *Oracle) denies(q *Quorums) bool { return o != nil && !o.Grants && q.pair() }

// pair says whether there are two voters in all, who decide by majority.
func (q *Quorums) pair() bool {
	return len(q.voters) == 2 && q.current.pair() && (q.next == nil || q.next.pair())
}

func (q *Quorum) pair() bool { return q.weight == nil && len(q.voters) == 2 }

// reach says whether what the servers that has names agree on counts: they are a
// quorum of q, or the oracle lets a leader without a follower go on.
func (l *Leader) reach(q *Quorums, has func(id int64) bool) bool {
	return q.Contains(has) || l.opt.Oracle != nil && l.alone() && l.opt.Oracle.suffices(q, has)
}

// alone says whether no follower gets the live traffic.
func (l *Leader) alone() bool {
	for _, k := range l.learners {
		if !k.Observer && k.Forwarding() {
			return false
		}
	}
	return true
}

// Recount commits what needs no more acknowledgements than there are, now that
// the oracle has spoken or a follower is gone. It returns whether that is
// anything.
func (l *Leader) Recount() bool { return l.commit() }

// Consulted says that the oracle may have changed its mind.
func (e *Election) Consulted(now int64) Effects {
	if _, voted := e.received[e.opt.Self]; voted {
		e.settle(now)
	}
	return e.take()
}
