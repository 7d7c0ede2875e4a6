package node

import (
	"zooid/internal/metrics"
	"zooid/internal/replica"
	"zooid/internal/wire"
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
}

// measureRole begins to measure as a new role does.
func (m *member) measureRole(c *replica.RoleChange) {
	q := &m.n.metrics.Quorum
	switch {
	case c.Serving:
		m.since.Store(m.n.clock().Mono)
	case c.State == wire.Leading:
		q.ProposalSize.Reset()
		q.SetRole(metrics.Leads)
	default:
		q.SetRole(metrics.Learns)
	}
}

// observe records what a turn of the loop has done as a member of an ensemble.
func (m *member) observe(fx *replica.Effects) {
	if m.role.State == wire.Leading {
		m.observeProposals(fx.Append)
	}
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
