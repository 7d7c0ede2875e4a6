package metrics

// Server is every metric of one server. The zero value is ready; it must not
// be copied. The comment of a field says what of Zooid it measures and in
// which unit; ms is a whole number of milliseconds of the monotonic clock,
// rounded down, as in Java. The rooms of a request are those of
// ARCHITECTURE.md: connection reader, loop, prep, disk writer, apply, reply.
//
// Fields that only an ensemble or a part of Java that Zooid does not have can
// move are here too, because Apache's standalone server prints them (as 0) and
// dashboards ask for them; their comments say so.
type Server struct {
	Traffic
	Connections
	Tree
	Quotas
	Requests
	Prep
	Sync
	Commit
	Reply
	Storage
	Throttle
	Ensemble
	Quorum
	Process
}

// Traffic is what goes over the client port.
type Traffic struct {
	// PacketsReceived counts whole frames and four-letter words read from
	// clients (packets_received, "Received:" of srvr). srst sets it to 0.
	PacketsReceived Counter
	// PacketsSent counts replies, events and four-letter answers written to
	// clients (packets_sent, "Sent:" of srvr). srst sets it to 0.
	PacketsSent Counter
	// BytesReceivedCount counts the bytes of PacketsReceived, with the 4 of
	// each length; a four-letter word counts 4.
	BytesReceivedCount Counter
	// ResponseBytes counts the bytes of replies to requests, without their
	// lengths, without pings, handshakes and events.
	ResponseBytes Counter
	// WatchBytes counts the bytes of watch events, without their lengths.
	WatchBytes Counter
	// ClientResponseSize is last/min/max_client_response_size: sizes in bytes
	// of replies and events, without their lengths; -1 before the first.
	ClientResponseSize Sizes
}

// Connections is who is connected and who was turned away.
type Connections struct {
	// NumAliveConnections is the number of open client connections, secure
	// ones and those without a session included.
	NumAliveConnections Gauge
	// GlobalSessions is the number of sessions that the ensemble knows.
	GlobalSessions Gauge
	// LocalSessions is the number of sessions that only this server knows.
	LocalSessions Gauge
	// ConnectionRequestCount counts connect requests that passed the
	// connection throttle.
	ConnectionRequestCount Counter
	// ConnectionRevalidateCount counts connect requests that renew a session.
	ConnectionRevalidateCount Counter
	// ConnectionRejected counts connections closed because of maxClientCnxns,
	// maxCnxns or the connection throttle.
	ConnectionRejected Counter
	// ConnectionDropCount counts connections that ended in the midst, by a
	// client that went away without closing its session.
	ConnectionDropCount Counter
	// ConnectionTokenDeficit is, per connect request, how many tokens the
	// bucket of the connection throttle lacks.
	ConnectionTokenDeficit Summary
	// ConnectionDropProbability is the share of connect requests that the
	// throttle drops at present, 0 to 1.
	ConnectionDropProbability FloatGauge
	// SessionlessConnectionsExpired counts connections closed because nothing
	// came over them for too long, with or without a session.
	SessionlessConnectionsExpired Counter
	// StaleSessionsExpired counts sessions that this server declared expired.
	StaleSessionsExpired Counter
	// AuthFailedCount counts client certificates that were refused. It is a
	// gauge in Java too, so srst keeps it.
	AuthFailedCount Gauge
	// NonMTLSRemoteConnCount counts connections of other hosts without a
	// client certificate; srst keeps it. Java counts with Netty only.
	NonMTLSRemoteConnCount Gauge
	// NonMTLSLocalConnCount counts connections of this host without a client
	// certificate; srst keeps it. Java counts with Netty only.
	NonMTLSLocalConnCount Gauge
	// OutstandingTLSHandshake is the number of TLS handshakes under way.
	OutstandingTLSHandshake Gauge
	// TLSHandshakeExceeded counts connections refused because too many
	// handshakes were under way.
	TLSHandshakeExceeded Counter
	// UnsuccessfulHandshake counts TLS handshakes that failed.
	UnsuccessfulHandshake Counter
	// CnxnClosedWithoutZKServerRunning counts connections closed because the
	// server was not serving.
	CnxnClosedWithoutZKServerRunning Counter
}

// Tree is the size of the data and what watches it.
type Tree struct {
	// ZnodeCount is the number of znodes, those below /zookeeper included.
	ZnodeCount Gauge
	// WatchCount is the number of watches in the data and the child table.
	WatchCount Gauge
	// EphemeralsCount is the number of ephemeral znodes.
	EphemeralsCount Gauge
	// ApproximateDataSize is the bytes of all paths and all data.
	ApproximateDataSize Gauge
	// NodeCreatedWatchCount is, per znode created under watch, the number of
	// watchers told.
	NodeCreatedWatchCount Summary
	// NodeDeletedWatchCount is the same for znodes deleted.
	NodeDeletedWatchCount Summary
	// NodeChangedWatchCount is the same for data changed.
	NodeChangedWatchCount Summary
	// NodeChildrenWatchCount is the same for lists of children changed.
	NodeChildrenWatchCount Summary
	// ReadPerNamespace is, per read of a znode and by its top-level znode, the
	// bytes of its path, of its data or its children's names, and the 68 of a
	// Stat.
	ReadPerNamespace SummarySet
	// WritePerNamespace is, per znode created, deleted or set and by its
	// top-level znode, the bytes of path and data.
	WritePerNamespace SummarySet
	// DigestMismatchesCount counts txns after which the digest of the tree was
	// not that which the txn carries.
	DigestMismatchesCount Counter
	// DeadWatchersQueued, DeadWatchersCleared, AddDeadWatcherStallTime and
	// DeadWatchersCleanerLatency belong to Java's lazy cleaner of watches of
	// closed connections. Ours takes them out at once: always 0.
	DeadWatchersQueued         Counter
	DeadWatchersCleared        Counter
	AddDeadWatcherStallTime    Counter
	DeadWatchersCleanerLatency Distribution
}

// Quotas is what quotas allow, hold and refuse, by top-level znode.
type Quotas struct {
	// QuotaCountLimit is quota_count_limit_per_namespace: the count of the
	// limits znode, the hard one if there is one; -1 if there is none. Several
	// quotas below one top-level znode are added up, each -1 too, as in Java.
	QuotaCountLimit GaugeSet
	// QuotaBytesLimit is quota_bytes_limit_per_namespace, likewise in bytes.
	QuotaBytesLimit GaugeSet
	// QuotaCountUsage is quota_count_usage_per_namespace: the znodes counted.
	QuotaCountUsage GaugeSet
	// QuotaBytesUsage is quota_bytes_usage_per_namespace: the bytes counted.
	QuotaBytesUsage GaugeSet
	// QuotaExceededError is quota_exceeded_error_per_namespace: requests
	// refused because of a hard quota.
	QuotaExceededError CounterSet
}

// Requests is how long clients wait and how much waits. min/avg/max_latency
// come from it as well, see Latency.
type Requests struct {
	// ReadLatency is the ms from a frame read whole to its reply encoded, of
	// requests that make no txn; pings and failed requests included.
	ReadLatency Distribution
	// UpdateLatency is the same of requests that make a txn, sessions opened
	// and closed included.
	UpdateLatency Distribution
	// PropagationLatency is the ms of wall time from the time stamp of a txn
	// to its apply here; a negative one is left out.
	PropagationLatency Distribution
	// OutstandingRequests is the number of requests read and not yet answered.
	OutstandingRequests Gauge
	// Uptime is the ms since the server came up.
	Uptime Gauge
}

// Prep is the way from the connection reader through the loop into prep. In
// Zooid only requests that go through the loop count here; reads that are
// served on their connection's own goroutine do not.
type Prep struct {
	// PrepProcessorQueueTime is prep_processor_queue_time_ms: from the frame
	// read to the turn of the loop that takes it.
	PrepProcessorQueueTime Distribution
	// PrepProcessorQueueSize is the number of requests found waiting, one
	// sample a turn of the loop (Java: one a request).
	PrepProcessorQueueSize Summary
	// PrepProcessorRequestQueued counts the requests handed to the loop.
	PrepProcessorRequestQueued Counter
	// PrepProcessTime is the ms that prep takes for the requests of a turn.
	PrepProcessTime Summary
	// ProposalProcessTime is the ms from the end of prep until the txns of a
	// turn are handed to the disk writer and the links.
	ProposalProcessTime Summary
	// CloseSessionPrepTime is the ms that prep takes for one closeSession,
	// with the list of its ephemerals.
	CloseSessionPrepTime Distribution
	// OutstandingChangesQueued counts change records that prep puts before
	// the tree, one for each znode that an unapplied txn touches.
	OutstandingChangesQueued Counter
	// OutstandingChangesRemoved counts those taken away after the apply.
	OutstandingChangesRemoved Counter
}

// Sync is the disk writer: append, group commit, fsync.
type Sync struct {
	// SyncProcessorQueueSize is the number of txns found waiting, one sample a
	// turn of the disk writer (Java: one a request).
	SyncProcessorQueueSize Summary
	// SyncProcessorRequestQueued counts the txns handed to the disk writer.
	SyncProcessorRequestQueued Counter
	// SyncProcessorQueueTime is sync_processor_queue_time_ms: how long a txn
	// waits for the disk writer to take it.
	SyncProcessorQueueTime Distribution
	// SyncProcessTime is the ms that one turn of the disk writer takes.
	SyncProcessTime Summary
	// SyncProcessorBatchSize is the number of txns made durable by one fsync.
	SyncProcessorBatchSize Summary
	// SyncProcessorFlushTime is sync_processor_queue_flush_time_ms: one flush
	// of the log, its write and its fsync.
	SyncProcessorFlushTime Distribution
	// SyncProcessorQueueAndFlushTime is sync_processor_queue_and_flush_time_ms:
	// from the hand-over of a txn until it is durable.
	SyncProcessorQueueAndFlushTime Distribution
	// FsyncTime is fsynctime: the ms of one fsync of the txn log.
	FsyncTime Summary
	// FsyncThresholdExceedCount counts fsyncs that were slower than
	// fsync.warningthresholdms. mntr does not show it, server_stats of the
	// AdminServer does; srst keeps it.
	FsyncThresholdExceedCount Gauge
}

// Commit is the part of the loop between durable and applied. Apache's
// standalone server has no commit processor and shows 0 in all of it; Zooid
// goes the same way alone as in an ensemble and measures what it has.
type Commit struct {
	// ReadCommitProcReqQueued is read_commit_proc_req_queued: reads that wait
	// behind unfinished writes of their sessions, one sample a turn.
	ReadCommitProcReqQueued Summary
	// WriteCommitProcReqQueued is the number of writes proposed and not yet
	// committed, one sample a turn.
	WriteCommitProcReqQueued Summary
	// CommitCommitProcReqQueued is the number of txns committed and not yet
	// applied, one sample a turn.
	CommitCommitProcReqQueued Summary
	// RequestCommitQueued counts txns that became committed.
	RequestCommitQueued Counter
	// ReadCommitProcIssued is the number of reads answered, one sample a turn.
	ReadCommitProcIssued Summary
	// WriteCommitProcIssued is the number of txns applied, one sample a turn
	// that applies any.
	WriteCommitProcIssued Summary
	// ReadCommitProcTime is read_commitproc_time_ms: how long a read waits
	// behind writes of its own session.
	ReadCommitProcTime Distribution
	// WriteCommitProcTime is write_commitproc_time_ms: how long a write of a
	// client of this server takes from the end of prep to its apply.
	WriteCommitProcTime Distribution
	// LocalWriteCommittedTime is local_write_committed_time_ms: how long such
	// a write waits from committed to its apply.
	LocalWriteCommittedTime Distribution
	// ServerWriteCommittedTime is server_write_committed_time_ms: the same of
	// writes that came in by other servers.
	ServerWriteCommittedTime Distribution
	// ReadFinalProcTime is read_final_proc_time_ms: to look up and encode.
	ReadFinalProcTime Distribution
	// WriteFinalProcTime is write_final_proc_time_ms: to apply and encode.
	WriteFinalProcTime Distribution
	// CommitProcessTime is the ms of a turn of the loop that applies txns.
	CommitProcessTime Summary
	// WriteBatchTimeInCommitProcessor is the ms of applying alone.
	WriteBatchTimeInCommitProcessor Summary
	// RequestsInSessionQueue is the number of requests in the reply slots of a
	// session, one sample a request that has to wait.
	RequestsInSessionQueue Summary
	// PendingSessionQueueSize is the number of sessions with waiting slots.
	PendingSessionQueueSize Summary
	// ReadsAfterWriteInSessionQueue is the number of reads that one finished
	// write lets go.
	ReadsAfterWriteInSessionQueue Summary
	// ReadsIssuedFromSessionQueue is the number of reads that waited and were
	// answered, one sample a turn.
	ReadsIssuedFromSessionQueue Summary
	// SessionQueuesDrained is the number of sessions that had reads let go,
	// one sample a turn.
	SessionQueuesDrained Summary
	// TimeWaitingEmptyPoolRead and ConcurrentRequestProcessing belong to the
	// worker pool of Java's commit processor. Ours has none: always 0.
	TimeWaitingEmptyPoolRead    Summary
	ConcurrentRequestProcessing Summary
	// RequestsNotForwardedToCommitProcessor counts requests that a leader
	// answers without a commit, because they come from a learner (Java).
	RequestsNotForwardedToCommitProcessor Counter
}

// Reply is the caches of encoded answers. Zooid has none, it encodes every
// answer anew into the buffer of its connection: always 0.
type Reply struct {
	ResponsePacketCacheHits              Counter
	ResponsePacketCacheMisses            Counter
	ResponsePacketGetChildrenCacheHits   Counter
	ResponsePacketGetChildrenCacheMisses Counter
	// NettyQueuedBufferCapacity is the bytes kept of an unfinished frame, one
	// sample a read that ends inside one. Java measures with Netty only.
	NettyQueuedBufferCapacity Summary
}

// Storage is starting up, snapshots, and restoring them.
type Storage struct {
	// DBInitTime is dbinittime: the ms of loading the whole database.
	DBInitTime Summary
	// StartupSnapLoadTime is the ms of reading the snapshot.
	StartupSnapLoadTime Summary
	// StartupTxnsLoaded is the number of txns replayed from the log.
	StartupTxnsLoaded Summary
	// StartupTxnsLoadTime is the ms of replaying them.
	StartupTxnsLoadTime Summary
	// SnapshotTime is snapshottime: the ms of writing one snapshot.
	SnapshotTime Summary
	// SnapshotErrorCount counts failed snapshot commands.
	SnapshotErrorCount Counter
	// SnapshotRateLimitedCount counts snapshot commands refused as too many.
	SnapshotRateLimitedCount Counter
	// RestoreTime is the ms of one restore command.
	RestoreTime Summary
	// RestoreErrorCount counts failed restore commands.
	RestoreErrorCount Counter
	// RestoreRateLimitedCount counts restore commands refused as too many.
	RestoreRateLimitedCount Counter
	// UnrecoverableErrorCount counts errors that stop the server.
	UnrecoverableErrorCount Counter
	// InsecureAdminCount counts plain HTTP connections to an admin port that
	// takes TLS as well.
	InsecureAdminCount Counter
}

// Throttle is requests held back or refused because of load.
type Throttle struct {
	// RequestThrottleQueueTime is request_throttle_queue_time_ms: how long a
	// request waits in the request throttler.
	RequestThrottleQueueTime Distribution
	// RequestThrottleWaitCount counts the pauses of the throttler.
	RequestThrottleWaitCount Counter
	// ThrottledOps counts requests answered with ThrottledOp.
	ThrottledOps Counter
	// StaleRequests counts requests whose connection was gone, or that were
	// older than their session allows, when they left the throttler.
	StaleRequests Counter
	// StaleRequestsDropped counts those of them that were dropped.
	StaleRequestsDropped Counter
	// StaleReplies counts answers to connections that were gone.
	StaleReplies Counter
	// LargeRequestsRejected counts requests over the limits for large ones.
	LargeRequestsRejected Counter
}

// Ensemble is what only several servers do together. Alone these stay 0.
type Ensemble struct {
	// ElectionTime and LookingCount: the ms and the number of elections.
	ElectionTime Summary
	LookingCount Counter
	// UnavailableTime is the ms from losing the leader to serving again;
	// LeaderUnavailableTime the same, of the server that leads thereafter.
	UnavailableTime       Summary
	LeaderUnavailableTime Summary
	// ProposalCount and CommitCount count what this leader proposed and
	// committed; QuorumAckLatency and AckLatency (by server id) are the ms
	// until a quorum, and each server, acknowledged.
	ProposalCount    Counter
	CommitCount      Counter
	QuorumAckLatency Distribution
	AckLatency       DistributionSet
	// DiffCount and SnapCount count learners synchronised in that way;
	// InflightDiffCount and InflightSnapCount are how many at once.
	DiffCount         Counter
	SnapCount         Counter
	InflightDiffCount Summary
	InflightSnapCount Summary
	// FollowerSyncTime and ObserverSyncTime are the ms of a learner's sync.
	FollowerSyncTime Summary
	ObserverSyncTime Summary
	// LearnerProposalReceivedCount and LearnerCommitReceivedCount count what a
	// learner got; ProposalLatency is the ms from the stamp of a txn to its
	// proposal here, ProposalAckCreationLatency to the ACK made of it,
	// CommitPropagationLatency to its commit.
	LearnerProposalReceivedCount Counter
	LearnerCommitReceivedCount   Counter
	ProposalLatency              Distribution
	ProposalAckCreationLatency   Distribution
	CommitPropagationLatency     Distribution
	// LearnerRequestProcessorQueueSize is the requests waiting at a learner;
	// SkipLearnerRequestToNextProcessorCount those it answered itself.
	LearnerRequestProcessorQueueSize       Summary
	SkipLearnerRequestToNextProcessorCount Counter
	// LearnerHandlerQPSize and LearnerHandlerQPTime: packets waiting for a
	// learner, and the ms that they wait, by its server id.
	LearnerHandlerQPSize SummarySet
	LearnerHandlerQPTime DistributionSet
	// RevalidateCount counts sessions that learners asked the leader for.
	RevalidateCount Counter
	// QuitLeadingDueToDisloyalVoter counts how often the server did not lead
	// after all, because a voter that had elected it looked elsewhere.
	QuitLeadingDueToDisloyalVoter Counter
	// OMProposalProcessTime and OMCommitProcessTime are the ms that a follower
	// which feeds observers spends on a proposal and a commit for them. Ours has
	// nothing to do for a proposal, and passes a commit on in the turn that
	// applies it: always 0 ms.
	OMProposalProcessTime Distribution
	OMCommitProcessTime   Distribution
	// SocketClosingTime is the ms of closing a link to or of a learner.
	SocketClosingTime Summary
	// EnsembleAuthSuccess, EnsembleAuthFail and EnsembleAuthSkip count the
	// checks of the ensemble's name that clients send by addauth.
	EnsembleAuthSuccess Counter
	EnsembleAuthFail    Counter
	EnsembleAuthSkip    Counter
}

// Process is the operating system's view of the server.
type Process struct {
	// OpenFileDescriptorCount is the number of open files and sockets.
	OpenFileDescriptorCount Gauge
	// MaxFileDescriptorCount is how many the process may open.
	MaxFileDescriptorCount Gauge
	// JVMPauseTime is jvm_pause_time_ms: how much longer than asked the pause
	// monitor slept, as a sign of a stalled process. Recorded only with
	// jvm.pause.monitor=true, as in Java.
	JVMPauseTime Distribution
}

// ObserveReads records the latency in ms of n requests that made no txn.
func (s *Server) ObserveReads(ms, n int64) { s.ReadLatency.ObserveN(ms, n) }

// ObserveUpdates records the latency in ms of n requests that made a txn.
func (s *Server) ObserveUpdates(ms, n int64) { s.UpdateLatency.ObserveN(ms, n) }

// Latency returns the shortest, average and longest latency in ms of all
// requests since the start or the last srst: reads and updates together, which
// is what srvr and min/avg/max_latency show.
func (s *Server) Latency() (low int64, avg float64, high int64) {
	reads, updates := s.ReadLatency.Count(), s.UpdateLatency.Count()
	low = s.ReadLatency.Min()
	if reads == 0 || updates > 0 && s.UpdateLatency.Min() < low {
		low = s.UpdateLatency.Min()
	}
	avg = average(s.ReadLatency.Sum()+s.UpdateLatency.Sum(), reads+updates)
	return low, avg, max(s.ReadLatency.Max(), s.UpdateLatency.Max())
}
