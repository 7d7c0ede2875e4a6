package zab

import (
	"sort"

	"zooid/internal/ensemble"
)

// Quorum says which sets of servers are a quorum of one configuration:
// QuorumMaj of Apache's server, or QuorumHierarchical if the configuration has
// group or weight lines.
type Quorum struct {
	version int64
	voters  []int64        // sorted
	members map[int64]bool // by server, observers too
	// weight and group are nil when the majority of the voters decides.
	weight map[int64]int64 // by server
	group  map[int64]int64 // by server
	total  map[int64]int64 // by group: its weight
	groups int             // how many groups weigh anything
}

// NewQuorum returns the rules of a configuration that has passed the checks of
// package ensemble: in hierarchical quorums each voter is in one group.
func NewQuorum(m *ensemble.Membership) *Quorum {
	q := &Quorum{version: m.Version, members: map[int64]bool{}}
	for _, one := range m.Members {
		q.members[one.ID] = true
	}
	for _, one := range m.Voters() {
		q.voters = append(q.voters, one.ID)
	}
	if !m.Hierarchical() {
		return q
	}
	q.weight, q.group, q.total = map[int64]int64{}, map[int64]int64{}, map[int64]int64{}
	for _, g := range m.Groups {
		for _, id := range g.Members {
			q.group[id] = g.ID
			q.weight[id] = m.Weight(id)
			q.total[g.ID] += m.Weight(id)
		}
	}
	for _, total := range q.total {
		if total != 0 {
			q.groups++
		}
	}
	return q
}

// Voter says whether the server votes.
func (q *Quorum) Voter(id int64) bool {
	i := sort.Search(len(q.voters), func(i int) bool { return q.voters[i] >= id })
	return i < len(q.voters) && q.voters[i] == id
}

// Weight is what the voice of a server weighs: 1 where the majority decides, 0
// for a server that no group has.
func (q *Quorum) Weight(id int64) int64 {
	if q.weight == nil {
		return 1
	}
	return q.weight[id]
}

// heir says whether a server that will vote only once a pending reconfiguration
// is committed may be elected before: if there is one voter now. That one and a
// quorum of the next configuration have to agree on a leader, and if the
// transactions behind the reconfiguration got to the others and not to its disk,
// none of them can follow it. With more voters now, one of those that had to
// acknowledge what may be committed can lead. In Apache's ensemble nobody is
// elected then until an operator intervenes (FastLeaderElection.getInitId).
func (q *Quorums) heir(id int64) bool {
	return q.next != nil && len(q.current.voters) == 1 && q.next.Voter(id)
}

// Contains says whether the servers that has names are a quorum. Only voters
// are asked for. With the majority that is strictly more than half of them;
// with groups strictly more than half of the groups that weigh anything, each
// with strictly more than half of its weight.
func (q *Quorum) Contains(has func(id int64) bool) bool {
	if q.weight == nil {
		count := 0
		for _, id := range q.voters {
			if has(id) {
				count++
			}
		}
		return 2*count > len(q.voters)
	}
	sum := map[int64]int64{}
	for _, id := range q.voters {
		if has(id) {
			sum[q.group[id]] += q.weight[id]
		}
	}
	groups := 0
	for group, weight := range sum {
		// Half is subtracted, not doubled: weights go up to the largest long.
		if weight > q.total[group]-weight {
			groups++
		}
	}
	return 2*groups > q.groups
}

// Quorums are the rules that hold at one time: those of the current
// configuration, and while a reconfiguration is under way those of the next
// one as well. What needs a quorum then needs one of both.
type Quorums struct {
	current, next *Quorum // next is nil when there is none
	seen          *Quorum // the last-seen configuration, whatever its version; may be nil
	voters        []int64 // of either, sorted
}

// NewQuorums returns the rules of the current configuration and of the
// last-seen one, which counts only if its version is higher. next may be nil.
func NewQuorums(current, next *ensemble.Membership) *Quorums {
	q := &Quorums{current: NewQuorum(current)}
	q.voters = q.current.voters
	if next == nil {
		return q
	}
	seen := NewQuorum(next)
	q.seen = seen
	if seen.version > q.current.version {
		q.next = seen
	}
	// As in QuorumPeer.getCurrentAndNextConfigVoters, whose versions do not
	// matter.
	q.voters = append([]int64(nil), q.current.voters...)
	for _, id := range seen.voters {
		if !q.current.Voter(id) {
			q.voters = append(q.voters, id)
		}
	}
	sort.Slice(q.voters, func(i, j int) bool { return q.voters[i] < q.voters[j] })
	return q
}

// Voters are the servers that vote in either configuration, sorted.
func (q *Quorums) Voters() []int64 { return q.voters }

// Voter says whether the server votes in either configuration.
func (q *Quorums) Voter(id int64) bool {
	i := sort.Search(len(q.voters), func(i int) bool { return q.voters[i] >= id })
	return i < len(q.voters) && q.voters[i] == id
}

// Member says whether either configuration has the server, as a voter or not.
func (q *Quorums) Member(id int64) bool {
	return q.current.members[id] || q.seen != nil && q.seen.members[id]
}

// observes says whether the current configuration has the server, but not as a
// voter.
func (q *Quorums) observes(id int64) bool { return q.current.members[id] && !q.current.Voter(id) }

// Electable says whether the server may become leader: its weight must not be
// 0 in the current configuration, or in the next one if only that knows it.
func (q *Quorums) Electable(id int64) bool {
	if q.next != nil && !q.current.Voter(id) && q.next.Voter(id) {
		return q.next.Weight(id) != 0
	}
	return q.current.Weight(id) != 0
}

// Contains says whether the servers that has names are a quorum of every
// configuration that counts.
func (q *Quorums) Contains(has func(id int64) bool) bool {
	return q.current.Contains(has) && (q.next == nil || q.next.Contains(has))
}

// ContainsEither says whether the servers that has names are a quorum of one of
// the configurations that count.
func (q *Quorums) ContainsEither(has func(id int64) bool) bool {
	return q.current.Contains(has) || q.next != nil && q.next.Contains(has)
}

// Single returns the rules of an ensemble of one server.
func Single(id int64) *Quorums {
	voters := []int64{id}
	return &Quorums{current: &Quorum{voters: voters, members: map[int64]bool{id: true}}, voters: voters}
}
