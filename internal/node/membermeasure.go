package node

import (
	"strconv"
	"time"

	"zooid/internal/metrics"
	"zooid/internal/quorumport"
	"zooid/internal/replica"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// wireMetrics connects the gauges of a member of an ensemble to what they
// show.
func (m *member) wireMetrics() {
	n, q := m.n, &m.n.metrics.Quorum
	around := func(f func(v replica.LeaderView) int) func() int64 {
		return func() (v int64) {
			n.core.view(func(r *replica.Replica) { v = int64(f(r.Leadership())) })
			return v
		}
	}
	q.Learners.From(around(func(v replica.LeaderView) int { return v.Learners }))
	q.SyncedFollowers.From(around(func(v replica.LeaderView) int { return v.Followers }))
	q.SyncedNonVotingFollowers.From(around(func(v replica.LeaderView) int { return v.NonVoting }))
	q.SyncedObservers.From(around(func(v replica.LeaderView) int { return v.Observers }))
	q.PendingSyncs.From(around(func(v replica.LeaderView) int { return v.Barriers }))
	q.LeaderUptime.From(func() int64 { return n.clock().Mono - m.since.Load() })
	q.QuorumSize.From(func() (v int64) {
		n.core.view(func(r *replica.Replica) { v = int64(len(r.Membership().Voters())) })
		return v
	})
	now := n.clock().Mono
	m.measured = roleTimes{looking: now, away: now, unavailable: true}
}

// roleTimes is since when a member has been without what it is measured for;
// the loop's own.
type roleTimes struct {
	looking     int64 // clock: for a leader
	away        int64 // clock: without serving
	unavailable bool
}

// measureRole begins to measure as a new role does, and how long the one before
// has taken.
func (m *member) measureRole(c *replica.RoleChange) {
	s, now, t := m.n.metrics, m.n.clock().Mono, &m.measured
	switch {
	case c.Serving:
		m.since.Store(now)
		if t.unavailable {
			t.unavailable = false
			s.UnavailableTime.Observe(now - t.away)
			if c.State == wire.Leading {
				s.LeaderUnavailableTime.Observe(now - t.away)
			}
		}
		switch c.State {
		case wire.Following:
			s.FollowerSyncTime.Observe(c.SyncTook)
		case wire.Observing:
			s.ObserverSyncTime.Observe(c.SyncTook)
		}
		return
	case c.State == wire.Looking:
		t.looking = now
		if !t.unavailable {
			t.away, t.unavailable = now, true
		}
	case c.State != wire.Observing:
		s.ElectionTime.Observe(now - t.looking)
	}
	role := metrics.Learns
	switch {
	case c.State == wire.Leading:
		role = metrics.Leads
		s.ProposalSize.Reset()
	case c.State == wire.Following && m.n.cfg.Quorum.ObserverMasterPort > 0:
		role = metrics.Feeds
	}
	s.SetRole(role)
}

// observe records what a turn of the loop has done as a member of an ensemble.
func (m *member) observe(fx *replica.Effects) {
	s := m.n.metrics
	observeRuns(fx.Peer.Proposed, s.ProposalLatency.ObserveN)
	observeRuns(fx.Peer.Logged, s.ProposalAckCreationLatency.ObserveN)
	if m.role.State == wire.Leading {
		observeRuns(fx.Ages, s.QuorumAckLatency.ObserveN)
		m.observeProposals(fx.Append)
	} else {
		observeRuns(fx.Ages, s.CommitPropagationLatency.ObserveN)
	}
	if m.role.State == wire.Following && m.n.cfg.Quorum.ObserverMasterPort > 0 {
		// A proposal gives a follower nothing to do for observers, and a commit
		// is passed on as it is applied.
		s.OMProposalProcessTime.ObserveN(0, int64(len(fx.Peer.Proposed)))
		s.OMCommitProcessTime.ObserveN(0, int64(len(fx.Ages)))
	}
	for _, a := range fx.Peer.Acks {
		s.AckLatency.At(strconv.AppendInt(nil, a.Server, 10)).Observe(int64(a.Age))
	}
	for _, x := range fx.Peer.Syncs {
		if x.Method == zab.Snap {
			s.InflightSnapCount.Observe(int64(x.Learners))
		} else {
			s.InflightDiffCount.Observe(int64(x.Learners))
		}
	}
}

// observePeerStats records by how much the core's own counts have grown.
func (m *member) observePeerStats(now, last *replica.PeerStats) {
	s := m.n.metrics
	s.DiffCount.AddN(now.Diffs - last.Diffs)
	s.SnapCount.AddN(now.Snaps - last.Snaps)
	s.RevalidateCount.AddN(now.Revalidations - last.Revalidations)
	s.LearnerProposalReceivedCount.AddN(now.Proposals - last.Proposals)
	s.LearnerCommitReceivedCount.AddN(now.Commits - last.Commits)
	s.CommitCount.AddN(now.Committed - last.Committed)
	s.PrepProcessorRequestQueued.AddN(now.Requests - last.Requests)
	s.LookingCount.AddN(now.Looks - last.Looks)
	s.QuitLeadingDueToDisloyalVoter.AddN(now.Forsaken - last.Forsaken)
}

// observeProposals records what a leader has proposed in a turn.
func (m *member) observeProposals(records []replica.Record) {
	var count, last, low, high int64
	for i := range records {
		rec := &records[i]
		if rec.Op != replica.Append {
			continue
		}
		last = int64(len(rec.Entry))
		if count == 0 {
			low = last
		}
		low, high = min(low, last), max(high, last)
		count++
	}
	if count > 0 {
		m.n.metrics.ProposalCount.AddN(count)
		m.n.metrics.ProposalSize.ObserveBatch(last, low, high)
	}
}

// queueMeter measures what waits for a learner (LearnerHandler.sendPackets).
func (m *member) queueMeter(server int64) quorumport.Meter {
	label := strconv.AppendInt(nil, server, 10)
	size, wait := m.n.metrics.LearnerHandlerQPSize.At(label), m.n.metrics.LearnerHandlerQPTime.At(label)
	return func(queued, taken int, waited time.Duration) {
		size.ObserveN(int64(queued-taken), int64(taken))
		wait.ObserveN(waited.Milliseconds(), int64(taken))
	}
}

// hangUp ends a connection of a role that is over.
func (m *member) hangUp(link *quorumport.Link) {
	begin := time.Now()
	link.Close(errRoleOver)
	m.n.metrics.SocketClosingTime.Observe(time.Since(begin).Milliseconds())
}
