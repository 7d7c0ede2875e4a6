// Package replica is one whole ZooKeeper server as a state machine: sessions,
// request order, preparation of transactions, application and replies, over
// the znode tree (package tree), the permission rules (auth) and the broadcast
// (zab).
//
// The shell (package node) feeds Step with events and carries out the effects
// that come back; between steps, any number of goroutines may call the methods
// whose comment says that they only read. The package must never do I/O, look
// at a clock, draw a random number of its own, start a goroutine, lock, or log.
//
// The way of a request through the files: conn.go and request.go take the
// frame, read.go answers it, or prep.go makes it a transaction against the
// tree and the outstanding changes (pending.go); apply.go applies what is
// committed, reply.go encodes.
package replica

import (
	"cmp"

	"zooid/internal/auth"
	"zooid/internal/tree"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// Config is what a replica needs to know before it starts; all times in ms.
type Config struct {
	ServerID           int64
	TickTime           int64
	MinSessionTimeout  int32
	MaxSessionTimeout  int32
	Seed               uint64 // of the snapshot jitter
	SnapCount          int64  // transactions between snapshots, before jitter
	SnapSize           int64  // log bytes between snapshots, before jitter; 0 = off
	Auth               *auth.Policy
	SASL               *SASL
	EnforceAuth        []string // schemes of which one is required; empty = none
	EagerACL           bool     // refuse a write that an ACL forbids without asking the leader
	EnforceQuota       bool
	ExtendedTypes      bool
	Emulate353         bool
	Digest             bool
	CloseSessionPaths  bool // closeSession transactions list their ephemerals
	ReconfigEnabled    bool
	Ensemble           *EnsembleConfig // nil: the server is alone
	ContainerInterval  int64           // between sweeps
	ContainerPerMinute int64           // deletions at most
	ContainerNeverUsed int64           // age at which a container that never had a child goes; 0 = never
	MaxRecord          int             // bytes of a transaction with header and digest, or of identities, that logs and servers take; 0 = any
	Limits             Limits
}

// Limits bound what is done in one turn, so that nobody waits for all of it. 0
// is the size that a server has; tests make them tiny, so that they meet the
// edges daily.
type Limits struct {
	List    int    // names in a turn of a list of children; a longer one than four turns is made in turns
	Replies int    // bytes of replies that one call of ServeReads makes, but for the last one
	Turn    int    // bytes of replies that one step makes for a connection, but for the last one (backlog.go)
	Reads   int    // reads of a session that wait in front of a write (backlog.go)
	Expire  int    // sessions that one step expires
	Sweep   int    // nodes with an owner that one step of the container sweep looks at
	Chunk   int    // bytes of the pieces of memory in which records wait for the log
	Epoch   uint32 // the last counter of an epoch
	// MultiRead is how long the reply to a multiRead may be, in bytes, before the
	// operations that are left are refused.
	MultiRead int
}

// The sizes of a server.
const (
	listTurn     = 4 << 10
	maxReplies   = 256 << 10
	maxReads     = 64
	maxMultiRead = 64 << 20
	expireBudget = 256
	sweepBudget  = 4096
	chunkSize    = 256 << 10
)

// orDefault fills in what is not set.
func (l Limits) orDefault() Limits {
	return Limits{
		List: cmp.Or(l.List, listTurn), Replies: cmp.Or(l.Replies, maxReplies),
		Turn: cmp.Or(l.Turn, maxReplies), Reads: cmp.Or(l.Reads, maxReads),
		Expire: cmp.Or(l.Expire, expireBudget), Sweep: cmp.Or(l.Sweep, sweepBudget), Chunk: cmp.Or(l.Chunk, chunkSize),
		Epoch: cmp.Or(l.Epoch, zab.LastCounter), MultiRead: cmp.Or(l.MultiRead, maxMultiRead),
	}
}

// Stats are counts since the start, read under the shell's lock.
type Stats struct {
	DigestMismatches int64
	AuthFailed       int64
	EnsembleNames    EnsembleNames
	SessionsExpired  int64
	WatchBytes       int64
	Proposals        int64
	Commits          int64
	Revalidations    int64
	TTLCreated       int64
	TTLDeleted       int64
	SessionsAsked    int64 // createSessions of this server's own clients, prepared here
	ChangesQueued    int64 // records of changes in flight
	ChangesRemoved   int64
	Peer             PeerStats
}

// EnsembleNames count the names of ensembles that clients have sent, to be sure
// that they are where they want to be (EnsembleAuthenticationProvider).
type EnsembleNames struct{ Right, Wrong, Skipped int64 }

// PeerStats are those of the Stats that only a member of an ensemble has.
type PeerStats struct {
	Diffs, Snaps  int64 // learners brought up to date; a TRUNC is a DIFF
	Revalidations int64 // asked for by learners
	Proposals     int64 // that a follower got, not those that it was brought up to date with
	Commits       int64 // that a learner got, likewise
	Committed     int64 // by this leader
	Requests      int64 // of clients of its learners that a leader got
	Looks         int64 // elections
	Forsaken      int64 // times that this server did not lead, as an elector looked elsewhere
}

// Replica is the state machine. It is not safe for concurrent use, except as
// the package comment says.
type Replica struct {
	cfg     Config
	tree    *tree.Tree
	leader  *zab.Leader // nil while the server does not lead
	peer    *peer       // nil when the server is alone
	serving bool
	// suspended says that clients wait for a leader (suspend.go).
	suspended bool
	ticked    int64 // Time.Mono of the last tick
	// readOnly says that a server without a leader serves clients that only read.
	readOnly bool
	sessions sessionTable
	conns    []*conn // by ConnID
	now      Time
	fx       *Effects

	// Transactions that are proposed and not yet applied, oldest first.
	inflight     []proposal
	inflightHead int
	chunks       chunkPool
	durable      int64 // in the own log
	history      committedLog
	pending      pendingTable
	digest       uint64 // of the tree once everything in flight is applied
	drafting     int64  // zxid of the transaction in the making, or 0

	res     tree.Result
	stats   Stats
	waits   waiting
	digests []DigestAt

	snap   snapshotTrigger
	sweep  containerSweep
	nonces uint64 // handed out (sasl.go)
	swept  bool   // the ephemerals of lost sessions were seen to
	work   workspace
}

// workspace is memory that one request uses and the next uses again.
type workspace struct {
	body        []byte // the transaction body in the making
	path        []byte // sequential path
	node, above change // what the tree says of a node and its parent
	digester    tree.Digester
	set         wire.SetWatches
	paths       [][]byte
	hits        []tree.Hit
}

// New returns a replica with a fresh tree. Restore, if there is something to
// restore, comes next, then Start.
func New(cfg Config) *Replica {
	r := &Replica{cfg: cfg}
	r.cfg.Limits = cfg.Limits.orDefault()
	r.chunks.size = r.cfg.Limits.Chunk
	r.conns = make([]*conn, 1)
	r.pending = newPendingTable()
	r.snap = newSnapshotTrigger(&r.cfg)
	r.tree = tree.New(r.cfg.treeOptions())
	r.sessions = newSessionTable(r.cfg.TickTime)
	return r
}

func (c *Config) treeOptions() tree.Options {
	return tree.Options{
		Seed: c.Seed, Digest: c.Digest,
		ExtendedTypes: c.ExtendedTypes, Emulate353: c.Emulate353,
	}
}

// Start begins the service with the history that was restored. A server that is
// alone leads its ensemble of one from now on; a member of an ensemble looks for
// a leader with the first Step.
func (r *Replica) Start(now Time) {
	r.now = now
	r.durable = r.tree.LastZxid()
	r.sessions.start(r.cfg.ServerID, now)
	if r.cfg.Ensemble != nil {
		r.peer = newPeer(&r.cfg)
		return
	}
	r.leader = zab.Alone(r.cfg.ServerID, zab.Single(r.cfg.ServerID), r.tree.LastZxid())
	r.rule()
}

// rule begins the service of a leader: sessions get their full timeout, and the
// ephemerals of sessions that are not there are deleted by the next Step.
func (r *Replica) rule() {
	r.serving, r.swept = true, false
	r.digest = r.tree.Digest()
	r.sessions.renewAll(r.now)
	r.sweep = containerSweep{next: r.now.Mono + r.cfg.ContainerInterval}
}

// Step takes events in the order in which they happened and collects what has
// to be done about them in fx, which it empties first.
func (r *Replica) Step(now Time, events []Event, fx *Effects) {
	fx.Reset()
	r.now, r.fx = now, fx
	if r.peer != nil {
		r.beginStep()
	}
	if !r.swept && r.leads() {
		r.swept = true
		r.orphans()
	}
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case ConnOpen:
			r.connOpen(e)
		case ConnClosed:
			r.renew(e.Touched)
			r.connClosed(e.Conn)
		case ClientBatch:
			r.clientBatch(e)
		case Room:
			r.goOn(e.Conn)
		case Durable:
			r.isDurable(e.Zxid)
		case Tick:
			r.tick(e)
		case SnapshotDone:
			r.snap.running = false
			if e.Received {
				r.snapshotDone(e.Why)
			}
		case SnapshotWanted:
			r.snap.wanted = true
		case ResetConns:
			for _, c := range r.conns {
				if c != nil {
					c.last = LastRequest{Cxid: -1, Zxid: -1}
				}
			}
		default:
			r.peerEvent(e)
		}
	}
	if r.peer != nil {
		r.endStep()
	}
	r.maybeSnapshot()
	fx.Queues, r.waits.QueueSamples = r.waits.QueueSamples, QueueSamples{}
	r.fx = nil
}

// renew gives the sessions of connections their full timeout from now on. They
// were heard some time since the tick before.
func (r *Replica) renew(ids []ConnID) {
	for _, id := range ids {
		c := r.conn(id)
		if c == nil {
			continue
		}
		c.heard = max(c.heard, r.ticked)
		if c.sess != nil && !c.sess.closing {
			r.touch(c.sess)
		}
	}
}

// touch renews a session: with the leader that is what it expires by, and a
// learner tells its leader with the next answer to a PING.
func (r *Replica) touch(s *session) {
	if s.local || r.leads() {
		r.sessions.touch(s, r.now.Mono)
	} else if r.peer != nil {
		r.peer.touch(s)
	}
}

// leads says whether this server prepares transactions.
func (r *Replica) leads() bool {
	return r.leader != nil && r.leader.Broadcasting() && !r.leader.Ceded()
}

// follows says whether this server is in sync with a leader.
func (r *Replica) follows() bool {
	return r.peer != nil && r.peer.learner != nil && r.peer.learner.Serving()
}

// isDurable takes what the own log holds by now.
func (r *Replica) isDurable(zxid int64) {
	if r.peer != nil {
		r.measureLogged(zxid)
	}
	before := r.durable
	r.durable = max(r.durable, zxid)
	switch {
	case r.leads():
		if r.peer != nil {
			r.measureOwnAck(before, zxid)
		}
		r.leader.Durable(zxid)
		r.commitAll()
	case r.peer != nil:
		r.acknowledge()
	}
	r.giveBack()
}

// tick renews the touched sessions, expires the silent ones and sweeps
// containers.
func (r *Replica) tick(e *Event) {
	r.renew(e.Touched)
	r.ticked = r.now.Mono
	if r.peer != nil {
		r.peerTick()
	}
	if r.leads() {
		r.expireSilent()
		r.sweepContainers()
	} else if r.sessions.locals > 0 {
		r.expireSilent() // only local ones are in the buckets
	}
}

// expireSilent ends sessions whose time is over.
func (r *Replica) expireSilent() {
	budget := r.cfg.Limits.Expire
	for s := r.sessions.expired(r.now.Mono); s != nil; s = r.sessions.expired(r.now.Mono) {
		r.expire(s)
		if budget--; budget == 0 {
			r.fx.Again = true
			break
		}
	}
}

// Proposed returns the newest zxid that was handed out, applied or not.
func (r *Replica) Proposed() int64 {
	if r.leader != nil {
		return r.leader.Proposed()
	}
	return r.lastLogged()
}

// lastLogged is the newest zxid that is in the log or on its way into it.
func (r *Replica) lastLogged() int64 {
	if n := len(r.inflight); n > r.inflightHead {
		return r.inflight[n-1].zxid
	}
	return r.tree.LastZxid()
}

// Tree returns the tree, for reading only.
func (r *Replica) Tree() *tree.Tree { return r.tree }

// Stats returns the counts since the start; it only reads.
func (r *Replica) Stats() Stats {
	s := r.stats
	s.ChangesQueued = r.pending.queued
	s.ChangesRemoved = r.pending.queued - int64(len(r.pending.queue)-r.pending.queueHead)
	return s
}

// Outstanding returns the number of transactions that are proposed and not
// applied; it only reads.
func (r *Replica) Outstanding() int { return len(r.inflight) - r.inflightHead }
