package replica

import (
	"zooid/internal/ensemble"
	"zooid/internal/tree"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// ConnID names a client connection. The shell hands out small dense numbers,
// never 0, and uses one again only after ConnClosed.
type ConnID uint32

// Time is the clock as an event brings it in.
type Time struct {
	Wall int64 // ms since 1970
	Mono int64 // ms on a clock that never goes back
}

// EventKind tells events apart.
type EventKind uint8

// The events.
const (
	// ConnOpen is a connection's connect request: Conn, Frames (the body of
	// the frame), IDs (the identities that the address gives).
	ConnOpen EventKind = iota
	// ConnClosed says that the connection is gone: Conn; and Touched, with
	// that connection in it, if requests of it were answered outside the core
	// since the last Tick.
	ConnClosed
	// ClientBatch is a run of whole frames, each with its length: Conn,
	// Frames, At.
	ClientBatch
	// Room says that there is room for more replies of a connection of which
	// Drain has said that there are more: Conn.
	Room
	// Durable says that the log holds everything up to Zxid.
	Durable
	// Tick lets time pass. Touched are the connections whose requests were
	// answered outside the core since the last one.
	Tick
	// SnapshotDone says that the snapshot that was started has ended; Why, if not
	// well. The next may start.
	SnapshotDone
	// SnapshotWanted asks for a snapshot whatever the counts say.
	SnapshotWanted
	// ResetConns forgets what LastRequest says of every connection.
	ResetConns
	// The events of a member of an ensemble carry a PeerEvent.

	// Vote is a message of the election: From, Vote.
	Vote
	// Reach says that there is a connection for the election to a server, or none
	// any more: From, Lost.
	Reach
	// Consulted is the word of the oracle: Grants.
	Consulted
	// HandOver asks a leader to have another server lead: Leaving.
	HandOver
	// LinkUp is a connection between a learner and its leader: Link, Term.
	LinkUp
	// LinkDown says that a connection is gone: Link, Why; or that none could be
	// made: Term, Why.
	LinkDown
	// Packets are what a connection brought: Link, Packets.
	Packets
	// Progress says that the bytes of a snapshot flow: Link.
	Progress
	// Stored answers a record that is no append: Token, and for one that asked
	// for it State.
	Stored
	// Received is the snapshot of the leader: Link, State.
	Received
	// Searched answers a Search: Link, Found.
	Searched
)

// PeerEvent is what the events of a member of an ensemble carry.
type PeerEvent struct {
	From    int64
	Vote    *wire.Notification
	Lost    bool
	Grants  bool
	Leaving bool // this server is about to stop
	Link    zab.LinkID
	Term    uint64
	Why     string
	Packets []wire.QuorumPacket
	Token   uint64
	State   *Restore
	Found   zab.Found
}

// Event is one thing that happened outside. Step keeps none of its memory.
type Event struct {
	Kind    EventKind
	Conn    ConnID
	Frames  []byte
	IDs     []wire.ID
	At      int64 // Time.Mono of arrival
	Zxid    int64
	Touched []ConnID
	// Throttled has the requests of a batch answered with THROTTLEDOP, each in
	// its turn: they have waited too long before they came here.
	Throttled bool
	// Why and Received are for SnapshotDone; Received is that of Snapshot.
	Why      string
	Received bool
	Peer     *PeerEvent
}

// Record is one transaction on its way into the log: header, body and digest.
// Its bytes stay as they are until Durable reports its zxid. A record with
// another Op is something else that the disk is to do in its turn: all before
// it is durable when it is done, and Stored reports it.
type Record struct {
	Zxid  int64
	Entry []byte
	// Roll asks for a new log file to begin with this record.
	Roll  bool
	Op    RecordOp
	Epoch int64
	Token uint64
	// Config and Seen are for SaveSeen and SaveConfig.
	Config, Seen *ensemble.Membership
}

// RecordOp is what the disk is to do with a record.
type RecordOp uint8

// The operations.
const (
	// Append is an entry of the log.
	Append RecordOp = iota
	// SaveAccepted and SaveCurrent store Epoch in the epoch files.
	SaveAccepted
	SaveCurrent
	// Barrier does nothing.
	Barrier
	// Truncate takes back what the log and the snapshots hold behind Zxid, so
	// that the next record follows it; with TruncateAndLoad the state as of
	// Zxid is read again and comes with Stored.
	Truncate
	TruncateAndLoad
	// SaveSeen stores Config as the last-seen configuration, or with nil that
	// there is none beside the committed one.
	SaveSeen
	// SaveConfig stores Config as the committed configuration; Seen is the
	// last-seen one beside it, if any. Nothing waits for it.
	SaveConfig
	// DropBehind is Truncate for a log that may end before Zxid: a snapshot of
	// Zxid follows.
	DropBehind
)

// Snapshot is an exact cut of the replica: what belongs into the file
// snapshot.<Zxid>. Walk gives the nodes in turns; it is used under the same
// exclusion as reads.
type Snapshot struct {
	Zxid     int64
	Digest   uint64
	Sessions []byte // encoded: count, then id and timeout each
	ACLs     []byte // encoded: count, then id and vector each
	Walk     *tree.Walk
	// Received says that the state came from the leader, who waits for it.
	Received bool
}

// CloseConn asks the shell to close a connection once what Drain has given is
// written.
type CloseConn struct {
	Conn ConnID
	Why  string
}

// Effects are what the shell has to carry out after a Step, in this order:
// hand the bytes of the Dirty connections over (Drain), write the records,
// flush and close connections, start the snapshot. Replies to writes are in
// Dirty only after the Durable event of their records.
type Effects struct {
	Dirty    []ConnID
	Close    []CloseConn
	Append   []Record
	Snapshot *Snapshot
	// Again asks for another Tick at once: there is more to expire than one
	// step should do.
	Again bool
	// Expired are the sessions that timed out in this step.
	Expired []int64
	// Logins are the SASL exchanges that ended in this step.
	Logins []Login
	// Reads and Writes are the latencies, in ms, of the requests that this
	// step answered.
	Reads, Writes []int32
	// Ages are, of each transaction applied, the ms since its time stamp.
	Ages []int32
	// Uses are the reads and changes of znodes that this step has made; Names
	// holds what they point to.
	Uses  []Use
	Names []byte
	// OverQuota are the changes that a hard quota has refused.
	OverQuota []Use
	// Closings is how many closeSessions were prepared.
	Closings int
	// Fired counts, of each change that found watchers, how many were told.
	Fired []Fired
	// Sent are the sizes, in bytes, of the replies and events that this step
	// has encoded, handshakes aside, and Answered the sum of those of replies
	// to requests, pings aside.
	Sent     Tally
	Answered int64
	// Queues is about the requests that wait for others of their session.
	Queues QueueSamples
	// Peer and Ensemble are what only a member of an ensemble measures and asks
	// for.
	Peer     PeerSamples
	Ensemble PeerEffects
}

// PeerEffects are what the shell of a member of an ensemble has to carry out,
// in the order of the fields.
type PeerEffects struct {
	// Config is who the members are from now on, nil for no change.
	Config *Configuration
	// Votes are messages of the election; Reconnect asks to dial all voters to
	// which there is no connection.
	Votes     []zab.Ballot
	Reconnect bool
	// Roles are changes of what the server does, in order.
	Roles []RoleChange
	// CloseLinks are connections to close; Streams and Links what goes out on
	// others: first the streams in order, then what DrainLink has.
	CloseLinks []zab.Refusal
	Streams    []Stream
	Links      []zab.LinkID
	// Searches ask for a look into the log.
	Searches []Search
	// Stays says that the server was asked to hand over the leadership and will
	// not.
	Stays bool
	// Notes are lines for the log.
	Notes []Note
	// Fatal ends the process.
	Fatal *Fatal
}

// RoleChange is what a server does from now on. The shell ends what belongs to
// the role before: all connections of learners, to the leader, and of clients.
type RoleChange struct {
	State wire.PeerState
	// Leader is the server to connect to, for a learner.
	Leader int64
	// Member is its line in the configuration, if there is one.
	Member ensemble.Member
	// Serving says that clients are served from now on; it comes after the
	// change to the role itself.
	Serving bool
	// ReadOnly says that clients that only read are served until the next change,
	// although there is no leader.
	ReadOnly bool
	Epoch    int64
	// SyncTook is, for a learner that serves from now on, the ms in which it
	// was brought up to date.
	SyncTook int64
	Why      string
	// Term is to come back with LinkUp, and with LinkDown of a connection that
	// could not be made.
	Term uint64
}

// Stream is a bulk of bytes for a learner: Head, then the snapshot or the log
// entries behind After up to Upto as pairs of PROPOSAL and COMMIT. What
// DrainLink has later follows it.
type Stream struct {
	Link        zab.LinkID
	Head        []byte
	Snapshot    *Snapshot
	After, Upto int64
}

// Search asks what the log on disk has for a learner whose log ends at Peer,
// when the proposals in memory begin with Lowest.
type Search struct {
	Link         zab.LinkID
	Peer, Lowest int64
}

// Note is a line for the server's log.
type Note struct {
	Warn bool
	Text string
	Args []any      // pairs of key and value
	Link zab.LinkID // whose peer the line is about: its address belongs into it; 0 for none
}

// Fatal is why a server must not go on.
type Fatal struct {
	Code int // exit code
	Why  string
}

// Use is one read or change of a znode, for the counts by top-level znode.
type Use struct {
	Off, Len int32 // of the top-level znode's name in Names
	Bytes    int32 // of the path and of the data
	Write    bool
}

// Name returns the name of the top-level znode of a use.
func (fx *Effects) Name(u *Use) []byte { return fx.Names[u.Off : u.Off+u.Len] }

// used notes the use of a path below the root.
func (fx *Effects) used(path []byte, bytes int, write bool) {
	if len(path) < 2 {
		return
	}
	fx.Uses = append(fx.Uses, fx.use(path, bytes, write))
}

func (fx *Effects) use(path []byte, bytes int, write bool) Use {
	end := 1
	for end < len(path) && path[end] != '/' {
		end++
	}
	u := Use{Off: int32(len(fx.Names)), Len: int32(end - 1), Bytes: int32(len(path) + bytes), Write: write}
	fx.Names = append(fx.Names, path[1:end]...)
	return u
}

// Fired is how many watchers an event of a change went to.
type Fired struct {
	Event    int32 // wire.EventNodeCreated and its like
	Watchers int32
}

// Reset empties the effects and keeps their memory.
func (fx *Effects) Reset() {
	fx.Dirty = fx.Dirty[:0]
	fx.Close = fx.Close[:0]
	fx.Append = fx.Append[:0]
	fx.Snapshot = nil
	fx.Again = false
	fx.Expired = fx.Expired[:0]
	fx.Logins = fx.Logins[:0]
	fx.Reads = fx.Reads[:0]
	fx.Writes = fx.Writes[:0]
	fx.Ages = fx.Ages[:0]
	fx.Uses, fx.Names = fx.Uses[:0], fx.Names[:0]
	fx.OverQuota = fx.OverQuota[:0]
	fx.Closings = 0
	fx.Fired = fx.Fired[:0]
	fx.Sent, fx.Answered, fx.Queues = Tally{}, 0, QueueSamples{}
	fx.Peer.reset()
	e := &fx.Ensemble
	*e = PeerEffects{Votes: e.Votes[:0], Roles: e.Roles[:0], CloseLinks: e.CloseLinks[:0], Streams: e.Streams[:0], Links: e.Links[:0],
		Searches: e.Searches[:0], Notes: e.Notes[:0]}
}
