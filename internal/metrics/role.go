package metrics

import "sync/atomic"

// Role is what a server does in its ensemble, as far as it decides which
// gauges mntr shows. The zero value is a server that is alone.
type Role int32

// The roles.
const (
	Alone  Role = iota
	Learns      // an observer, or a follower
	Feeds       // a follower from which observers may learn
	Leads
)

// Quorum is what a member of an ensemble shows of the others (QuorumZooKeeperServer,
// LeaderZooKeeperServer). A server that is alone shows none of it.
type Quorum struct {
	role atomic.Int32

	// QuorumSize is the number of voters of the configuration. Every member
	// shows it.
	QuorumSize Gauge

	// What follows is shown by a leader only, and SyncedObservers by who feeds
	// observers too.

	// Learners is the number of learners that are connected, in sync or not.
	Learners Gauge
	// SyncedFollowers is the number of followers that get the live traffic,
	// those without a vote included.
	SyncedFollowers Gauge
	// SyncedNonVotingFollowers is the number of those without a vote.
	SyncedNonVotingFollowers Gauge
	// SyncedObservers is the number of observers that get the live traffic.
	SyncedObservers Gauge
	// PendingSyncs is the number of syncs of clients that wait for a commit.
	PendingSyncs Gauge
	// LeaderUptime is the ms since the leader began to serve.
	LeaderUptime Gauge
	// ProposalSize is last/min/max_proposal_size and the line of srvr: the
	// bytes of header, txn and digest of what this leader has proposed. It
	// starts anew with each leadership.
	ProposalSize Sizes
}

// SetRole says which gauges are shown from now on.
func (q *Quorum) SetRole(r Role) { q.role.Store(int32(r)) }

// inRole is a metric that only some roles show: those from least on.
type inRole struct {
	of    *Quorum
	least Role
	metric
}

func (m inRole) samples(name string, to []Sample) []Sample {
	if Role(m.of.role.Load()) < m.least {
		return to
	}
	return m.metric.samples(name, to)
}

// roleGauges are the gauges that only members of an ensemble show.
func (s *Server) roleGauges() []row {
	q := &s.Quorum
	rows := []row{
		{"learners", &q.Learners},
		{"synced_followers", &q.SyncedFollowers},
		{"synced_non_voting_followers", &q.SyncedNonVotingFollowers},
		{"synced_observers", &q.SyncedObservers},
		{"pending_syncs", &q.PendingSyncs},
		{"leader_uptime", &q.LeaderUptime},
		{"last_proposal_size", sizes{&q.ProposalSize}},
		{"max_proposal_size", view(q.ProposalSize.Max)},
		{"min_proposal_size", view(q.ProposalSize.Min)},
	}
	for i := range rows {
		least := Leads
		if rows[i].name == "synced_observers" {
			least = Feeds
		}
		rows[i].metric = inRole{q, least, rows[i].metric}
	}
	return append(rows, row{"quorum_size", inRole{q, Learns, &q.QuorumSize}})
}
