package zab

import (
	"slices"
	"sort"

	"zooid/internal/wire"
)

// seenVote is a vote with what decides how it compares to others.
type seenVote struct {
	Vote
	state   wire.PeerState // of the sender
	version int32          // of the message; 0 in the set of a round
}

// agrees says whether two votes are for the same: among looking servers all of
// it must be equal; a server that has decided keeps zxid and round of its own
// election, so between two of those leader and epoch count, and the leader
// alone when one is too old to know the epoch (Vote.equals).
func (v seenVote) agrees(other seenVote) bool {
	switch {
	case v.state == wire.Looking || other.state == wire.Looking:
		return v.Vote == other.Vote
	case (v.version > 0) != (other.version > 0):
		return v.Leader == other.Leader
	}
	return v.Leader == other.Leader && v.PeerEpoch == other.PeerEpoch
}

// hear takes a message of a voter while the server is looking.
func (e *Election) hear(now, from int64, n *wire.Notification) {
	v := Vote{Leader: n.Leader, Zxid: n.Zxid, PeerEpoch: n.PeerEpoch, Round: n.Round}
	if n.State == wire.Looking && (v.Round < e.round || e.missed(from, v)) {
		e.answer(now, from, e.vote())
	}
	e.attends[from] = n.State == wire.Looking
	counts := e.counts(n.State, v)
	if e.finishing && !e.beats(v, e.proposal) {
		// The final wait is for better votes only, and goes on until nothing
		// has come for its whole length. A better one ends it even if it does
		// not count, say because its round is over: its sender has just been
		// told the round, and its vote in it will follow.
		e.deadline = now + e.opt.FinalizeWait
		// Who changes its mind to a worse vote, having been elsewhere in
		// between, does not take back what made the quorum. Who has decided for the
		// proposal already, in this round, will hear of no better one.
		if counts && v == e.vote() && (n.State == wire.Looking || e.opt.Hurry) {
			e.received[from] = seenVote{Vote: v}
			e.hurry()
		}
		return
	}
	e.wait(now)
	switch {
	case e.joining(n.State, v):
		e.round = v.Round
		clear(e.received)
		e.proposal = e.own
		e.notifyAll(now)
	case !counts:
	case n.State == wire.Looking:
		e.hearLooking(now, from, v)
	default:
		e.hearDecided(from, seenVote{Vote: v, state: n.State, version: n.Version})
	}
}

// joining says whether a message is of a server that a pending reconfiguration
// makes a voter and that does not know it yet: it proposes nobody, but its voice
// is needed and it does not listen to rounds before its own. Apache's server
// passes such a message over, and neither gets anywhere until one is restarted.
func (e *Election) joining(state wire.PeerState, v Vote) bool {
	return e.next != nil && state == wire.Looking && v.Leader == noID && v.Round > e.round
}

// missed says whether the sender of a vote may have missed the proposal: it says
// a worse one, or it has not been heard in this round before, other than not to
// be looking. What is said to a server while it still follows the leader that was
// lost is forgotten there, and if it answers that it follows, its first vote may
// take the place of that answer on the way. Apache's server repeats its vote after
// an interval, and waits for the rest of a quorum; who is in a hurry answers. Two
// servers answer each other once at most: it is the first vote that counts here,
// and a better one is taken.
func (e *Election) missed(from int64, v Vote) bool {
	return e.opt.Hurry && v.Round == e.round && !e.beats(v, e.proposal) && (!e.attends[from] || e.beats(e.proposal, v))
}

// counts says whether a vote can change anything: it must be for a voter, by a
// server that is not observing. Among looking servers it must be of no past
// round, and both must have an initialised database.
func (e *Election) counts(state wire.PeerState, v Vote) bool {
	switch {
	case !e.quorums.Voter(v.Leader) || state == wire.Observing:
		return false
	case state == wire.Looking:
		return v.Round >= e.round && v.Zxid != -1 && e.own.Zxid != -1
	}
	return true
}

// beats is the order of votes (totalOrderPredicate): a leader of weight 0
// never wins.
func (e *Election) beats(v, other Vote) bool {
	return e.quorums.Electable(v.Leader) && v.better(other)
}

// hearLooking takes the vote of a server that looks for a leader as well.
func (e *Election) hearLooking(now, from int64, v Vote) {
	switch {
	case v.Round > e.round:
		// A newer round: what has been heard was said in an older one, and the
		// own vote is as good as it was at the start.
		e.round = v.Round
		clear(e.received)
		e.proposal = e.own
		if e.beats(v, e.own) {
			e.proposal = v
		}
		e.received[from] = seenVote{Vote: v}
		e.notifyAll(now)
	case e.beats(v, e.proposal):
		e.proposal = v
		e.received[from] = seenVote{Vote: v}
		e.notifyAll(now)
	default:
		e.received[from] = seenVote{Vote: v}
	}
	e.settle(now)
}

// settle begins the final wait when a quorum votes for the proposal.
func (e *Election) settle(now int64) {
	mine := seenVote{Vote: e.vote()}
	if !e.looking || e.finishing || !e.supported(e.received, mine) {
		return
	}
	e.finishing, e.deadline = true, now+e.opt.FinalizeWait
	e.hurry()
}

// hurry ends the final wait early where it may, see ElectionOptions.Hurry.
func (e *Election) hurry() {
	if !e.opt.Hurry || !e.finishing {
		return
	}
	all := e.supporters(e.received, seenVote{Vote: e.vote()})
	for _, id := range e.quorums.Voters() {
		if _, found := slices.BinarySearch(all, id); !found && !e.lost[id] {
			return
		}
	}
	e.decide(e.vote(), all)
}

// hearDecided takes the vote of a server that follows or leads. If it belongs
// to the own round it may complete a quorum there; otherwise, and in any case,
// it may be one of an ensemble that works, which is joined once a quorum of it
// and its leader have been heard. A quorum of either configuration is enough:
// who may lead is no longer the question, and a server whose last-seen
// configuration was never committed would not find its way back if those that it
// names had to agree. Apache's server asks for both.
func (e *Election) hearDecided(from int64, v seenVote) {
	if v.Round == e.round {
		same := v
		same.version = 0
		e.received[from] = same
		if e.established(e.received, v) && e.leads(e.received, v.Vote) {
			e.decide(v.Vote, e.supporters(e.received, v))
			return
		}
	}
	e.outside[from] = v
	joins := (e.established(e.outside, v) || e.supported(e.outside, v)) && e.leads(e.outside, v.Vote)
	if v.state == wire.Leading && from == v.Leader && e.opt.Oracle.denies(e.quorums) {
		joins = true // the other of two leads alone, and no quorum says so
	}
	if joins {
		e.round = v.Round
		e.decide(v.Vote, e.supporters(e.outside, v))
	}
}

// leads is the check of the leader: it must have said itself that it leads. It
// keeps a server from following one that has died, on the word of those that
// have not noticed. If the server itself is the leader that others speak of,
// they must speak of the round that it is in.
func (e *Election) leads(votes map[int64]seenVote, v Vote) bool {
	if v.Leader == e.opt.Self {
		return v.Round == e.round
	}
	said, ok := votes[v.Leader]
	return ok && said.state == wire.Leading
}

func (e *Election) supported(votes map[int64]seenVote, v seenVote) bool {
	has := func(id int64) bool {
		other, ok := votes[id]
		return ok && v.agrees(other)
	}
	return e.quorums.Contains(has) || e.opt.Oracle.suffices(e.quorums, has)
}

// established says whether a quorum speaks of one leader as having decided.
func (e *Election) established(votes map[int64]seenVote, v seenVote) bool {
	return e.quorums.ContainsEither(func(id int64) bool {
		other, ok := votes[id]
		return ok && v.agrees(other)
	})
}

// supporters are the servers whose vote agrees with v, sorted.
func (e *Election) supporters(votes map[int64]seenVote, v seenVote) []int64 {
	var ids []int64
	for id, other := range votes {
		if v.agrees(other) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

// decide ends the looking.
func (e *Election) decide(v Vote, supporters []int64) {
	switch {
	case v.Leader == e.opt.Self:
		e.state = wire.Leading
	case e.opt.Observer:
		e.state = wire.Observing
	default:
		e.state = wire.Following
	}
	e.current = v
	e.looking, e.finishing, e.deadline = false, false, NoDeadline
	e.out.Decided = &Decision{State: e.state, Vote: v, Supporters: supporters}
}
