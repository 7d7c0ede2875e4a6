package metrics

// metric is what every kind of metric does for the table.
type metric interface {
	// samples appends the numbers that mntr shows.
	samples(name string, to []Sample) []Sample
	// reset is what srst does: nothing, for a gauge.
	reset()
}

// row binds a name of ZooKeeper to a field.
type row struct {
	name   string
	metric metric
}

// Samples returns the present value of every metric under the keys of mntr
// (without "zk_"), group after group in the order in which Apache's server
// prints the groups; inside a group Java has no order, ours is that of the
// table.
func (s *Server) Samples() []Sample {
	to := make([]Sample, 0, 600)
	for _, r := range s.table() {
		to = r.metric.samples(r.name, to)
	}
	return to
}

// Reset is srst: it sets counters, summaries and sets back to none and leaves
// gauges alone. What is recorded meanwhile may be lost.
func (s *Server) Reset() {
	for _, r := range s.table() {
		r.metric.reset()
	}
}

// table is every metric in the order of mntr: gauges, gauge sets, counters,
// counter sets, basic and advanced summaries, basic and advanced summary sets.
func (s *Server) table() []row {
	var rows []row
	rows = append(rows, s.gauges()...)
	rows = append(rows, s.roleGauges()...)
	rows = append(rows, s.quotaGauges()...)
	rows = append(rows, s.counters()...)
	rows = append(rows, s.summaries()...)
	rows = append(rows, s.distributions()...)
	return append(rows, s.sets()...)
}

// view is a number that is shown as a gauge but kept elsewhere; whoever keeps
// it decides what srst does.
type view func() int64

func (view) reset() {}

func (v view) samples(name string, to []Sample) []Sample { return append(to, whole(name, v())) }

// latency shows the average over all requests.
type latency struct{ of *Server }

func (latency) reset() {}

func (l latency) samples(name string, to []Sample) []Sample {
	_, avg, _ := l.of.Latency()
	return append(to, fraction(name, avg))
}

// sizes shows the last value of a Sizes and is the one of its three rows that
// srst resets.
type sizes struct{ *Sizes }

func (z sizes) reset() { z.Reset() }

func (z sizes) samples(name string, to []Sample) []Sample { return append(to, whole(name, z.Last())) }

// gauges holds what Java registers as gauges. PacketsReceived and PacketsSent
// count and start anew with srst, yet Java prints them among the gauges.
func (s *Server) gauges() []row {
	minLatency := func() int64 { low, _, _ := s.Latency(); return low }
	maxLatency := func() int64 { _, _, high := s.Latency(); return high }
	return []row{
		{"avg_latency", latency{s}},
		{"max_latency", view(maxLatency)},
		{"min_latency", view(minLatency)},
		{"packets_received", &s.PacketsReceived},
		{"packets_sent", &s.PacketsSent},
		{"num_alive_connections", &s.NumAliveConnections},
		{"outstanding_requests", &s.OutstandingRequests},
		{"uptime", &s.Uptime},
		{"znode_count", &s.ZnodeCount},
		{"watch_count", &s.WatchCount},
		{"ephemerals_count", &s.EphemeralsCount},
		{"approximate_data_size", &s.ApproximateDataSize},
		{"global_sessions", &s.GlobalSessions},
		{"local_sessions", &s.LocalSessions},
		{"open_file_descriptor_count", &s.OpenFileDescriptorCount},
		{"max_file_descriptor_count", &s.MaxFileDescriptorCount},
		{"connection_drop_probability", &s.ConnectionDropProbability},
		{"last_client_response_size", sizes{&s.ClientResponseSize}},
		{"max_client_response_size", view(s.ClientResponseSize.Max)},
		{"min_client_response_size", view(s.ClientResponseSize.Min)},
		{"outstanding_tls_handshake", &s.OutstandingTLSHandshake},
		{"auth_failed_count", &s.AuthFailedCount},
		{"non_mtls_remote_conn_count", &s.NonMTLSRemoteConnCount},
		{"non_mtls_local_conn_count", &s.NonMTLSLocalConnCount},
	}
}

// quotaGauges are the gauge sets.
func (s *Server) quotaGauges() []row {
	return []row{
		{"quota_count_limit_per_namespace", &s.QuotaCountLimit},
		{"quota_bytes_limit_per_namespace", &s.QuotaBytesLimit},
		{"quota_count_usage_per_namespace", &s.QuotaCountUsage},
		{"quota_bytes_usage_per_namespace", &s.QuotaBytesUsage},
	}
}

func (s *Server) counters() []row {
	return []row{
		{"add_dead_watcher_stall_time", &s.AddDeadWatcherStallTime},
		{"bytes_received_count", &s.BytesReceivedCount},
		{"cnxn_closed_without_zk_server_running", &s.CnxnClosedWithoutZKServerRunning},
		{"commit_count", &s.CommitCount},
		{"connection_drop_count", &s.ConnectionDropCount},
		{"connection_rejected", &s.ConnectionRejected},
		{"connection_request_count", &s.ConnectionRequestCount},
		{"connection_revalidate_count", &s.ConnectionRevalidateCount},
		{"dead_watchers_cleared", &s.DeadWatchersCleared},
		{"dead_watchers_queued", &s.DeadWatchersQueued},
		{"diff_count", &s.DiffCount},
		{"digest_mismatches_count", &s.DigestMismatchesCount},
		{"ensemble_auth_fail", &s.EnsembleAuthFail},
		{"ensemble_auth_skip", &s.EnsembleAuthSkip},
		{"ensemble_auth_success", &s.EnsembleAuthSuccess},
		{"insecure_admin_count", &s.InsecureAdminCount},
		{"large_requests_rejected", &s.LargeRequestsRejected},
		{"learner_commit_received_count", &s.LearnerCommitReceivedCount},
		{"learner_proposal_received_count", &s.LearnerProposalReceivedCount},
		{"looking_count", &s.LookingCount},
		{"outstanding_changes_queued", &s.OutstandingChangesQueued},
		{"outstanding_changes_removed", &s.OutstandingChangesRemoved},
		{"prep_processor_request_queued", &s.PrepProcessorRequestQueued},
		{"proposal_count", &s.ProposalCount},
		{"quit_leading_due_to_disloyal_voter", &s.QuitLeadingDueToDisloyalVoter},
		{"request_commit_queued", &s.RequestCommitQueued},
		{"request_throttle_wait_count", &s.RequestThrottleWaitCount},
		{"requests_not_forwarded_to_commit_processor", &s.RequestsNotForwardedToCommitProcessor},
		{"response_bytes", &s.ResponseBytes},
		{"response_packet_cache_hits", &s.ResponsePacketCacheHits},
		{"response_packet_cache_misses", &s.ResponsePacketCacheMisses},
		{"response_packet_get_children_cache_hits", &s.ResponsePacketGetChildrenCacheHits},
		{"response_packet_get_children_cache_misses", &s.ResponsePacketGetChildrenCacheMisses},
		{"restore_error_count", &s.RestoreErrorCount},
		{"restore_rate_limited_count", &s.RestoreRateLimitedCount},
		{"revalidate_count", &s.RevalidateCount},
		{"sessionless_connections_expired", &s.SessionlessConnectionsExpired},
		{"skip_learner_request_to_next_processor_count", &s.SkipLearnerRequestToNextProcessorCount},
		{"snap_count", &s.SnapCount},
		{"snapshot_error_count", &s.SnapshotErrorCount},
		{"snapshot_rate_limited_count", &s.SnapshotRateLimitedCount},
		{"stale_replies", &s.StaleReplies},
		{"stale_requests", &s.StaleRequests},
		{"stale_requests_dropped", &s.StaleRequestsDropped},
		{"stale_sessions_expired", &s.StaleSessionsExpired},
		{"sync_processor_request_queued", &s.SyncProcessorRequestQueued},
		{"throttled_ops", &s.ThrottledOps},
		{"tls_handshake_exceeded", &s.TLSHandshakeExceeded},
		{"unrecoverable_error_count", &s.UnrecoverableErrorCount},
		{"unsuccessful_handshake", &s.UnsuccessfulHandshake},
		{"watch_bytes", &s.WatchBytes},
		{"quota_exceeded_error_per_namespace", &s.QuotaExceededError},
	}
}

func (s *Server) summaries() []row {
	return []row{
		{"commit_commit_proc_req_queued", &s.CommitCommitProcReqQueued},
		{"commit_process_time", &s.CommitProcessTime},
		{"concurrent_request_processing_in_commit_processor", &s.ConcurrentRequestProcessing},
		{"connection_token_deficit", &s.ConnectionTokenDeficit},
		{"dbinittime", &s.DBInitTime},
		{"election_time", &s.ElectionTime},
		{"follower_sync_time", &s.FollowerSyncTime},
		{"fsynctime", &s.FsyncTime},
		{"inflight_diff_count", &s.InflightDiffCount},
		{"inflight_snap_count", &s.InflightSnapCount},
		{"leader_unavailable_time", &s.LeaderUnavailableTime},
		{"learner_request_processor_queue_size", &s.LearnerRequestProcessorQueueSize},
		{"netty_queued_buffer_capacity", &s.NettyQueuedBufferCapacity},
		{"node_changed_watch_count", &s.NodeChangedWatchCount},
		{"node_children_watch_count", &s.NodeChildrenWatchCount},
		{"node_created_watch_count", &s.NodeCreatedWatchCount},
		{"node_deleted_watch_count", &s.NodeDeletedWatchCount},
		{"observer_sync_time", &s.ObserverSyncTime},
		{"pending_session_queue_size", &s.PendingSessionQueueSize},
		{"prep_process_time", &s.PrepProcessTime},
		{"prep_processor_queue_size", &s.PrepProcessorQueueSize},
		{"proposal_process_time", &s.ProposalProcessTime},
		{"read_commit_proc_issued", &s.ReadCommitProcIssued},
		{"read_commit_proc_req_queued", &s.ReadCommitProcReqQueued},
		{"reads_after_write_in_session_queue", &s.ReadsAfterWriteInSessionQueue},
		{"reads_issued_from_session_queue", &s.ReadsIssuedFromSessionQueue},
		{"requests_in_session_queue", &s.RequestsInSessionQueue},
		{"restore_time", &s.RestoreTime},
		{"session_queues_drained", &s.SessionQueuesDrained},
		{"snapshottime", &s.SnapshotTime},
		{"socket_closing_time", &s.SocketClosingTime},
		{"startup_snap_load_time", &s.StartupSnapLoadTime},
		{"startup_txns_load_time", &s.StartupTxnsLoadTime},
		{"startup_txns_loaded", &s.StartupTxnsLoaded},
		{"sync_process_time", &s.SyncProcessTime},
		{"sync_processor_batch_size", &s.SyncProcessorBatchSize},
		{"sync_processor_queue_size", &s.SyncProcessorQueueSize},
		{"time_waiting_empty_pool_in_commit_processor_read_ms", &s.TimeWaitingEmptyPoolRead},
		{"unavailable_time", &s.UnavailableTime},
		{"write_batch_time_in_commit_processor", &s.WriteBatchTimeInCommitProcessor},
		{"write_commit_proc_issued", &s.WriteCommitProcIssued},
		{"write_commit_proc_req_queued", &s.WriteCommitProcReqQueued},
	}
}

func (s *Server) distributions() []row {
	return []row{
		{"close_session_prep_time", &s.CloseSessionPrepTime},
		{"commit_propagation_latency", &s.CommitPropagationLatency},
		{"dead_watchers_cleaner_latency", &s.DeadWatchersCleanerLatency},
		{"jvm_pause_time_ms", &s.JVMPauseTime},
		{"local_write_committed_time_ms", &s.LocalWriteCommittedTime},
		{"om_commit_process_time_ms", &s.OMCommitProcessTime},
		{"om_proposal_process_time_ms", &s.OMProposalProcessTime},
		{"prep_processor_queue_time_ms", &s.PrepProcessorQueueTime},
		{"propagation_latency", &s.PropagationLatency},
		{"proposal_ack_creation_latency", &s.ProposalAckCreationLatency},
		{"proposal_latency", &s.ProposalLatency},
		{"quorum_ack_latency", &s.QuorumAckLatency},
		{"read_commitproc_time_ms", &s.ReadCommitProcTime},
		{"read_final_proc_time_ms", &s.ReadFinalProcTime},
		{"readlatency", &s.ReadLatency},
		{"request_throttle_queue_time_ms", &s.RequestThrottleQueueTime},
		{"server_write_committed_time_ms", &s.ServerWriteCommittedTime},
		{"sync_processor_queue_and_flush_time_ms", &s.SyncProcessorQueueAndFlushTime},
		{"sync_processor_queue_flush_time_ms", &s.SyncProcessorFlushTime},
		{"sync_processor_queue_time_ms", &s.SyncProcessorQueueTime},
		{"updatelatency", &s.UpdateLatency},
		{"write_commitproc_time_ms", &s.WriteCommitProcTime},
		{"write_final_proc_time_ms", &s.WriteFinalProcTime},
	}
}

func (s *Server) sets() []row {
	return []row{
		{"read_per_namespace", &s.ReadPerNamespace},
		{"write_per_namespace", &s.WritePerNamespace},
		{"learner_handler_qp_size", &s.LearnerHandlerQPSize},
		{"ack_latency", &s.AckLatency},
		{"learner_handler_qp_time_ms", &s.LearnerHandlerQPTime},
	}
}
