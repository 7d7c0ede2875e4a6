package replica

import (
	"fmt"
	"slices"

	"zooid/internal/ensemble"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// EnsembleConfig is what a member of an ensemble needs to know beside Config;
// times in ms.
type EnsembleConfig struct {
	// Current is the committed configuration, Next the last-seen one or nil.
	Current, Next *ensemble.Membership
	Observer      bool // the server does not want to vote
	// StandaloneEnabled and MultiAddress are what reconfigurations are held
	// against (ensemble.ChangeRules).
	StandaloneEnabled, MultiAddress bool
	// Uninitialised says that the data directory was empty when it should not
	// have been: the server must not decide who leads.
	Uninitialised bool
	// AcceptedEpoch and CurrentEpoch are those of the epoch files.
	AcceptedEpoch, CurrentEpoch int64
	InitLimit, SyncLimit        int64
	// MinNotification, MaxNotification and FinalizeWait are the intervals of
	// the election; 0 is the default. Hurry: see zab.ElectionOptions.
	MinNotification, MaxNotification, FinalizeWait int64
	Hurry                                          bool
	CommitLogCount                                 int  // transactions kept for learners
	ForceSnapshot                                  bool // every learner gets a snapshot
	LogSync                                        bool // learners may be brought up to date from the log on disk
	LeaderServes                                   bool
	// LocalSessions says that new sessions are local, UpgradeSessions that one
	// may become the ensemble's.
	LocalSessions, UpgradeSessions bool
	// AckSampling is of which zxids a leader measures every single
	// acknowledgement: the multiples of it; 0 for none.
	AckSampling int64
	// ObserverMaster says that observers may learn from this server while it
	// follows.
	ObserverMaster bool
	// ElectionDelay bounds how long an observer that has lost its leader waits,
	// at random, before it looks for the next one.
	ElectionDelay int64
	// Oracle says that events of the kind Consulted will come: one of two voters
	// may go on without the other if the oracle says so.
	Oracle bool
	// ReadOnly says that clients may be served read-only while there is no leader.
	ReadOnly bool
}

// peer is what a member of an ensemble is beside a server: its place in the
// election, and its side of the connection between leader and learners.
type peer struct {
	cfg      *EnsembleConfig
	oracle   *zab.Oracle // nil for none
	self     int64
	current  *ensemble.Membership // committed
	next     *ensemble.Membership // last seen, while it is newer than current
	observer bool
	election *zab.Election
	learner  *zab.Learner // while it follows or observes
	master   *zab.Leader  // while it follows and observers may learn from it

	// designated is the server that leads by the reconfiguration that is being
	// committed at a follower.
	designated int64
	appointed  *appointment // instead of the next election, nil for none

	accepted, epoch int64 // as stored
	looked          bool  // the first election has begun
	lookingSince    int64
	lookDue         bool  // the next one waits for the disk
	lookAt          int64 // or for this time, 0 for none
	failures        int   // roles in a row that ended before they served
	suspendedAt     int64
	supporters      []int64 // with whose votes the last election ended
	decidedAt       int64
	servedEpoch     int64 // of the leader under which clients were served last
	term            uint64
	link            zab.LinkID // to the leader; 0 for none

	// Synchronisation of a learner.
	loading    bool                 // TRUNC or SNAP is under way: records wait
	changing   bool                 // the disk is being brought to what the memory holds
	held       []Record             // until then
	committed  int64                // the newest COMMIT
	newLeader  bool                 // NEWLEADER waits for the snapshot
	offered    *ensemble.Membership // the configuration of NEWLEADER
	method     string               // DIFF, TRUNC or SNAP in lower case, once it is known
	syncBegan  int64                // Time.Mono
	syncTxns   int                  // that came meanwhile
	syncBytes  int                  // theirs
	uninitDone bool

	stamps []stamp // of proposals that are on their way to the disk, for measuring

	// Requests of this server's clients at the leader.
	syncs        []syncing
	revalidating map[int64][]revalidation
	touched      []*session

	// Requests that a leader answers when what is in flight is committed.
	barriers []barrier

	seed   uint64
	tokens uint64
	waits  map[uint64]stored // by token
	out    PeerEffects
}

// stored is what to do when the disk has done a record that is no append; term
// is the role that asked for it, or always.
type stored struct {
	term uint64
	do   func(*PeerEvent)
}

func newPeer(cfg *Config) *peer {
	e := cfg.Ensemble
	next := e.Next
	if next != nil && (!cfg.ReconfigEnabled || next.Version <= e.Current.Version) {
		next = nil
	}
	var oracle *zab.Oracle
	if e.Oracle {
		oracle = new(zab.Oracle)
	}
	return &peer{
		oracle: oracle,
		cfg:    e, self: cfg.ServerID, current: e.Current, next: next, observer: e.Observer,
		accepted: e.AcceptedEpoch, epoch: e.CurrentEpoch, seed: cfg.Seed ^ uint64(cfg.ServerID),
		revalidating: map[int64][]revalidation{}, waits: map[uint64]stored{},
		election: zab.NewElection(zab.ElectionOptions{
			Self: cfg.ServerID, Observer: e.Observer, Reconfig: cfg.ReconfigEnabled,
			MinInterval: e.MinNotification, MaxInterval: e.MaxNotification, FinalizeWait: e.FinalizeWait, Hurry: e.Hurry, Oracle: oracle,
		}, e.Current, next),
	}
}

// State is what this server does: Leading for one that is alone. It only reads.
func (r *Replica) State() wire.PeerState {
	switch {
	case r.peer == nil || r.leader != nil:
		return wire.Leading
	case r.peer.learner == nil:
		return wire.Looking
	case r.peer.observer:
		return wire.Observing
	}
	return wire.Following
}

// Serving says whether clients are served. It only reads.
func (r *Replica) Serving() bool { return r.serving }

// Deadline is the time, on the clock of Time.Mono, by which the next Tick has
// to come at the latest. It only reads.
func (r *Replica) Deadline() int64 {
	switch p := r.peer; {
	case p == nil || p.learner != nil || r.leader != nil || p.lookDue:
		return zab.NoDeadline
	case p.lookAt != 0:
		return p.lookAt
	default:
		return p.election.Deadline()
	}
}

// beginStep begins the first election.
func (r *Replica) beginStep() {
	p := r.peer
	if !p.looked {
		p.looked, p.lookingSince = true, r.now.Mono
		r.look()
	}
}

// look begins an election with the history in the log.
func (r *Replica) look() {
	p := r.peer
	p.lookAt, p.appointed = 0, nil
	r.stats.Peer.Looks++
	h := zab.History{Zxid: r.lastLogged(), Epoch: p.epoch}
	if p.cfg.Uninitialised && !p.uninitDone {
		h.Zxid = -1
	}
	r.voted(p.election.Look(r.now.Mono, h))
}

// voted carries out what the election asks for.
func (r *Replica) voted(out zab.Effects) {
	p := r.peer
	if out.Adopt != nil {
		r.activate(out.Adopt.Config, nil, 0)
		r.configured(false, out.Adopt.Restart)
	}
	p.out.Votes = append(p.out.Votes, out.Send...)
	p.out.Reconnect = p.out.Reconnect || out.Reconnect
	switch {
	case out.Decided != nil:
		r.decided(out.Decided)
	case out.Adopt != nil && out.Adopt.Restart:
		r.look()
	}
}

// decided takes the role that the election gives.
func (r *Replica) decided(d *zab.Decision) {
	p := r.peer
	r.endReadOnly()
	p.term++
	p.supporters, p.decidedAt = d.Supporters, r.now.Mono
	r.note("the election is over", "state", d.State, "leader", d.Vote.Leader, "zxid", hexZxid(d.Vote.Zxid),
		"peer_epoch", d.Vote.PeerEpoch, "round", d.Vote.Round, "supporters", d.Supporters)
	change := RoleChange{State: d.State, Leader: d.Vote.Leader, Term: p.term}
	change.Member, _ = p.current.Member(d.Vote.Leader)
	p.out.Roles = append(p.out.Roles, change)
	h := zab.History{Zxid: r.lastLogged(), Epoch: p.epoch}
	if d.State == wire.Leading {
		r.fastForward()
		r.leader = zab.NewLeader(zab.LeaderOptions{
			Self: p.self, TickTime: r.cfg.TickTime, InitLimit: p.cfg.InitLimit, SyncLimit: p.cfg.SyncLimit, Oracle: p.oracle,
			Last: r.cfg.Limits.Epoch,
		}, zab.NewQuorums(p.current, p.next), h, p.accepted, r.now.Mono)
		r.led()
		return
	}
	p.learner = zab.NewLearner(zab.LearnerOptions{
		Self: p.self, Observer: d.State == wire.Observing, InitLimit: p.cfg.InitLimit, SyncLimit: p.cfg.SyncLimit,
	}, d.Vote.Leader, h, p.accepted, r.now.Mono)
	p.committed, p.method, p.syncBegan = 0, "", r.now.Mono
	p.syncTxns, p.syncBytes = 0, 0
}

// fastForward applies all that is logged, as a leader's history is committed
// with it or not at all, and a learner's is the leader's
// (ZKDatabase.fastForwardDataBase).
func (r *Replica) fastForward() { r.catchUp(r.lastLogged()) }

// catchUp is commitTo for what is no part of the broadcast: how long its
// transactions have taken says nothing.
func (r *Replica) catchUp(zxid int64) {
	n := len(r.fx.Ages)
	r.commitTo(zxid)
	r.fx.Ages = r.fx.Ages[:n]
}

// leave ends the present role and looks for a leader again. What is in flight
// stays in the log; clients wait for a while (suspend).
func (r *Replica) leave(why string) {
	p := r.peer
	p.term++
	p.failures++
	if r.serving {
		p.failures = 0
	}
	r.warn("leaving the role", "state", r.State(), "reason", why)
	r.leader, p.learner, p.master, p.link, r.serving = nil, nil, nil, 0, false
	p.lookingSince = r.now.Mono
	r.suspend()
	// What is held is not in the log and will never be.
	for i := range p.held {
		if p.held[i].Op == Append {
			r.inflight = r.inflight[:len(r.inflight)-1]
		}
	}
	for i := r.inflightHead; i < len(r.inflight); i++ {
		r.inflight[i].origin, r.inflight[i].sess, r.inflight[i].fresh = nil, nil, false
	}
	r.pending = newPendingTable()
	for id, s := range r.sessions.byID {
		s.touched = false
		if s.local {
			continue
		}
		s.closing = false
		r.sessions.unlink(s) // only a leader lets it expire
		if !s.committed {
			delete(r.sessions.byID, id)
		}
	}
	p.syncs, p.touched, p.barriers = nil, nil, nil
	clear(p.revalidating)
	p.loading, p.newLeader, p.offered = false, false, nil
	p.held, p.stamps = nil, p.stamps[:0]
	p.out.Roles = append(p.out.Roles, RoleChange{State: wire.Looking, Why: why, Term: p.term})
	if p.changing {
		// What the memory holds is not what the disk holds: it must not be voted
		// with.
		p.lookDue, p.appointed = true, nil
		return
	}
	r.lookAgain()
}

// lookPause is the wait, in ms, before the next election after the second role
// in a row that came to nothing; it doubles up to maxLookPause. Without it a
// server that cannot follow would ask for elections all the time.
const (
	lookPause    = 20
	maxLookPause = 1000
)

// lookAgain begins the next election, at once or after a pause, or takes the
// role that there is without one.
func (r *Replica) lookAgain() {
	p := r.peer
	if p.appointed != nil {
		r.appoint()
		return
	}
	wait := int64(0)
	if p.failures >= 2 {
		wait = min(int64(lookPause)<<min(p.failures-2, 10), maxLookPause)
	}
	if p.observer {
		wait += p.random(p.cfg.ElectionDelay)
	}
	if wait == 0 {
		r.look()
		return
	}
	p.lookAt = r.now.Mono + wait
}

// random is a number below n, 0 for none: a seed gives one run.
func (p *peer) random(n int64) int64 {
	if n <= 0 {
		return 0
	}
	p.seed = p.seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
	return int64(p.seed>>33) % n
}

// store asks the disk for something that is no append; done is called when it
// is done, unless the role has changed meanwhile.
func (r *Replica) store(rec Record, done func(*PeerEvent)) {
	p := r.peer
	p.tokens++
	rec.Token = p.tokens
	p.waits[rec.Token] = stored{p.term, done}
	r.fx.Append = append(r.fx.Append, rec)
}

// always is the term of what is to be done whatever the role is by then.
const always = 0

// change is store for what replaces what the disk holds: done is always called.
func (r *Replica) change(rec Record, done func(*PeerEvent)) {
	r.store(rec, done)
	w := r.peer.waits[r.peer.tokens]
	w.term = always
	r.peer.waits[r.peer.tokens] = w
}

// peerEvent takes the events of a member of an ensemble.
func (r *Replica) peerEvent(e *Event) {
	p, ev := r.peer, e.Peer
	switch e.Kind {
	case Vote:
		r.voted(p.election.Receive(r.now.Mono, ev.From, ev.Vote))
		if r.leader != nil && r.forsaken(ev.From, ev.Vote) {
			r.stats.Peer.Forsaken++
			r.leave("a server that had elected this one looks for another leader")
		}
	case Reach:
		r.voted(p.election.Lost(ev.From, ev.Lost))
	case Consulted:
		r.consulted(ev.Grants)
	case HandOver:
		r.beginHandOver(ev.Leaving)
	case LinkUp:
		r.linkUp(ev.Link, ev.Term)
	case LinkDown:
		if ev.Link != 0 || ev.Term == p.term {
			r.linkDown(ev.Link, ev.Why)
		}
	case Packets:
		r.packets(ev)
	case Progress:
		if p.learner != nil && ev.Link == p.link {
			p.learner.Heard(r.now.Mono)
		} else if h := r.host(); h != nil {
			h.Progress(r.now.Mono, ev.Link)
		}
	case Stored:
		w, ok := p.waits[ev.Token]
		delete(p.waits, ev.Token)
		if ok && (w.term == p.term || w.term == always) {
			w.do(ev)
		}
	case Received:
		r.snapshotReceived(ev)
	case Searched:
		r.searched(ev)
	}
}

// forsaken says that a leader that has no quorum yet need not wait for it: a
// server whose vote it was elected with looks for a leader in a later round, or
// still does after a while (Leader.maxTimeToWaitForEpoch of Apache's server,
// where it is off unless configured).
func (r *Replica) forsaken(from int64, v *wire.Notification) bool {
	p := r.peer
	if v.State != wire.Looking || !r.leader.Discovering() || !slices.Contains(p.supporters, from) {
		return false
	}
	return v.Round > p.election.Vote().Round || r.now.Mono-p.decidedAt >= forsakenAfter
}

// forsakenAfter is how long, in ms, a vote of the same round may be under way.
const forsakenAfter = 500

func (r *Replica) linkUp(link zab.LinkID, term uint64) {
	p := r.peer
	switch {
	case term != p.term:
		p.out.CloseLinks = append(p.out.CloseLinks, zab.Refusal{Link: link, Why: "the role for which it was made is over"})
	case r.leader != nil:
		r.leader.LinkUp(r.now.Mono, link)
	case p.learner != nil && p.link == 0:
		p.link = link
		p.learner.LinkUp(r.now.Mono, p.current.Version)
	case p.master != nil:
		p.master.LinkUp(r.now.Mono, link)
	default:
		p.out.CloseLinks = append(p.out.CloseLinks, zab.Refusal{Link: link, Why: "this server does not lead"})
	}
}

func (r *Replica) linkDown(link zab.LinkID, why string) {
	p := r.peer
	switch {
	case r.leader != nil:
		if k := r.leader.Learner(link); k != nil {
			r.warnOf(link, "a learner is gone", "server", k.SID, "reason", why)
			r.leader.LinkDown(r.now.Mono, link)
			r.recount()
			r.led()
			r.cede()
		}
	case p.learner != nil && link == p.link:
		if link == 0 {
			why = "the leader cannot be reached: " + why
		} else {
			why = "the connection to the leader is gone: " + why
		}
		p.learner.LinkDown(why)
		r.learned()
	case p.master != nil:
		if k := p.master.Learner(link); k != nil {
			r.warnOf(link, "an observer is gone", "server", k.SID, "reason", why)
			p.master.LinkDown(r.now.Mono, link)
			r.mastered()
		}
	}
}

// lastSeen is the newest configuration that this server knows.
func (r *Replica) lastSeen() *ensemble.Membership {
	if r.peer.next != nil {
		return r.peer.next
	}
	return r.peer.current
}

// peerTick lets time pass for the role.
func (r *Replica) peerTick() {
	p := r.peer
	if r.leader != nil && r.leader.HandingOver() && r.now.Mono-p.suspendedAt > r.cfg.TickTime/2 {
		r.leave("the leadership is handed over, although nobody holds everything that was proposed")
	}
	if r.suspended && r.now.Mono-p.suspendedAt > r.cfg.TickTime {
		r.closeAll("the server has lost its quorum")
	}
	switch {
	case r.leader != nil:
		r.leader.Tick(r.now.Mono)
		r.recount()
		r.led()
		r.cede()
	case p.learner != nil:
		p.learner.Tick(r.now.Mono)
		r.learned()
		if p.master != nil {
			p.master.Tick(r.now.Mono)
			r.mastered()
		}
	case p.lookAt != 0 && r.now.Mono >= p.lookAt:
		r.look()
	case p.looked && !p.lookDue && p.lookAt == 0:
		r.voted(p.election.Tick(r.now.Mono, true))
	}
	r.mayServeReadOnly()
}

// consulted takes the word of the oracle.
func (r *Replica) consulted(grants bool) {
	p := r.peer
	if p.oracle == nil || p.oracle.Grants == grants {
		return
	}
	p.oracle.Grants = grants
	r.note("the oracle has spoken", "may_go_on_alone", grants)
	switch {
	case r.leader != nil:
		r.recount()
		r.led()
	case p.learner == nil && p.looked && !p.lookDue && p.lookAt == 0:
		r.voted(p.election.Consulted(r.now.Mono))
	}
}

// recount applies what the oracle makes committed.
func (r *Replica) recount() {
	if r.peer.oracle != nil && r.leads() && r.leader.Recount() {
		r.commitAll()
	}
}

// endStep collects which connections have something to say.
func (r *Replica) endStep() {
	p := r.peer
	r.endHandOver()
	if r.leads() && r.leader.Full() {
		r.leave("the zxids of the epoch are used up; the next leader begins another")
	}
	if h := r.host(); h != nil {
		for _, k := range h.Learners() {
			if len(k.Out) > 0 {
				p.out.Links = append(p.out.Links, k.Link)
			}
		}
	}
	if p.learner != nil && len(p.learner.Sent) > 0 {
		p.out.Links = append(p.out.Links, p.link)
	}
	r.fx.Ensemble, p.out = p.out, r.fx.Ensemble
}

// DrainLink moves the packets for a connection to the end of dst.
func (r *Replica) DrainLink(link zab.LinkID, dst []byte) []byte {
	out := (*[]byte)(nil)
	if p := r.peer; p.learner != nil && p.link == link {
		out = &p.learner.Sent
	} else if h := r.host(); h != nil {
		if k := h.Learner(link); k != nil {
			out, k.Queued = &k.Out, 0
		}
	}
	if out == nil {
		return dst
	}
	dst = append(dst, *out...)
	if *out = (*out)[:0]; cap(*out) > maxKeptLink {
		*out = nil
	}
	return dst
}

// maxKeptLink is the largest buffer, in bytes, that a connection between
// servers keeps while it has nothing to say.
const maxKeptLink = 1 << 20

func (r *Replica) note(text string, args ...any) {
	r.peer.out.Notes = append(r.peer.out.Notes, Note{Text: text, Args: args})
}

func (r *Replica) warn(text string, args ...any) {
	r.peer.out.Notes = append(r.peer.out.Notes, Note{Warn: true, Text: text, Args: args})
}

// warnOf is warn for a line about whoever is at the other end of a connection.
func (r *Replica) warnOf(link zab.LinkID, text string, args ...any) {
	r.peer.out.Notes = append(r.peer.out.Notes, Note{Warn: true, Text: text, Args: args, Link: link})
}

func (r *Replica) fatal(code int, format string, args ...any) {
	r.peer.out.Fatal = &Fatal{code, fmt.Sprintf(format, args...)}
	r.serving, r.readOnly = false, false
}

func hexZxid(zxid int64) string { return fmt.Sprintf("0x%x", uint64(zxid)) }
