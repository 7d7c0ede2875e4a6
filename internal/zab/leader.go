// Package zab is ZooKeeper's atomic broadcast as state machines: who leads,
// which zxid comes next, who has acknowledged what, and what is thereby
// committed.
//
// It stands between the preparation of a transaction and its application
// (package replica calls both sides) and must never do I/O, read a clock or
// know what a transaction says. Election is how servers find their leader;
// Leader and Learner are the two sides of discovery, synchronisation and
// broadcast; Quorum and Quorums say who has to agree; ChooseSync says what a
// learner lacks.
//
// Source: Junqueira, Reed, Serafini, "Zab: High-performance broadcast for
// primary-backup systems", DSN 2011; Leader, LearnerHandler, Learner and
// FastLeaderElection of Apache's server.
package zab

import (
	"bytes"
	"cmp"
	"fmt"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Zxid is a transaction id: epoch in the upper, counter in the lower 32 bits.
type Zxid = int64

// EpochOf returns the epoch of a zxid.
func EpochOf(zxid Zxid) int64 { return int64(uint64(zxid) >> 32) }

// CounterOf returns the counter of a zxid.
func CounterOf(zxid Zxid) uint32 { return uint32(zxid) }

// EpochStart is the zxid with which an epoch begins: no transaction has it.
func EpochStart(epoch int64) Zxid { return epoch << 32 }

// LastCounter is the last counter that is handed out: with the next one the
// epoch is used up, and a new leader has to begin another
// (Leader.propose, ZOOKEEPER-1277).
const LastCounter = 1<<32 - 2

// LinkID names a connection between a learner and its leader. A number is used
// once, so that what belongs to a broken connection is told from the next one.
type LinkID uint32

// LeaderOptions say who leads and how patient it is; times in ms.
type LeaderOptions struct {
	Self      int64 // server id
	TickTime  int64
	InitLimit int64 // to find a quorum of learners, and for one to synchronise
	SyncLimit int64 // of silence of a learner that has synchronised
	Oracle    *Oracle
	// Last is the last counter of an epoch, 0 for LastCounter.
	Last uint32
}

// The phases of a leader.
type leaderPhase uint8

const (
	discovering   leaderPhase = iota // who follows, and which epoch is new
	acknowledging                    // the epoch is fixed and stored; who accepts it
	synchronising                    // learners get what they lack
	broadcasting
	over
)

// Leader is a leader from the end of its election to the end of its rule
// (Leader and LearnerHandler of Apache's server). Each method may leave
// something to do in Out.
type Leader struct {
	opt      LeaderOptions
	quorums  *Quorums        // that hold now
	rules    []rule          // that proposals go by, see tally.go; oldest first
	reconfig Zxid            // the reconfiguration under way, 0 for none
	ceded    bool            // another server leads from the last commit on
	handing  bool            // another server is to lead, see HandOver
	ahead    map[int64]int64 // since when voters have been seen that accepted a newer epoch
	master   bool            // a follower that has observers, see NewMaster
	own      History
	phase    leaderPhase
	deadline int64 // of the phase

	accepted                         int64 // the newest epoch that somebody has accepted
	epoch                            int64 // of this leader, once fixed
	introduced, acknowledged, synced map[int64]bool

	learners []*LearnerLink
	nextPing int64
	judgedAt int64

	proposed  Zxid
	committed Zxid
	durable   Zxid // in the own log

	// Out is what the caller has to do, in the order of the fields; it takes
	// it with Take.
	out LeaderOut
}

// LeaderOut is what a Leader asks for. A zero field asks for nothing.
type LeaderOut struct {
	// SaveAccepted and SaveCurrent are epochs to make durable, each after all
	// that is on its way to the disk. EpochSaved reports it.
	SaveAccepted, SaveCurrent int64
	// Sync are learners that are to get what they lack: for each the caller
	// queues it and calls Synchronise.
	Sync []*LearnerLink
	// Established says that a quorum has synchronised: the history that the
	// leader began with is committed, and broadcast begins. The caller then
	// calls Welcome.
	Established bool
	// Refused are connections to close.
	Refused []Refusal
	// GiveUp ends the leadership, for the reason that it gives.
	GiveUp string
}

// A Refusal is a connection to close, and why.
type Refusal struct {
	Link   LinkID
	Server int64 // id of the learner, 0 as long as it is not known
	Why    string
}

// LearnerLink is one learner as its leader sees it (LearnerHandler).
type LearnerLink struct {
	Link     LinkID
	SID      int64
	Observer bool
	// Protocol and ConfigVersion are what the learner said of itself.
	Protocol      int32
	ConfigVersion int64
	// Zxid and Epoch are the history that it acknowledged the epoch with.
	Zxid  Zxid
	Epoch int64
	// Method is how it is brought up to date, once that is decided; the caller
	// sets it.
	Method SyncMethod
	// Queued is how many packets are in Out; the caller sets it back.
	Queued int
	// Out are the packets that are not yet handed to the shell.
	Out []byte

	phase    linkPhase
	acked    Zxid
	deadline int64 // when silence means that it is gone
	heard    int64 // when it was, the last time, once it is in sync
	waiting  *claim
	// The oldest proposal that is timed, and since when.
	timed      Zxid
	timedSince int64
}

// claim is an introduction that waits for what becomes of another connection in
// the same name.
type claim struct {
	since, sid    int64
	packet        wire.QuorumPacket
	configVersion int64
}

type linkPhase uint8

const (
	connected linkPhase = iota
	waitsForEpoch
	offered      // LEADERINFO is sent
	acceptsEpoch // ACKEPOCH has come
	syncing      // gets what it lacks and all live traffic
	inSync       // has acknowledged NEWLEADER
	serving      // UPTODATE is sent
)

// NewLeader returns a leader in discovery: it was elected with history h and
// has accepted an epoch before.
func NewLeader(o LeaderOptions, q *Quorums, h History, accepted, now int64) *Leader {
	l := &Leader{opt: o, quorums: q, rules: []rule{{q: q}}, own: h, accepted: accepted, deadline: now + o.InitLimit,
		introduced: map[int64]bool{o.Self: true}, acknowledged: map[int64]bool{}, synced: map[int64]bool{},
		proposed: h.Zxid, committed: h.Zxid, durable: h.Zxid}
	l.discover()
	return l
}

// Alone returns the leader of an ensemble of one, which broadcasts at once and
// in the epoch that it finds.
func Alone(self int64, q *Quorums, last Zxid) *Leader {
	return &Leader{opt: LeaderOptions{Self: self}, quorums: q, rules: []rule{{q: q}}, phase: broadcasting,
		proposed: last, committed: last, durable: last, epoch: EpochOf(last)}
}

// NewMaster returns the side of a follower that observers learn from, instead of
// the leader (ObserverMaster): it serves in the epoch of its own leader, and has
// committed everything up to last. It proposes nothing and counts nobody.
func NewMaster(o LeaderOptions, q *Quorums, epoch int64, last Zxid) *Leader {
	return &Leader{opt: o, quorums: q, master: true, phase: broadcasting, epoch: epoch, proposed: last, committed: last}
}

// Reconfigured tells a master which servers are members from now on.
func (l *Leader) Reconfigured(q *Quorums) { l.quorums = q }

// Informed says that a master has sent its observers everything up to zxid.
func (l *Leader) Informed(zxid Zxid) { l.proposed, l.committed = zxid, zxid }

// Take returns what is to do and forgets it.
func (l *Leader) Take() LeaderOut {
	out := l.out
	l.out = LeaderOut{}
	return out
}

// Epoch is the epoch of the leader, 0 until it is fixed.
func (l *Leader) Epoch() int64 { return l.epoch }

// Stage says how far a leader or learner is (QuorumPeer.ZabState).
type Stage uint8

// The stages: the epoch is being agreed on, learners get what they lack, and
// proposals are made.
const (
	StageDiscovery Stage = iota
	StageSync
	StageBroadcast
)

// Stage says how far the leader is.
func (l *Leader) Stage() Stage {
	switch l.phase {
	case synchronising:
		return StageSync
	case broadcasting:
		return StageBroadcast
	}
	return StageDiscovery
}

// Broadcasting says whether the leader may propose.
func (l *Leader) Broadcasting() bool { return l.phase == broadcasting }

// Discovering says whether the leader still looks for a quorum of learners.
func (l *Leader) Discovering() bool { return l.phase == discovering }

// Learners are the learners that are connected, in the order in which they
// came.
func (l *Leader) Learners() []*LearnerLink { return l.learners }

// Learner returns the learner of a connection, nil for none.
func (l *Leader) Learner(link LinkID) *LearnerLink {
	for _, k := range l.learners {
		if k.Link == link {
			return k
		}
	}
	return nil
}

// LinkUp takes a new connection of a learner.
func (l *Leader) LinkUp(now int64, link LinkID) *LearnerLink {
	k := &LearnerLink{Link: link, deadline: now + l.opt.InitLimit}
	l.learners = append(l.learners, k)
	return k
}

// LinkDown forgets a learner whose connection is gone.
func (l *Leader) LinkDown(now int64, link LinkID) {
	l.forget(link)
	l.settle(now)
}

func (l *Leader) forget(link LinkID) {
	for i, k := range l.learners {
		if k.Link == link {
			l.learners = append(l.learners[:i], l.learners[i+1:]...)
			return
		}
	}
}

func (l *Leader) refuse(k *LearnerLink, format string, args ...any) {
	l.out.Refused = append(l.out.Refused, Refusal{k.Link, k.SID, fmt.Sprintf(format, args...)})
	l.forget(k.Link)
}

func (l *Leader) giveUp(format string, args ...any) {
	if l.phase != over {
		l.phase = over
		l.out.GiveUp = fmt.Sprintf(format, args...)
	}
}

// Packet takes a packet of the rules of this package: FOLLOWERINFO,
// OBSERVERINFO, ACKEPOCH and ACK. configVersion is that of the leader's
// configuration. It returns whether ACKs may have moved Committed.
func (l *Leader) Packet(now int64, k *LearnerLink, p *wire.QuorumPacket, configVersion int64) (acked bool) {
	l.Heard(now, k)
	switch p.Type {
	case wire.PacketFollowerInfo, wire.PacketObserverInfo:
		l.introduce(now, k, p, configVersion)
	case wire.PacketAckEpoch:
		l.ackEpoch(k, p)
	case wire.PacketAck:
		return l.ack(now, k, p.Zxid)
	}
	return false
}

// Heard notes that a learner lives.
func (l *Leader) Heard(now int64, k *LearnerLink) {
	if k.phase >= inSync {
		k.deadline, k.heard = now+l.opt.SyncLimit, now
	}
}

// Progress notes that a learner that is not in sync yet takes what it is sent,
// so that a large snapshot does not fail by its size alone.
func (l *Leader) Progress(now int64, link LinkID) {
	if k := l.Learner(link); k != nil && k.phase < inSync {
		k.deadline = now + l.opt.InitLimit
		if l.phase == synchronising {
			l.deadline = max(l.deadline, k.deadline)
		}
	}
}

// MaxStrangers is how many learners may have ids that no configuration has. They
// join before a reconfiguration adds them, or observe without ever being added;
// whoever they are they must not cost more than that. The election port, which
// they come from, lets in as many.
const MaxStrangers = 64

func (l *Leader) introduce(now int64, k *LearnerLink, p *wire.QuorumPacket, configVersion int64) {
	var info wire.LearnerInfo
	accepted := acceptedEpoch(p)
	switch err := info.Decode(p.Data); {
	case k.phase != connected || k.waiting != nil:
		l.refuse(k, "it introduced itself twice")
		return
	case err == wire.ErrNoLearnerInfo:
		l.refuse(k, "it does not say who it is: servers before ZooKeeper 3.4 are not supported")
		return
	case err != nil:
		l.refuse(k, "its introduction cannot be read: %v", err)
		return
	case info.ProtocolVersion < wire.LearnerProtocol:
		l.refuse(k, "server %d speaks version 0x%x of the learner protocol, older than ZooKeeper 3.4", info.SID, info.ProtocolVersion)
		return
	case info.SID == l.opt.Self:
		l.refuse(k, "it has the server id %d, which is the leader's own: two servers have the same myid", info.SID)
		return
	case info.ConfigVersion > configVersion:
		l.refuse(k, "server %d knows configuration 0x%x, newer than the leader's 0x%x", info.SID, info.ConfigVersion, configVersion)
		return
	case l.master && p.Type != wire.PacketObserverInfo:
		l.refuse(k, "server %d does not observe, and only observers learn from a follower", info.SID)
		return
	case accepted >= lastEpoch:
		l.refuse(k, "server %d says that it has accepted epoch %d, behind which there is no other: look at its file acceptedEpoch", info.SID, accepted)
		return
	case l.alive(now, info.SID):
		k.waiting = &claim{now, info.SID, *p, configVersion}
		k.waiting.packet.Data = bytes.Clone(p.Data) // which is only lent
		return
	case !l.quorums.Member(info.SID) && l.strangers(info.SID) >= MaxStrangers:
		l.refuse(k, "server %d is not in the configuration, and %d others learn that are not either: add those that belong here by reconfig, "+
			"or look who else connects to this port", info.SID, MaxStrangers)
		return
	}
	k.SID, k.Protocol, k.ConfigVersion = info.SID, info.ProtocolVersion, info.ConfigVersion
	k.Observer = p.Type == wire.PacketObserverInfo
	for _, other := range l.learners {
		if other != k && other.phase != connected && other.SID == k.SID {
			l.refuse(other, "server %d has connected again", k.SID)
			break
		}
	}
	k.phase = waitsForEpoch
	if l.phase == discovering && l.counts(k) {
		l.accepted = max(l.accepted, accepted)
		l.introduced[k.SID] = true
		l.discover()
	}
	if l.phase > discovering && l.phase != over {
		l.offer(now, k, accepted)
	}
}

// lastEpoch is the largest epoch that ACKEPOCH has room for.
const lastEpoch = 1<<31 - 1

// acceptedEpoch is the epoch of an introduction: -1 if the server has accepted
// none.
func acceptedEpoch(p *wire.QuorumPacket) int64 { return p.Zxid >> 32 }

// alive says whether a learner of this id is in sync and was heard within the
// last tick: it is pinged twice a tick. One that lives must not lose its place to
// another server of its id. Apache's server keeps both, and lets both
// acknowledge in one name.
func (l *Leader) alive(now, id int64) bool {
	for _, k := range l.learners {
		if k.SID == id && k.InSync() && now-k.heard < l.opt.TickTime {
			return true
		}
	}
	return false
}

// settle goes on with those who wait in a name that another connection has. A
// server that has left that one for the new one is let in as soon as the end of
// the old one is known, or it is silent for a tick; for one that goes on
// speaking there are two servers.
func (l *Leader) settle(now int64) {
	for _, k := range append([]*LearnerLink(nil), l.learners...) {
		c := k.waiting
		if c == nil || l.Learner(k.Link) != k {
			continue
		}
		if !l.alive(now, c.sid) {
			k.waiting = nil
			l.introduce(now, k, &c.packet, c.configVersion)
		} else if now-c.since >= l.opt.TickTime*3/2 {
			l.refuse(k, "server %d is connected already, and that connection lives: two servers have the same myid", c.sid)
		}
	}
}

// Stranger says whether a learner has an id that no configuration has.
func (l *Leader) Stranger(k *LearnerLink) bool {
	return k.phase != connected && !l.quorums.Member(k.SID)
}

// strangers counts those beside a server, which takes its own former place.
func (l *Leader) strangers(but int64) int {
	n := 0
	for _, k := range l.learners {
		if k.SID != but && l.Stranger(k) {
			n++
		}
	}
	return n
}

// discover fixes the epoch once a quorum has said which epochs it has accepted
// (Leader.getEpochToPropose).
func (l *Leader) discover() {
	if l.phase != discovering || l.epoch != 0 || !l.reach(l.quorums, func(id int64) bool { return l.introduced[id] }) {
		return
	}
	if l.accepted >= lastEpoch { // the own one: learners with it are refused
		l.giveUp("this server has accepted epoch %d, behind which there is no other: look at its file acceptedEpoch", l.accepted)
		return
	}
	l.epoch = l.accepted + 1
	l.out.SaveAccepted = l.epoch
}

// EpochSaved says that an epoch that was to be saved is durable: SaveAccepted
// if accepted, SaveCurrent otherwise.
func (l *Leader) EpochSaved(now int64, accepted bool) {
	switch {
	case accepted && l.phase == discovering:
		l.phase, l.deadline = acknowledging, now+l.opt.InitLimit
		l.acknowledged[l.opt.Self] = true
		for _, k := range append([]*LearnerLink(nil), l.learners...) {
			if k.phase == waitsForEpoch {
				l.offer(now, k, 0)
			}
		}
		l.acceptedBy()
	case !accepted && l.phase == synchronising:
		l.synced[l.opt.Self] = true
		l.durable = max(l.durable, l.own.Zxid)
		l.establish(now)
	}
}

// offer sends LEADERINFO.
func (l *Leader) offer(now int64, k *LearnerLink, accepted int64) {
	if accepted > l.epoch {
		// It would refuse by itself, as a newer epoch has begun somewhere.
		l.refuse(k, "server %d has accepted epoch %d, newer than the leader's %d", k.SID, accepted, l.epoch)
		if l.Votes(k) && !l.master && now-l.aheadSince(now, k.SID) >= l.opt.InitLimit {
			// It can never follow this leader, as a later one had begun with its
			// consent. The next one takes it along; Apache's server leaves it
			// outside until somebody restarts. Whoever says so once, in a name
			// that is not his, must not end a leadership.
			l.giveUp("server %d cannot follow, since it has accepted epoch %d, newer than the own %d", k.SID, accepted, l.epoch)
		}
		return
	}
	delete(l.ahead, k.SID)
	k.phase = offered
	version := jute.AppendInt(nil, wire.LearnerProtocol)
	k.send(&wire.QuorumPacket{Type: wire.PacketLeaderInfo, Zxid: EpochStart(l.epoch), Data: version})
}

// aheadSince is when a server was first seen to have accepted a newer epoch.
func (l *Leader) aheadSince(now, id int64) int64 {
	if l.ahead == nil {
		l.ahead = map[int64]int64{}
	}
	if _, known := l.ahead[id]; !known {
		l.ahead[id] = now
	}
	return l.ahead[id]
}

// ackEpoch takes the history of a learner, which must not be ahead of the
// leader's: it was elected for having the newest of a quorum
// (Leader.waitForEpochAck).
func (l *Leader) ackEpoch(k *LearnerLink, p *wire.QuorumPacket) {
	d := jute.NewDecoder(p.Data)
	epoch := int64(d.Int())
	if d.Err() != nil || k.phase != offered {
		l.refuse(k, "ACKEPOCH of server %d out of order or without an epoch", k.SID)
		return
	}
	k.phase, k.Zxid, k.Epoch = acceptsEpoch, p.Zxid, epoch
	if l.phase == acknowledging && epoch != -1 && l.counts(k) {
		if epoch > l.own.Epoch || epoch == l.own.Epoch && p.Zxid > l.own.Zxid {
			l.giveUp("server %d is ahead: its history ends at 0x%x of epoch %d, the own one at 0x%x of epoch %d",
				k.SID, uint64(p.Zxid), epoch, uint64(l.own.Zxid), l.own.Epoch)
			return
		}
		l.acknowledged[k.SID] = true
		l.acceptedBy()
		return
	}
	if l.phase >= synchronising && l.phase != over {
		l.out.Sync = append(l.out.Sync, k)
	}
}

// acceptedBy begins the synchronisation once a quorum accepts the epoch.
func (l *Leader) acceptedBy() {
	if l.phase != acknowledging || !l.reach(l.quorums, func(id int64) bool { return l.acknowledged[id] }) {
		return
	}
	l.phase = synchronising
	l.out.SaveCurrent = l.epoch
	l.proposed = EpochStart(l.epoch)
	for _, k := range l.learners {
		if k.phase == acceptsEpoch {
			l.out.Sync = append(l.out.Sync, k)
		}
	}
}

// Synchronise says that what the learner lacks is queued: it gets NEWLEADER,
// with the text of the configuration, and all live traffic from now on.
func (l *Leader) Synchronise(now int64, k *LearnerLink, config []byte) {
	k.phase, k.deadline = syncing, now+l.opt.InitLimit
	k.acked = l.committed
	k.send(&wire.QuorumPacket{Type: wire.PacketNewLeader, Zxid: EpochStart(l.epoch), Data: config})
}

// Votes says whether the voice of a learner counts. One that follows without
// being a voter, a joiner or one that was removed, is heard in vain.
func (l *Leader) Votes(k *LearnerLink) bool { return !k.Observer && l.quorums.Voter(k.SID) }

// counts says whether a learner counts while the leader becomes one. It may still
// observe: a reconfiguration that is being committed, or was only logged here,
// makes it a voter, and it will know when the leader is established. What it
// says is durable all the same (Leader.isParticipant).
func (l *Leader) counts(k *LearnerLink) bool { return l.quorums.Voter(k.SID) }

// Forwarding says whether a learner gets live traffic.
func (k *LearnerLink) Forwarding() bool { return k.phase >= syncing }

// InSync says whether a learner has synchronised.
func (k *LearnerLink) InSync() bool { return k.phase >= inSync }

// Send queues a packet.
func (k *LearnerLink) Send(p *wire.QuorumPacket) { k.send(p) }

func (k *LearnerLink) send(p *wire.QuorumPacket) {
	k.Out = p.Append(k.Out)
	k.Queued++
}

// ack takes an acknowledgement: the first after the synchronisation is that of
// NEWLEADER, later ones are of proposals; those with counter 0 say nothing.
func (l *Leader) ack(now int64, k *LearnerLink, zxid Zxid) bool {
	switch {
	case k.phase < syncing:
		l.refuse(k, "ACK of 0x%x before its synchronisation", uint64(zxid))
	case k.phase == syncing:
		if zxid != EpochStart(l.epoch) {
			l.refuse(k, "its first ACK is of 0x%x and not of NEWLEADER 0x%x", uint64(zxid), uint64(EpochStart(l.epoch)))
			return false
		}
		k.phase, k.deadline, k.heard = inSync, now+l.opt.InitLimit+l.opt.SyncLimit, now
		k.acked = max(k.acked, zxid) // all that this epoch began with
		if l.counts(k) {
			l.synced[k.SID] = true
		}
		if l.phase == broadcasting {
			l.welcome(k)
		} else {
			l.establish(now)
		}
	case CounterOf(zxid) != 0 && l.master:
		l.refuse(k, "ACK of 0x%x by an observer", uint64(zxid))
	case CounterOf(zxid) != 0 && !k.Observer:
		return l.acknowledge(k, zxid)
	}
	return false
}

// establish begins the broadcast once a quorum has synchronised. A leader that
// stood still may find the acknowledgements of learners that have followed
// another one since: what has taken too long is over, whoever is heard first,
// they or the clock.
func (l *Leader) establish(now int64) {
	if l.phase != synchronising || !l.reach(l.quorums, func(id int64) bool { return l.synced[id] }) {
		return
	}
	if now >= l.deadline && l.opt.TickTime != 0 {
		l.giveUp("a quorum has synchronised, but not within initLimit")
		return
	}
	l.phase = broadcasting
	l.proposed, l.committed = EpochStart(l.epoch), EpochStart(l.epoch)
	l.durable = max(l.durable, l.committed)
	l.out.Established = true
}

// Welcome sends UPTODATE to every learner that is in sync.
func (l *Leader) Welcome(now int64) {
	for _, k := range l.learners {
		if k.phase == inSync {
			k.acked = max(k.acked, l.committed)
			l.welcome(k)
		}
	}
	l.nextPing, l.judgedAt = now, now
}

func (l *Leader) welcome(k *LearnerLink) {
	k.phase = serving
	k.send(&wire.QuorumPacket{Type: wire.PacketUpToDate, Zxid: -1})
}

// Tick lets time pass: learners are pinged each half tick, silent ones are
// dropped, and without a quorum that is in sync the leadership ends.
func (l *Leader) Tick(now int64) {
	if l.opt.TickTime == 0 || l.phase == over {
		return
	}
	for _, k := range append([]*LearnerLink(nil), l.learners...) {
		switch {
		case now >= k.deadline:
			l.refuse(k, "it was silent for too long")
		case k.phase == serving && !k.Observer && k.timed != 0 && k.acked < k.timed && now-k.timedSince >= l.opt.SyncLimit:
			l.refuse(k, "it did not acknowledge proposal 0x%x within syncLimit", uint64(k.timed))
		}
	}
	l.settle(now)
	if l.phase != broadcasting {
		if now >= l.deadline {
			l.giveUp("no quorum within initLimit: %s", l.missing())
		}
		return
	}
	if now >= l.nextPing {
		l.nextPing = now + l.opt.TickTime/2
		l.ping(now)
	}
	if now-l.judgedAt >= l.opt.TickTime {
		l.judgedAt = now
		if !l.master && !l.reach(l.quorums, l.present) {
			l.giveUp("no quorum of followers any more")
		}
	}
}

// missing says what a leader without a quorum waits for.
func (l *Leader) missing() string {
	what := map[leaderPhase]string{discovering: "introduced themselves", acknowledging: "accepted the epoch", synchronising: "synchronised"}[l.phase]
	have := map[leaderPhase]map[int64]bool{discovering: l.introduced, acknowledging: l.acknowledged, synchronising: l.synced}[l.phase]
	n := 0
	for _, id := range l.quorums.Voters() {
		if have[id] {
			n++
		}
	}
	return fmt.Sprintf("%d of %d voters have %s", n, len(l.quorums.Voters()), what)
}

// present says whether a voter is in sync now.
func (l *Leader) present(id int64) bool {
	if id == l.opt.Self {
		return true
	}
	for _, k := range l.learners {
		if k.SID == id && k.InSync() {
			return true
		}
	}
	return false
}

func (l *Leader) ping(now int64) {
	for _, k := range l.learners {
		if k.phase != serving {
			continue
		}
		if k.timed == 0 || k.acked >= k.timed {
			k.timed, k.timedSince = l.proposed, now
		}
		k.send(&wire.QuorumPacket{Type: wire.PacketPing, Zxid: l.proposed})
	}
}

// Full says that the epoch has no zxid left: the leader has to step down.
func (l *Leader) Full() bool { return CounterOf(l.proposed) >= cmp.Or(l.opt.Last, LastCounter) }

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

// Durable records that the leader's own log holds everything up to zxid: its
// own acknowledgement.
func (l *Leader) Durable(zxid Zxid) Zxid {
	if zxid > l.durable && zxid <= l.proposed {
		l.durable = zxid
		l.commit()
	}
	return l.committed
}
