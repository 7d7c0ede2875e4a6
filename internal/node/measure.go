package node

import (
	"encoding/binary"
	"math"
	"time"

	"zooid/internal/admin"
	"zooid/internal/metrics"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// wireMetrics connects the gauges to what they show.
func (n *Node) wireMetrics() {
	m := n.metrics
	count := func(f func(r *replica.Replica) int64) func() int64 {
		return func() (v int64) {
			n.core.view(func(r *replica.Replica) { v = f(r) })
			return v
		}
	}
	m.ZnodeCount.From(count(func(r *replica.Replica) int64 { return int64(r.Tree().NodeCount()) }))
	m.EphemeralsCount.From(count(func(r *replica.Replica) int64 { return int64(r.Tree().EphemeralCount()) }))
	m.WatchCount.From(count(func(r *replica.Replica) int64 { return int64(r.Tree().WatchCount()) }))
	m.ApproximateDataSize.From(count(func(r *replica.Replica) int64 { return r.Tree().DataSize() }))
	m.GlobalSessions.From(count(func(r *replica.Replica) int64 { return int64(r.SessionCount()) }))
	m.LocalSessions.From(count(func(r *replica.Replica) int64 { return int64(r.LocalSessionCount()) }))
	n.wireQuotas()
	if n.member != nil {
		n.member.wireMetrics()
	}
	m.Uptime.From(func() int64 { return time.Since(n.started).Milliseconds() })
	m.OpenFileDescriptorCount.From(admin.OpenFiles)
	m.MaxFileDescriptorCount.From(admin.MaxFiles)
	if n.port != nil {
		m.ConnectionDropProbability.From(func() float64 {
			return math.Round(n.port.Throttle.DropProbability()*1e4) / 1e4
		})
	}
}

// observe records what a turn of the loop has done.
func (n *Node) observe(fx *replica.Effects, items []item, begin replica.Time) {
	m := n.metrics
	took := n.clock().Mono - begin.Mono
	requests := n.observeArrivals(items, begin.Mono)
	if requests > 0 {
		if n.learns() {
			m.LearnerRequestProcessorQueueSize.Observe(requests)
		} else {
			m.PrepProcessorQueueSize.Observe(requests)
			m.PrepProcessTime.Observe(took)
		}
	}
	if len(fx.Append) > 0 && !n.learns() {
		m.ProposalProcessTime.Observe(took)
	}
	if fx.Closings > 0 {
		m.CloseSessionPrepTime.ObserveN(took, int64(fx.Closings))
	}
	for i := range fx.OverQuota {
		m.QuotaExceededError.At(fx.Name(&fx.OverQuota[i])).Inc()
	}
	n.observeApplied(fx, took)
	if requests > 0 || len(fx.Ages) > 0 {
		m.ReadCommitProcIssued.Observe(int64(len(fx.Reads)))
		m.WriteCommitProcReqQueued.Observe(int64(n.core.r.Outstanding()))
		_, reads := n.core.r.Waiting()
		m.ReadCommitProcReqQueued.Observe(int64(reads))
	}
	for _, f := range fx.Fired {
		n.observeFired(f)
	}
	if fx.Sent.N > 0 {
		m.ResponseBytes.AddN(fx.Answered)
		m.ClientResponseSize.ObserveBatch(fx.Sent.Last, fx.Sent.Low, fx.Sent.High)
	}
	n.observeUses(fx)
	if n.member != nil {
		n.member.observe(fx)
	}
	n.observeStats(fx)
}

// learns says whether the server takes its requests to a leader.
func (n *Node) learns() bool {
	if n.member == nil {
		return false
	}
	state := wire.PeerState(n.member.state.Load())
	return state == wire.Following || state == wire.Observing
}

// observeApplied records the requests that were answered in a turn, and the
// transactions applied.
func (n *Node) observeApplied(fx *replica.Effects, took int64) {
	m := n.metrics
	observeRuns(fx.Reads, func(ms, k int64) {
		m.ObserveReads(ms, k)
		m.ReadCommitProcTime.ObserveN(ms, k)
	})
	m.ReadFinalProcTime.ObserveN(took, int64(len(fx.Reads)))
	observeRuns(fx.Writes, m.ObserveUpdates)
	applied, own := int64(len(fx.Ages)), int64(len(fx.Writes))
	switch {
	case n.member == nil || n.learns():
		observeRuns(fx.Writes, m.WriteCommitProcTime.ObserveN)
		m.LocalWriteCommittedTime.ObserveN(took, own)
		if n.member != nil {
			m.ServerWriteCommittedTime.ObserveN(took, applied-own)
		}
	default:
		// A leader has prepared all of them itself.
		observeRuns(fx.Ages, m.WriteCommitProcTime.ObserveN)
		m.LocalWriteCommittedTime.ObserveN(took, applied)
	}
	n.observeQueues(fx)
	if applied == 0 {
		return
	}
	observeRuns(fx.Ages, m.PropagationLatency.ObserveN)
	m.CommitProcessTime.Observe(took)
	m.WriteBatchTimeInCommitProcessor.Observe(took)
	m.WriteFinalProcTime.ObserveN(took, applied)
	m.WriteCommitProcIssued.Observe(applied)
	m.CommitCommitProcReqQueued.Observe(applied)
	m.ReadsIssuedFromSessionQueue.Observe(fx.Queues.Released.Sum)
	m.SessionQueuesDrained.Observe(int64(fx.Queues.Drained))
	sessions, _ := n.core.r.Waiting()
	m.PendingSessionQueueSize.Observe(int64(sessions))
}

// observeQueues records the requests that had to wait for others of their
// session.
func (n *Node) observeQueues(fx *replica.Effects) {
	m, q := n.metrics, &fx.Queues
	m.RequestsInSessionQueue.ObserveBatch(q.Pushed.N, q.Pushed.Sum, q.Pushed.Low, q.Pushed.High)
	m.ReadsAfterWriteInSessionQueue.ObserveBatch(q.Released.N, q.Released.Sum, q.Released.Low, q.Released.High)
}

// observeArrivals records how long the requests of a turn waited for it.
func (n *Node) observeArrivals(items []item, now int64) (requests int64) {
	m := n.metrics
	for i := range items {
		it := &items[i]
		if it.event.Kind == replica.ClientBatch {
			requests += int64(it.count)
			if !n.learns() {
				m.PrepProcessorQueueTime.ObserveN(now-it.event.At, int64(it.count))
			}
		}
	}
	return requests
}

func (n *Node) observeFired(f replica.Fired) {
	m := n.metrics
	switch f.Event {
	case wire.EventNodeCreated:
		m.NodeCreatedWatchCount.Observe(int64(f.Watchers))
	case wire.EventNodeDeleted:
		m.NodeDeletedWatchCount.Observe(int64(f.Watchers))
	case wire.EventNodeDataChanged:
		m.NodeChangedWatchCount.Observe(int64(f.Watchers))
	case wire.EventNodeChildrenChanged:
		m.NodeChildrenWatchCount.Observe(int64(f.Watchers))
	}
}

// observeUses records what the loop has read and changed, by top-level znode.
func (n *Node) observeUses(fx *replica.Effects) {
	for i := range fx.Uses {
		u := &fx.Uses[i]
		if u.Write {
			n.writes.Observe(fx.Name(u), int64(u.Bytes))
		} else {
			n.reads.Observe(fx.Name(u), int64(u.Bytes))
		}
	}
	n.writes.Flush()
	n.reads.Flush()
}

// tallyReads records what a connection has read by itself.
func (n *Node) tallyReads(frames, replies []byte) {
	if len(frames) == 0 {
		return
	}
	t := n.tallies.Get().(*metrics.Tally)
	for len(frames) > 0 && len(replies) > 0 {
		f := 4 + int(binary.BigEndian.Uint32(frames))
		r := 4 + int(binary.BigEndian.Uint32(replies))
		if size := replica.ReadSize(wire.Opcode(int32(binary.BigEndian.Uint32(frames[8:]))), replies[:r]); size >= 0 {
			path := frames[16 : 16+binary.BigEndian.Uint32(frames[12:])]
			t.Observe(metrics.Namespace(path), int64(len(path)+size))
		}
		frames, replies = frames[f:], replies[r:]
	}
	t.Flush()
	n.tallies.Put(t)
}

// observeStats records by how much the core's own counts have grown.
func (n *Node) observeStats(fx *replica.Effects) {
	m := n.metrics
	if len(fx.Expired) > 0 {
		m.StaleSessionsExpired.AddN(int64(len(fx.Expired)))
	}
	s := n.core.r.Stats() // only the loop changes it
	last := &n.lastStats
	if s == *last {
		return
	}
	m.WatchBytes.AddN(s.WatchBytes - last.WatchBytes)
	m.DigestMismatchesCount.AddN(s.DigestMismatches - last.DigestMismatches)
	names, before := &s.EnsembleNames, &last.EnsembleNames
	m.EnsembleAuthSuccess.AddN(names.Right - before.Right)
	m.EnsembleAuthFail.AddN(names.Wrong - before.Wrong)
	m.EnsembleAuthSkip.AddN(names.Skipped - before.Skipped)
	m.ConnectionRevalidateCount.AddN(s.Revalidations - last.Revalidations)
	m.PrepProcessorRequestQueued.AddN(s.SessionsAsked - last.SessionsAsked)
	m.RequestCommitQueued.AddN(s.Commits - last.Commits)
	m.OutstandingChangesQueued.AddN(s.ChangesQueued - last.ChangesQueued)
	m.OutstandingChangesRemoved.AddN(s.ChangesRemoved - last.ChangesRemoved)
	if n.member != nil {
		n.member.observePeerStats(&s.Peer, &last.Peer)
	}
	n.lastStats = s
}

// observeRuns records latencies, equal neighbours at once.
func observeRuns(ms []int32, observe func(ms, n int64)) {
	for i := 0; i < len(ms); {
		j := i + 1
		for j < len(ms) && ms[j] == ms[i] {
			j++
		}
		observe(int64(ms[i]), int64(j-i))
		i = j
	}
}
