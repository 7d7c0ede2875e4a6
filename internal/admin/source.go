// Package admin answers an operator: the four-letter words of the client port
// and, from the same table of commands, the HTTP interface.
//
// It stands at the side of the server. The client port hands it the first four
// bytes of a connection that IsCommand knows; it asks the server through
// Source, the one small interface that package node implements, and writes the
// text that Apache ZooKeeper's server writes, so that tools that parse it go
// on working. It runs on the goroutine of the connection that asked, never on
// the loop.
//
// It must never change the data, hold a lock of the server, or keep what a
// Source returned after the answer.
package admin

import (
	"net/netip"
	"time"

	"zooid/internal/metrics"
)

// Source is what the commands see of a server. Every method returns a snapshot
// that belongs to the caller, which may sort it; it is called without locks
// held, by any number of goroutines, also while the server starts and stops. A long answer
// (Watches, Ephemerals) is gathered in turns, so that the loop does not stall.
// Methods other than Status and Metrics are called only while Status says
// Serving.
type Source interface {
	// Status is the role of the server; cheap.
	Status() Status
	// Metrics are the metrics of the server, its gauges wired.
	Metrics() *metrics.Server
	// Settings are what conf shows.
	Settings() Settings
	// DirSizes measures the data directories; it may read them.
	DirSizes() DirSizes
	// Connections lists the open client connections, secure ones and the
	// asking one included, in any order.
	Connections() []Connection
	// ResetConnections sets back the numbers of each connection (crst): as
	// Java does, packets, latencies and last response to 0, operation to "NA",
	// last cxid and zxid to -1.
	ResetConnections()
	// Sessions lists the sessions that this server knows.
	Sessions() Sessions
	// Ephemerals lists every ephemeral znode with its owner, in any order.
	Ephemerals() []SessionPath
	// Watches lists the watches of the data table, one entry for a session
	// and a path however many modes it has, in any order. Watches on children
	// are not shown by ZooKeeper.
	Watches() []SessionPath
	// WatchSummary counts what Watches would list; cheap.
	WatchSummary() WatchSummary
	// Digests lists the digests kept of the tree, the oldest first.
	Digests() []Digest
}

// Mode is the role of a server as srvr and mntr spell it.
type Mode string

// The modes.
const (
	Standalone Mode = "standalone"
	Leader     Mode = "leader"
	Follower   Mode = "follower"
	Observer   Mode = "observer"
	ReadOnly   Mode = "read-only"
)

// Status is the role of a server at one moment.
type Status struct {
	// Serving is true while requests are served; false while the database
	// loads, while there is no quorum and while the server stops.
	Serving bool
	Mode    Mode
	// Zxid is the last one applied.
	Zxid int64
	// PeerState is the state of a member of an ensemble as mntr shows it,
	// "following - broadcast"; empty for a standalone server.
	PeerState string
	// ObserverMasterID is the server id of the one that an observer learns
	// from; shown for observers only.
	ObserverMasterID int64
	// Proposals are the sizes of a leader's proposals; nil elsewhere.
	Proposals *metrics.Sizes
}

// Settings are the settings that conf shows. Paths are absolute.
type Settings struct {
	ClientPort int
	// SecureClientPort is -1 without one.
	SecureClientPort int
	// DataDir and DataLogDir are the version-2 directories.
	DataDir    string
	DataLogDir string
	// TickTime and the session timeouts are in ms.
	TickTime          int
	MaxClientCnxns    int
	MinSessionTimeout int
	MaxSessionTimeout int
	// ListenBacklog is clientPortListenBacklog, -1 for the system's own.
	ListenBacklog int
	ServerID      int64
	// Ensemble is nil for a standalone server.
	Ensemble *EnsembleSettings
}

// EnsembleSettings are the settings that conf shows of a member of an ensemble.
type EnsembleSettings struct {
	InitLimit   int
	SyncLimit   int
	ElectionAlg int
	// ElectionPort and QuorumPort have one port for each address.
	ElectionPort []int
	QuorumPort   []int
	// Observing is the type of the peer, false for a participant.
	Observing bool
	// Membership is the text of the configuration, "server.1=..." lines and a
	// last one "version=<hex>" without a line end; empty while the server serves
	// read-only, when it is not shown.
	Membership string
}

// DirSizes are the bytes in the snapshot directory and the log directory; one
// directory for both counts in both.
type DirSizes struct {
	Data int64
	Log  int64
}

// Connection is a client connection as cons, stat and dump show it.
type Connection struct {
	Remote netip.AddrPort
	Secure bool
	// InterestOps is what Java waits for on the socket: 1 read, 4 write, 0
	// for a connection that is served a four-letter word.
	InterestOps int
	// Outstanding requests are read and not answered.
	Outstanding int64
	Received    int64
	Sent        int64
	// Session is 0 before the handshake; the fields below it are not shown
	// then.
	Session int64
	// LastOperation is spelled as OperationName does.
	LastOperation string
	Established   time.Time
	// Timeout is the negotiated one, in ms.
	Timeout int
	// LastCxid is not shown when negative.
	LastCxid int64
	LastZxid int64
	// LastResponse is the ms of the monotonic clock at the last answer, the
	// latencies are in ms too.
	LastResponse int64
	LastLatency  int64
	MinLatency   int64
	AvgLatency   int64
	MaxLatency   int64
	// Expires is when the connection is closed if nothing comes, rounded up to
	// the bucket in which it is checked.
	Expires time.Time
}

// Sessions are the sessions that a server knows.
type Sessions struct {
	// Learner says that Global comes from the leader, without times to expire.
	Learner bool
	// Global are the sessions that the ensemble knows, in any order.
	Global []Session
	// LocalEnabled says that Local is to be shown.
	LocalEnabled bool
	Local        []Session
}

// Session is one session.
type Session struct {
	ID int64
	// Timeout is in ms.
	Timeout int
	// Expires is the end of the bucket in which the session expires; not
	// needed for the global sessions of a learner.
	Expires time.Time
}

// SessionPath says that a session owns or watches a znode.
type SessionPath struct {
	Session int64
	Path    string
}

// WatchSummary counts the watches of the data table.
type WatchSummary struct {
	Connections int64
	Paths       int64
	Watches     int64
}

// Digest is the digest of the tree after a txn.
type Digest struct {
	Zxid    int64
	Version int32
	Value   int64
}
