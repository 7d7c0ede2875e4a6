package zab

import (
	"zooid/internal/ensemble"
	"zooid/internal/wire"
)

// The intervals of FastLeaderElection, in milliseconds.
const (
	// MinInterval is how long a looking server first waits for a message
	// before it repeats its own; the wait doubles each time
	// (zookeeper.fastleader.minNotificationInterval).
	MinInterval int64 = 200
	// MaxInterval bounds that wait
	// (zookeeper.fastleader.maxNotificationInterval).
	MaxInterval int64 = 60_000
	// FinalizeWait is how long a server that sees a quorum for its vote waits
	// for a better one.
	FinalizeWait int64 = 200
)

// noID stands in the vote of a server that does not vote (Long.MIN_VALUE).
const noID int64 = -1 << 63

// NoDeadline is the deadline of an election that waits for nothing.
const NoDeadline int64 = 1<<63 - 1

// A Vote is who should lead, as far as a server knows.
type Vote struct {
	Leader    int64 // server id
	Zxid      Zxid  // the newest one in its log
	PeerEpoch int64 // its current epoch
	Round     int64 // election epoch: the logical clock of the voting
}

// better says whether v wins over other: the higher peer epoch, then the
// higher zxid, then the higher id.
func (v Vote) better(other Vote) bool {
	switch {
	case v.PeerEpoch != other.PeerEpoch:
		return v.PeerEpoch > other.PeerEpoch
	case v.Zxid != other.Zxid:
		return v.Zxid > other.Zxid
	}
	return v.Leader > other.Leader
}

// History is what a server's own vote is made of.
type History struct {
	// Zxid is the newest one in its log; -1 says that the database has not
	// been initialised, so that the server may not decide who leads.
	Zxid  Zxid
	Epoch int64 // its current epoch
}

// ElectionOptions say who a server is and by which rules it votes.
type ElectionOptions struct {
	Self int64 // server id
	// Observer says that the server does not want to vote (peerType). One that
	// wants to but is no voter of the configuration is a joiner: it takes part
	// without being counted.
	Observer bool
	// Reconfig says that configurations may change at run time
	// (reconfigEnabled): only then are newer ones of others adopted.
	Reconfig bool
	Oracle   *Oracle
	// MinInterval, MaxInterval and FinalizeWait are in milliseconds; 0 is the
	// constant of the same name.
	MinInterval, MaxInterval, FinalizeWait int64
	// Hurry lets a server decide without the final wait once all voters agree
	// but those to which the connection was lost (Lost): no better vote is on
	// its way. It also answers a vote of its own round at once if the sender
	// may have missed its own. Apache's server waits in both. Which quorum decides makes no difference to safety.
	Hurry bool
}

// Effects are what the caller of an Election has to do, in the order of the
// fields. A zero field asks for nothing.
type Effects struct {
	// Adopt is a newer configuration, see Adoption.
	Adopt *Adoption
	// Send are messages to other servers.
	Send []Ballot
	// Reconnect asks to dial all voters to which there is no connection: what
	// has been sent does not arrive.
	Reconnect bool
	// Decided ends the looking.
	Decided *Decision
}

// A Ballot is one message to one server.
type Ballot struct {
	To           int64
	Notification wire.Notification
}

// A Decision is the outcome of an election.
type Decision struct {
	// State is wire.Leading, wire.Following or wire.Observing.
	State wire.PeerState
	Vote  Vote
	// Supporters are the servers whose votes made the quorum, sorted.
	Supporters []int64
}

// An Adoption is a configuration of another server that is newer than the own
// one, and that the Election goes by from now on. The caller stores it.
type Adoption struct {
	Config *ensemble.Membership
	// Restart says that the members are others than before: the looking has
	// been broken off. The caller replaces the connections and calls Look.
	Restart bool
}

// Election is FastLeaderElection of Apache's server as a state machine. It
// answers messages of other servers all the time and looks for a leader when
// told to. The time is any number of milliseconds that only grows.
//
// A server's own vote counts without a message to itself.
type Election struct {
	opt     ElectionOptions
	config  *ensemble.Membership // committed
	next    *ensemble.Membership // last seen, or nil
	text    []byte               // of config, as it stands in messages
	quorums *Quorums

	state    wire.PeerState
	looking  bool // between Look and a decision or a restart
	round    int64
	own      Vote  // what Look began with, its round aside
	favoured int64 // whom the next Look begins with instead of the server itself; 0 for nobody
	proposal Vote  // its round is not kept up: see round
	current  Vote  // the last decision, or the first own vote

	received map[int64]seenVote // of this round
	outside  map[int64]seenVote // of servers that are not looking
	// attends are servers that were looking, too, when they were heard last.
	attends map[int64]bool

	interval  int64 // the wait for a message, before it doubles
	deadline  int64
	finishing bool // a quorum has been seen; deadline ends the final wait

	answered map[int64]answer // by an observer, see answer
	lost     map[int64]bool   // servers to which there was a connection and is none

	out Effects // of the call under way
}

// NewElection returns an Election that does not look yet. current is the
// committed configuration, next the last-seen one or nil.
func NewElection(o ElectionOptions, current, next *ensemble.Membership) *Election {
	for _, d := range []struct {
		value *int64
		usual int64
	}{{&o.MinInterval, MinInterval}, {&o.MaxInterval, MaxInterval}, {&o.FinalizeWait, FinalizeWait}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	e := &Election{opt: o, deadline: NoDeadline, lost: map[int64]bool{}, answered: map[int64]answer{}}
	e.Configure(current, next)
	return e
}

// Configure replaces the configurations, as a reconfiguration does. While the
// server is looking Look must follow.
func (e *Election) Configure(current, next *ensemble.Membership) {
	e.config, e.next, e.text = current, next, []byte(current.Text())
	e.quorums = NewQuorums(current, next)
}

// State is what the server is doing: looking, or what it decided to do.
func (e *Election) State() wire.PeerState { return e.state }

// Vote is the vote that the server shows while it is not looking: that of its
// last decision.
func (e *Election) Vote() Vote { return e.current }

// Round is the logical clock.
func (e *Election) Round() int64 { return e.round }

// Deadline is when to call Tick, NoDeadline for never. Every other call may
// change it.
func (e *Election) Deadline() int64 { return e.deadline }

// Look begins a new round with the server's own history, whatever it did
// before: at start, when it has lost its leader or its followers, and after an
// Adoption with a restart.
func (e *Election) Look(now int64, h History) Effects {
	if e.received == nil {
		e.current = Vote{Leader: e.opt.Self, Zxid: h.Zxid, PeerEpoch: h.Epoch}
	}
	e.state, e.looking, e.finishing = wire.Looking, true, false
	e.received, e.outside, e.attends = map[int64]seenVote{}, map[int64]seenVote{}, map[int64]bool{}
	e.interval = e.opt.MinInterval
	e.round++
	e.own = Vote{Leader: noID, Zxid: noID, PeerEpoch: noID}
	if !e.opt.Observer {
		e.own.Zxid, e.own.PeerEpoch = h.Zxid, h.Epoch
	}
	if e.quorums.current.Voter(e.opt.Self) || e.quorums.heir(e.opt.Self) {
		e.own.Leader = e.opt.Self
		if e.favoured != 0 && e.quorums.Voter(e.favoured) {
			e.own.Leader = e.favoured
		}
	}
	e.favoured = 0
	e.proposal = e.own
	e.wait(now)
	e.notifyAll(now)
	return e.take()
}

// Favour has the next Look, and no later one, begin with a vote for another
// server, whose history must be the same as the own one. To others it is a vote
// like one that was changed in the course of the voting.
func (e *Election) Favour(id int64) { e.favoured = id }

// Tick tells the time. From the deadline on it ends the final wait, or repeats
// the proposal, or asks for connections: delivered says whether some message
// to another server has left since it was queued, so that it makes sense to
// send more.
func (e *Election) Tick(now int64, delivered bool) Effects {
	switch {
	case !e.looking || now < e.deadline:
	case e.finishing:
		e.decide(e.vote(), e.supporters(e.received, seenVote{Vote: e.vote()}))
	default:
		e.interval = min(2*e.interval, e.opt.MaxInterval)
		e.wait(now)
		if delivered {
			e.notifyAll(now)
		} else {
			e.out.Reconnect = true
		}
	}
	return e.take()
}

// Receive takes a message that came from a server, whose id is that of the
// connection. n is not kept.
func (e *Election) Receive(now, from int64, n *wire.Notification) Effects {
	if e.adopt(n) {
		return e.take()
	}
	switch {
	case e.received == nil:
		// Before the first Look there is nothing to say.
	case !e.quorums.Voter(from):
		// Who does not vote is told at once, whatever it said.
		v := e.current
		v.Round = e.round
		e.answer(now, from, v)
	case n.State < wire.Looking || n.State > wire.Observing:
	case e.looking:
		e.hear(now, from, n)
	case n.State == wire.Looking && e.state != wire.Looking:
		e.answer(now, from, e.current)
	}
	return e.take()
}

// Lost says that the connection to a server is lost, or that there is one again:
// only what was there can be lost.
func (e *Election) Lost(id int64, lost bool) Effects {
	if delete(e.lost, id); lost {
		e.lost[id] = true
		e.hurry()
	}
	return e.take()
}

// SetObserver says whether the server does not want to vote from now on, as a
// reconfiguration may decide. While the server is looking Look must follow.
func (e *Election) SetObserver(observer bool) { e.opt.Observer = observer }

// Appoint ends whatever the server did with a leader that was named without an
// election: a reconfiguration that is committed does so (QuorumPeer.updateVote).
// Effects.Decided is set.
func (e *Election) Appoint(leader int64, zxid Zxid) Effects {
	e.round++
	e.decide(Vote{Leader: leader, Zxid: zxid, PeerEpoch: -1, Round: e.round}, nil)
	return e.take()
}

// Synced gives the current vote the epoch that the server has entered with its
// leader, so that servers that join later see one vote
// (QuorumPeer.updateElectionVote).
func (e *Election) Synced(epoch int64) { e.current.PeerEpoch = epoch }

// adopt looks at the configuration in a message and says whether it has broken
// off the looking, and the message with it. A text that cannot be read is
// passed over, as Apache's server does.
func (e *Election) adopt(n *wire.Notification) (restart bool) {
	if n.Version <= 1 || !e.looking || !e.opt.Reconfig || string(n.Config) == string(e.text) {
		return false
	}
	config, err := ensemble.Parse(n.Config)
	if err != nil || config.Version <= e.config.Version {
		return false
	}
	restart = !config.SameMembers(e.config)
	next := e.next
	if next != nil && next.Version <= config.Version {
		next = nil
	}
	e.Configure(config, next)
	e.out.Adopt = &Adoption{Config: config, Restart: restart}
	if restart {
		e.looking, e.finishing, e.deadline = false, false, NoDeadline
	}
	return restart
}

// vote is the proposal with the round of now.
func (e *Election) vote() Vote {
	v := e.proposal
	v.Round = e.round
	return v
}

// notifyAll sends the proposal to all voters and counts it.
func (e *Election) notifyAll(now int64) {
	for _, id := range e.quorums.Voters() {
		if id != e.opt.Self {
			e.send(id, e.vote())
		}
	}
	// An uninitialised server has no say, not even about itself.
	if e.quorums.Voter(e.opt.Self) && e.own.Zxid != -1 {
		e.received[e.opt.Self] = seenVote{Vote: e.vote()}
		e.settle(now)
	}
}

// answer counts what a server that does not vote has told somebody since a time.
type answer struct {
	state wire.PeerState
	vote  Vote
	since int64
	count int
}

// answersAtOnce is how often such a server says the same in MinInterval.
const answersAtOnce = 8

// answer sends a vote to somebody who has said something that calls for it.
//
// Whatever a server says that does not vote, an observer or one that was
// removed, everybody answers, and an answer to it may call for one again: from
// another one that does not vote, from a voter that looks for a leader, in a
// round that is over. Apache's servers go on with that as fast as the network
// allows.
func (e *Election) answer(now, to int64, v Vote) {
	if e.opt.Observer || !e.quorums.Voter(e.opt.Self) {
		a := e.answered[to]
		if a.state != e.state || a.vote != v || now >= a.since+e.opt.MinInterval {
			a = answer{e.state, v, now, 0}
		}
		a.count++
		if e.answered[to] = a; a.count > answersAtOnce {
			return
		}
	}
	e.send(to, v)
}

func (e *Election) send(to int64, v Vote) {
	e.out.Send = append(e.out.Send, Ballot{To: to, Notification: wire.Notification{
		State: e.state, Leader: v.Leader, Zxid: v.Zxid, Round: v.Round, PeerEpoch: v.PeerEpoch,
		Version: wire.NotificationVersion, Config: e.text,
	}})
}

// wait lets the next interval begin.
func (e *Election) wait(now int64) { e.deadline, e.finishing = now+e.interval, false }

func (e *Election) take() Effects {
	out := e.out
	e.out = Effects{}
	return out
}
