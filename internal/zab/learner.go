package zab

import (
	"fmt"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// LearnerOptions say who follows and how patient it is; times in ms.
type LearnerOptions struct {
	Self      int64 // server id
	Observer  bool
	InitLimit int64 // to connect and to synchronise; a snapshot that flows extends it
	SyncLimit int64 // of silence of the leader afterwards
}

// The phases of a learner.
type learnerPhase uint8

const (
	connecting   learnerPhase = iota
	introducing               // FOLLOWERINFO is sent
	accepting                 // the epoch of LEADERINFO is on its way to the disk
	choosing                  // ACKEPOCH is sent; DIFF, TRUNC or SNAP comes next
	catching                  // gets what it lacks
	storing                   // NEWLEADER has come; all of it becomes durable
	acknowledged              // NEWLEADER is acknowledged
	learning                  // UPTODATE has come: serves clients
	left
)

// Learner is a follower or observer from the end of its election to the loss
// of its leader (Learner, Follower and Observer of Apache's server). Each
// method may leave something to do in Out.
//
// What a learner is sent becomes durable before it acknowledges NEWLEADER, in
// the order transactions, epoch, acknowledgement (ZOOKEEPER-3911, 4643, 4646,
// 4785).
type Learner struct {
	opt      LearnerOptions
	leader   int64
	phase    learnerPhase
	deadline int64

	history  History // at the beginning
	accepted int64   // epoch on the disk
	epoch    int64   // of the leader
	current  int64   // what ACKEPOCH says of the current epoch, -1 to say nothing

	last   Zxid // of the newest proposal, or of what the synchronisation began with
	strict bool // last counts: the next one must be the one behind it
	snap   bool // what is missing comes as a snapshot that is not loaded yet
	acked  Zxid // proposals up to here are acknowledged
	config []byte

	// Sent are the packets that are not yet handed to the shell.
	Sent []byte
	out  LearnerOut
}

// LearnerOut is what a Learner asks for. A zero field asks for nothing.
type LearnerOut struct {
	// SaveAccepted and SaveCurrent are epochs to make durable, each after all
	// that is on its way to the disk. EpochSaved reports it.
	SaveAccepted, SaveCurrent int64
	// Barrier asks to be told, by EpochSaved, when all that is on its way to
	// the disk is durable.
	Barrier bool
	// Choice is how the learner is to be brought up to date, nil until it is
	// known. The caller does it at once for Diff, and says Loaded when it is
	// done for Trunc and Snap.
	Choice *SyncChoice
	// NewLeader says that all that was missing has come; the caller makes it
	// durable and calls Store.
	NewLeader bool
	// Serve says that clients are to be served: everything that is logged up
	// to Commit is committed.
	Serve bool
	// GiveUp ends the following, for the reason that it gives; Fatal ends the
	// process with exit code 13: the log cannot be brought into line.
	GiveUp string
	Fatal  bool
}

// SyncMethod is how a learner is brought up to date.
type SyncMethod uint8

// The methods, by the names of their packets.
const (
	Diff SyncMethod = iota
	Trunc
	Snap
)

// String returns the name of the packet.
func (m SyncMethod) String() string { return [...]string{"DIFF", "TRUNC", "SNAP"}[m] }

// SyncChoice is a method with the zxid that belongs to it: for Diff the newest
// one that will be sent, for Trunc the one to keep, for Snap that of the
// snapshot.
type SyncChoice struct {
	Method SyncMethod
	Zxid   Zxid
}

// NewLearner returns a learner that has decided to follow leader. Its log ends
// with history h, and it has accepted an epoch before.
func NewLearner(o LearnerOptions, leader int64, h History, accepted, now int64) *Learner {
	return &Learner{opt: o, leader: leader, history: h, accepted: accepted, deadline: now + o.InitLimit, last: h.Zxid, acked: h.Zxid}
}

// Take returns what is to do and forgets it.
func (l *Learner) Take() LearnerOut {
	out := l.out
	l.out = LearnerOut{}
	return out
}

// Leader is the server id of the leader.
func (l *Learner) Leader() int64 { return l.leader }

// Epoch is the epoch of the leader, 0 until it is known.
func (l *Learner) Epoch() int64 { return l.epoch }

// Stage says how far the learner is.
func (l *Learner) Stage() Stage {
	switch {
	case l.phase < choosing:
		return StageDiscovery
	case l.phase < learning:
		return StageSync
	}
	return StageBroadcast
}

// Serving says whether the learner serves clients.
func (l *Learner) Serving() bool { return l.phase == learning }

// Config is the text of the leader's configuration, nil until NEWLEADER, and
// when the leader sent none.
func (l *Learner) Config() []byte { return l.config }

func (l *Learner) send(p *wire.QuorumPacket) { l.Sent = p.Append(l.Sent) }

// Send queues a packet for the leader.
func (l *Learner) Send(p *wire.QuorumPacket) { l.send(p) }

func (l *Learner) giveUp(format string, args ...any) {
	if l.phase != left {
		l.phase = left
		l.out.GiveUp = fmt.Sprintf(format, args...)
	}
}

// LinkUp says that the connection to the leader stands. configVersion is that
// of the newest configuration that the learner has seen.
func (l *Learner) LinkUp(now int64, configVersion int64) {
	if l.phase != connecting {
		return
	}
	l.phase, l.deadline = introducing, now+l.opt.InitLimit
	info := wire.LearnerInfo{SID: l.opt.Self, ProtocolVersion: wire.LearnerProtocol, ConfigVersion: configVersion}
	typ := wire.PacketFollowerInfo
	if l.opt.Observer {
		typ = wire.PacketObserverInfo
	}
	l.send(&wire.QuorumPacket{Type: typ, Zxid: EpochStart(l.accepted), Data: info.Append(nil)})
}

// LinkDown says that there is no connection to the leader any more, or that
// none could be made.
func (l *Learner) LinkDown(why string) { l.giveUp("%s", why) }

// Tick lets time pass.
func (l *Learner) Tick(now int64) {
	if now < l.deadline || l.phase == left {
		return
	}
	if l.phase == learning {
		l.giveUp("the leader was silent for syncLimit")
		return
	}
	what := map[learnerPhase]string{connecting: "no connection", introducing: "no LEADERINFO", choosing: "no DIFF, TRUNC or SNAP",
		catching: "no NEWLEADER", acknowledged: "no UPTODATE"}[l.phase]
	if what == "" { // its own disk, for which nobody can be blamed but itself
		return
	}
	l.giveUp("%s within initLimit", what)
}

// Heard notes that the leader lives, or that bytes of a snapshot flow.
func (l *Learner) Heard(now int64) {
	if l.phase == learning {
		l.deadline = now + l.opt.SyncLimit
	} else {
		l.deadline = now + l.opt.InitLimit
	}
}

// Packet takes a packet that this package has rules for. It returns whether it
// was one, so that the caller need not look at it.
func (l *Learner) Packet(p *wire.QuorumPacket) bool {
	switch l.phase {
	case introducing:
		l.leaderInfo(p)
		return true
	case choosing:
		l.choose(p)
		return true
	case accepting:
		l.giveUp("packet %v while the epoch is being stored", p.Type)
		return true
	}
	switch p.Type {
	case wire.PacketNewLeader:
		l.newLeader(p)
	case wire.PacketUpToDate:
		l.upToDate()
	case wire.PacketDiff, wire.PacketTrunc, wire.PacketSnap, wire.PacketLeaderInfo:
		l.giveUp("packet %v in the middle of the stream", p.Type)
	default:
		return false
	}
	return true
}

// leaderInfo takes the epoch that the leader proposes
// (Learner.registerWithLeader).
func (l *Learner) leaderInfo(p *wire.QuorumPacket) {
	if p.Type != wire.PacketLeaderInfo {
		l.giveUp("the first packet of the leader is %v and not LEADERINFO: leaders before ZooKeeper 3.4 are not supported", p.Type)
		return
	}
	l.epoch = EpochOf(p.Zxid)
	switch {
	case l.epoch > l.accepted:
		l.current = l.history.Epoch
		l.out.SaveAccepted = l.epoch
	case l.epoch == l.accepted:
		// It has acknowledged this epoch before, so it does not count again.
		l.current = -1
		l.out.Barrier = true
	default:
		l.giveUp("the leader proposes epoch %d, but epoch %d has been accepted", l.epoch, l.accepted)
		return
	}
	l.phase = accepting
}

// EpochSaved says that an epoch that was to be saved is durable, or that the
// barrier is passed.
func (l *Learner) EpochSaved(now int64) {
	switch l.phase {
	case accepting:
		l.accepted = l.epoch
		l.phase, l.deadline = choosing, now+l.opt.InitLimit
		l.send(&wire.QuorumPacket{Type: wire.PacketAckEpoch, Zxid: l.history.Zxid, Data: jute.AppendInt(nil, int32(l.current))})
	case storing:
		l.phase, l.deadline = acknowledged, now+l.opt.InitLimit
		l.send(&wire.QuorumPacket{Type: wire.PacketAck, Zxid: EpochStart(l.epoch)})
	}
}

// choose takes the leader's choice (Learner.syncWithLeader).
func (l *Learner) choose(p *wire.QuorumPacket) {
	switch p.Type {
	case wire.PacketDiff:
		l.out.Choice = &SyncChoice{Diff, p.Zxid}
	case wire.PacketTrunc:
		if p.Zxid > l.history.Zxid {
			l.giveUp("the leader wants the log cut at 0x%x, where it has not come to", uint64(p.Zxid))
			l.out.Fatal = true
			return
		}
		l.out.Choice = &SyncChoice{Trunc, p.Zxid}
		l.last, l.acked, l.snap = p.Zxid, p.Zxid, true
	case wire.PacketSnap:
		l.out.Choice = &SyncChoice{Snap, p.Zxid}
		l.last, l.acked, l.snap = p.Zxid, p.Zxid, true
	default:
		l.giveUp("the leader sends %v and not DIFF, TRUNC or SNAP", p.Type)
		l.out.Fatal = true
		return
	}
	l.phase = catching
}

// Loaded says that the log is cut, or the snapshot loaded.
func (l *Learner) Loaded(now int64) {
	l.snap = false
	l.Heard(now)
}

// Proposal checks the zxid of a PROPOSAL or INFORM: while the learner
// synchronises each must follow the one before, or begin a new epoch. The
// caller logs it.
func (l *Learner) Proposal(zxid Zxid) bool {
	if l.phase < catching || l.phase == left {
		l.giveUp("proposal 0x%x before the synchronisation", uint64(zxid))
		return false
	}
	if l.strict && zxid != l.last+1 && EpochOf(zxid) <= EpochOf(l.last) {
		l.giveUp("proposal 0x%x follows 0x%x: something is missing", uint64(zxid), uint64(l.last))
		return false
	}
	if !l.strict && zxid <= l.last {
		l.giveUp("proposal 0x%x is not newer than the history that ends with 0x%x", uint64(zxid), uint64(l.last))
		return false
	}
	l.last, l.strict = zxid, true
	return true
}

// Last is the newest zxid that the learner has been sent or had.
func (l *Learner) Last() Zxid { return l.last }

// newLeader ends what was missing.
func (l *Learner) newLeader(p *wire.QuorumPacket) {
	if l.phase != catching || EpochOf(p.Zxid) != l.epoch {
		l.giveUp("NEWLEADER 0x%x out of order in epoch %d", uint64(p.Zxid), l.epoch)
		return
	}
	if len(p.Data) > 1 {
		l.config = append([]byte(nil), p.Data...)
	}
	l.phase = storing
	l.out.NewLeader = true
}

// Store says that everything that was sent before NEWLEADER is durable or on
// its way to the disk: the epoch may follow it. What is committed up to here
// needs no acknowledgement.
func (l *Learner) Store(committed Zxid) {
	l.acked = max(l.acked, committed)
	if l.phase == storing {
		l.out.SaveCurrent = l.epoch
	}
}

// upToDate begins the service.
func (l *Learner) upToDate() {
	if l.phase != acknowledged {
		l.giveUp("UPTODATE out of order")
		return
	}
	l.phase = learning
	l.out.Serve = true
	l.send(&wire.QuorumPacket{Type: wire.PacketAck, Zxid: EpochStart(l.epoch)})
}

// Acknowledges says whether proposals may be acknowledged by now: that of
// NEWLEADER must be the first.
func (l *Learner) Acknowledges() bool { return l.phase == acknowledged || l.phase == learning }

// Durable says that the own log holds everything up to zxid. It returns
// whether a proposal may be acknowledged that was not yet: the caller goes
// through them in order with Acknowledge.
func (l *Learner) Durable(zxid Zxid) bool {
	return !l.opt.Observer && l.Acknowledges() && zxid > l.acked
}

// Acknowledge acknowledges one proposal.
func (l *Learner) Acknowledge(zxid Zxid) {
	l.acked = zxid
	l.send(&wire.QuorumPacket{Type: wire.PacketAck, Zxid: zxid})
}

// Acked is the newest proposal that was acknowledged, or what the
// synchronisation began with.
func (l *Learner) Acked() Zxid { return l.acked }
