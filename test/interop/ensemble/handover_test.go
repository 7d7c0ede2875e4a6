package ensemble

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// TestHandOver: a leader of ours that is asked to has another member lead, of
// either kind, and follows it. No process ends, no acknowledged write is lost,
// and sessions with their ephemerals and watches go on. With members of ours
// alone no client is even disconnected. Apache's server has no such thing.
func TestHandOver(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		for range kinds {
			if leader.Kind() == harness.Zooid {
				break
			}
			leader.Restart()
			leader = e.WaitRoles()
		}
		if leader.Kind() != harness.Zooid {
			if !slices.Contains(kinds, harness.Zooid) {
				t.Skip("Apache's server hands nothing over")
			}
			t.Fatal("no member of ours comes to lead")
		}
		g := arrive(t, e, leader, "handed")
		l := startLoad(t, e, 3, slowly)
		l.more(20)
		mark, before := l.mark(), epoch(t, leader)
		leader.HandOver()
		harness.Until(t, fmt.Sprintf("member %d follows", leader.ID), leader.Done(), func() bool { return leader.Role() == "follower" })
		next := e.WaitRoles()
		if next == leader {
			t.Fatalf("member %d leads again", leader.ID)
		}
		if now := epoch(t, next); now != before+1 {
			t.Errorf("the epoch is %d, want %d: it took more than one election", now, before+1)
		}
		l.more(20)
		t.Logf("%s hands over to %s: at most %v without an acknowledged write", leader.Kind(), next.Kind(), l.gapSince(mark))
		g.survived(e)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestStopWithoutQuorum: a leader that is told to stop when its followers are
// gone already, as when all members are stopped one after another, notices that
// what is in flight can be answered no more, and does not wait for it. Apache's
// server answers nothing that is in flight.
func TestStopWithoutQuorum(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{
			Kinds: kinds,
			// Long enough to be told before it has noticed by itself.
			TickTime:   3 * time.Second,
			Properties: []string{"zookeeper.request_throttler.shutdownTimeout=600000"},
		})
		leader := e.WaitRoles()
		c, _ := open(t, leader, sessionTimeout)
		e.Kill(e.Followers()...)
		if err := c.Send(raw.Frame(1, raw.OpCreate, raw.Create("/late", nil, raw.World, ephemeral))); err != nil {
			t.Fatal(err)
		}
		harness.Until(t, "the write is in flight", leader.Done(), func() bool {
			return leader.Metric("zk_outstanding_requests") != "0"
		})
		leader.Stop() // fails when it takes longer than the ring's patience
	})
}
