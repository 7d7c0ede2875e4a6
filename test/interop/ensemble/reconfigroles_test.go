package ensemble

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// waitRole waits until a member has a role.
func waitRole(t *testing.T, m *harness.Member, role string) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("member %d (%s) is a %s", m.ID, m.Kind(), role), m.Done(), func() bool { return m.Role() == role })
}

// settled waits until every living member shows one configuration.
func settled(t *testing.T, e *harness.Ensemble, text string) {
	t.Helper()
	for _, m := range e.Alive() {
		c := dial(t, m.Addr())
		if got := configAt(t, c, versionIn(text)); got != text {
			t.Errorf("member %d (%s) shows\n%s\nand not\n%s", m.ID, m.Kind(), got, text)
		}
		c.Close()
	}
}

// handOver is reconfig for a change of the leader: the servers leave their roles
// with its commit, and Apache's close their clients before they answer. Zooid's
// do not.
func handOver(t *testing.T, e *harness.Ensemble, c *zk.Client, change zk.Change) string {
	t.Helper()
	at := c.Server()
	before, _, err := c.GetConfig(within(t))
	if err != nil {
		t.Fatal(err)
	}
	change.From = zk.AnyConfig
	text, _, err := c.Reconfig(within(t), change)
	switch {
	case err == nil:
		return string(text)
	case !errors.Is(err, zk.ErrConnectionLoss) || allZooid(e):
		t.Fatalf("reconfig %+v at %s: %v", change, at, err)
	}
	harness.Until(t, "a new configuration", nil, func() bool {
		text, _, err = c.GetConfig(within(t))
		return err == nil && string(text) != string(before)
	})
	return string(text)
}

func allZooid(e *harness.Ensemble) bool {
	for _, m := range e.Members() {
		if m.Kind() == harness.Java {
			return false
		}
	}
	return true
}

// TestObserverJoins: a server that only knows the others joins as an observer,
// becomes a voter, an observer again, and leaves.
func TestObserverJoins(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		opt := reconfigurable(cycle(kinds, 4))
		opt.Joiners, opt.Observers = []int{4}, []int{4}
		e := harness.StartEnsemble(t, opt)
		c := dial(t, e.Member(1).Addr())
		create(t, c, "/before", "1", zk.Persistent)
		m := e.Member(4)
		m.Launch()
		// The configuration that it finds does not name it.
		waitRole(t, m, "follower")
		settled(t, e, reconfig(t, c, zk.Change{Joining: m.ReconfigLine("observer")}))
		waitRole(t, m, "observer")
		create(t, c, "/observing", "1", zk.Persistent)

		m.Observer = false
		settled(t, e, reconfig(t, c, zk.Change{Joining: m.ReconfigLine("participant")}))
		waitRole(t, m, "follower")
		e.WaitRoles()
		create(t, c, "/voting", "1", zk.Persistent)
		// Its vote is needed now: of four, three have to agree.
		e.Kill(e.Followers()[0])
		create(t, dial(t, e.Leader().Addr()), "/needed", "1", zk.Persistent)
		e.Launch(e.Members()[0:0]...)
		for _, one := range e.Members() {
			if !one.Running() {
				e.Launch(one)
			}
		}
		e.WaitRoles()

		m.Observer = true
		c = dial(t, e.ClientAddrs())
		settled(t, e, reconfig(t, c, zk.Change{Joining: m.ReconfigLine("observer")}))
		waitRole(t, m, "observer")
		e.WaitRoles()
		removed := reconfig(t, c, zk.Change{Leaving: "4"})
		settled(t, e, removed)
		// A server that the configuration does not name follows without a vote.
		waitRole(t, m, "follower")
		create(t, c, "/after", "1", zk.Persistent)
		d := dial(t, m.Addr())
		for _, path := range []string{"/before", "/observing", "/voting", "/needed", "/after"} {
			if !exists(t, d, path) {
				t.Errorf("the server that was removed does not have %s", path)
			}
		}
		m.Observer = false
		checkEqual(t, e)
	})
}

// TestParticipantJoins: a server that only knows the others follows without a
// vote until it is added, and counts from then on.
func TestParticipantJoins(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		opt := reconfigurable(cycle(kinds, 5))
		opt.Joiners = []int{4, 5}
		e := harness.StartEnsemble(t, opt)
		c := dial(t, e.Member(1).Addr())
		create(t, c, "/a", "1", zk.Persistent)
		e.Launch(e.Member(4), e.Member(5))
		e.WaitRoles()
		if n := e.Leader().Metric("zk_quorum_size"); n != "3" {
			t.Errorf("quorum_size is %q before, want 3", n)
		}
		text := reconfig(t, c, zk.Change{Joining: e.Member(4).ReconfigLine("participant") + "," + e.Member(5).ReconfigLine("participant")})
		settled(t, e, text)
		if n := e.Leader().Metric("zk_quorum_size"); n != "5" {
			t.Errorf("quorum_size is %q after, want 5", n)
		}
		e.Kill(e.Followers()[:2]...)
		leader := dial(t, e.Leader().Addr())
		create(t, leader, "/b", "1", zk.Persistent)
		for _, m := range e.Members() {
			if !m.Running() {
				e.Launch(m)
			}
		}
		e.WaitRoles()
		settled(t, e, text)
		checkTrees(t, e)
	})
}

// TestLeaderIsRemoved: the leader hands over to the one that it names, without
// an election, and follows it without a vote.
func TestLeaderIsRemoved(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		leader, others := e.Leader(), e.Followers()
		g := arrive(t, e, others[0], "guest")
		before := epoch(t, leader)
		text := handOver(t, e, g.Client, zk.Change{Leaving: fmt.Sprint(leader.ID)})
		if strings.Contains(text, fmt.Sprintf("server.%d=", leader.ID)) {
			t.Fatalf("the leader is still there:\n%s", text)
		}
		settled(t, e, text)
		waitRole(t, leader, "follower")
		next := e.WaitRoles()
		create(t, g.Client, "/after", "1", zk.Persistent)
		if now := epoch(t, next); now != before+1 {
			t.Errorf("epoch %d follows %d", now, before)
		}
		g.survived(e)
		checkEqual(t, e)
		// Two voters are left: both are needed, the one that was removed is not.
		leader.Stop()
		create(t, g.Client, "/alone", "1", zk.Persistent)
	})
}

// TestLeaderBecomesObserver: the same for a leader that stays without a vote.
func TestLeaderBecomesObserver(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		leader, others := e.Leader(), e.Followers()
		c := dial(t, others[0].Addr())
		text := handOver(t, e, c, zk.Change{Joining: leader.ReconfigLine("observer")})
		leader.Observer = true
		settled(t, e, text)
		waitRole(t, leader, "observer")
		e.WaitRoles()
		create(t, dial(t, leader.Addr()), "/after", "1", zk.Persistent)
		checkEqual(t, e)
	})
}
