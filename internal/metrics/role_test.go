package metrics

import (
	"slices"
	"testing"
)

// Which gauges there are depends on the role.
func TestRoleGauges(t *testing.T) {
	s := new(Server)
	leader := []string{"learners", "synced_followers", "synced_non_voting_followers", "synced_observers", "pending_syncs",
		"leader_uptime", "last_proposal_size", "max_proposal_size", "min_proposal_size"}
	for _, c := range []struct {
		role Role
		want []string
	}{
		{Alone, nil}, {Learns, []string{"quorum_size"}}, {Leads, append(leader, "quorum_size")}, {Learns, []string{"quorum_size"}},
		{Feeds, []string{"synced_observers", "quorum_size"}},
	} {
		s.SetRole(c.role)
		var got []string
		for _, sample := range s.Samples() {
			if sample.Key == "quorum_size" || slices.Contains(leader, sample.Key) {
				got = append(got, sample.Key)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("role %d shows %v, want %v", c.role, got, c.want)
		}
	}
	s.SetRole(Leads)
	s.ProposalSize.ObserveBatch(40, 36, 97)
	if got, want := text(s, ".*_proposal_size"), "last_proposal_size=40 max_proposal_size=97 min_proposal_size=36"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
