package replica

import (
	"zooid/internal/tree"
	"zooid/internal/wire"
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
	// Durable says that the log holds everything up to Zxid.
	Durable
	// Tick lets time pass. Touched are the connections whose requests were
	// answered outside the core since the last one.
	Tick
	// SnapshotDone says that the snapshot that was started has ended, well or
	// not; the next may start.
	SnapshotDone
	// SnapshotWanted asks for a snapshot whatever the counts say.
	SnapshotWanted
	// ResetConns forgets what LastRequest says of every connection.
	ResetConns
)

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
}

// Record is one transaction on its way into the log: header, body and digest.
// Its bytes stay as they are until Durable reports its zxid.
type Record struct {
	Zxid  int64
	Entry []byte
	// Roll asks for a new log file to begin with this record.
	Roll bool
}

// Snapshot is an exact cut of the replica: what belongs into the file
// snapshot.<Zxid>. Walk gives the nodes in turns; it is used under the same
// exclusion as reads.
type Snapshot struct {
	Zxid     int64
	Digest   uint64
	Sessions []byte // encoded: count, then id and timeout each
	ACLs     []byte // encoded: count, then id and vector each
	Walk     *tree.Walk
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
	fx.Reads = fx.Reads[:0]
	fx.Writes = fx.Writes[:0]
	fx.Ages = fx.Ages[:0]
	fx.Uses, fx.Names = fx.Uses[:0], fx.Names[:0]
	fx.OverQuota = fx.OverQuota[:0]
	fx.Closings = 0
	fx.Fired = fx.Fired[:0]
}
