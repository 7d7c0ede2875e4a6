package zab

import "slices"

// What this file does is end a leadership on purpose: the leader proposes
// nothing more, waits until a voter holds all that is proposed and committed,
// and votes for that one in the election that follows. No epoch is without a
// leader for longer than the election takes, and nobody that was told of a
// write is disappointed: the successor has it.

// HandOver has the leader propose nothing from now on, if there is somebody to
// take over: a voter that is in sync and may lead, and, if this server is leaving,
// others that are a quorum with it. It returns why not, or "".
func (l *Leader) HandOver(leaving bool) (refusal string) {
	switch {
	case l.phase != broadcasting || l.ceded:
		return "the leader is not established"
	case l.Reconfiguring():
		return "a reconfiguration is under way"
	case !slices.ContainsFunc(l.learners, l.mayLead):
		return "no other voter is in sync"
	case leaving && !l.quorums.Contains(l.follows):
		return "without this server the others are no quorum"
	}
	l.handing = true
	return ""
}

// HandingOver says that HandOver has begun.
func (l *Leader) HandingOver() bool { return l.handing }

// Heir is the voter that takes over: one that holds everything, once all of it
// is committed; 0 before. Of several it is the one that wins an election.
func (l *Leader) Heir() int64 {
	if !l.handing || l.committed < l.proposed {
		return 0
	}
	heir := int64(0)
	for _, k := range l.learners {
		if l.mayLead(k) && k.acked >= l.proposed {
			heir = max(heir, k.SID)
		}
	}
	return heir
}

// follows says whether a server is another voter that is in sync.
func (l *Leader) follows(id int64) bool {
	return slices.ContainsFunc(l.learners, func(k *LearnerLink) bool {
		return k.SID == id && !k.Observer && k.InSync()
	})
}

func (l *Leader) mayLead(k *LearnerLink) bool {
	return k.InSync() && l.Votes(k) && l.quorums.Electable(k.SID)
}
