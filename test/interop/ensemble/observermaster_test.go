package ensemble

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// withMasters starts three voters and two observers that learn from followers:
// the first and the last of the kinds.
func withMasters(t *testing.T, kinds []harness.Kind, lines ...string) *harness.Ensemble {
	t.Helper()
	return harness.StartEnsemble(t, harness.EnsembleOptions{
		Kinds: append(slices.Clone(kinds), kinds[0], kinds[len(kinds)-1]), Observers: []int{len(kinds) + 1, len(kinds) + 2},
		ObserverMasters: true, Lines: lines,
	})
}

// masterOf is the member that an observer learns from.
func masterOf(t *testing.T, e *harness.Ensemble, observer *harness.Member) *harness.Member {
	t.Helper()
	id, err := strconv.Atoi(observer.Metric("zk_observer_master_id"))
	if err != nil || id < 1 || id > len(e.Members()) {
		t.Fatalf("member %d (%s) learns from %q", observer.ID, observer.Kind(), observer.Metric("zk_observer_master_id"))
	}
	return e.Member(id)
}

// checkMasters fails unless all observers learn from followers.
func checkMasters(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	learning := map[*harness.Member]int{}
	for _, m := range e.Alive() {
		if m.Observer {
			learning[masterOf(t, e, m)]++
		}
	}
	for _, m := range e.Alive() {
		if m.Observer {
			continue
		}
		if m.Role() == "leader" && learning[m] > 0 {
			t.Errorf("%d observers learn from the leader", learning[m])
		}
		if n := m.Metric("zk_synced_observers"); n != strconv.Itoa(learning[m]) {
			t.Errorf("member %d (%s), a %s, counts %s observers, %d say that they learn from it", m.ID, m.Kind(), m.Role(), n, learning[m])
		}
	}
}

// TestObserverMaster: observers that learn from followers are as good as those
// of the leader.
func TestObserverMaster(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := withMasters(t, kinds)
		checkMasters(t, e)
		for _, hold := range []struct {
			name string
			hold func(*testing.T, *harness.Ensemble)
		}{
			{"writes", writesEverywhere}, {"ephemerals", ephemeralsEverywhere}, {"watches", watchesEverywhere}, {"pipelines", pipelined},
			{"sessions move", sessionMoves}, {"sessions close", closedElsewhere}, {"old sessions are refused", overEverywhere},
			{"silent sessions expire", expiresAnywhere}, {"watches are set again", watchesReplayed}, {"no client goes back", neverBack},
		} {
			t.Run(hold.name, func(t *testing.T) { hold.hold(t, e) })
		}
		checkEqual(t, e)
	})
}

// TestObserverMasterFails: an observer goes on with another follower, or the
// same one with another leader, and has everything.
func TestObserverMasterFails(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := withMasters(t, kinds)
		observers := e.Members()[len(kinds):]
		for round := range 2 {
			lost := masterOf(t, e, observers[0])
			if round == 1 {
				lost = e.Leader()
			}
			create(t, dial(t, e.Leader().Addr()), fmt.Sprintf("/before-%d", round), "", zk.Persistent)
			e.Kill(lost)
			e.WaitRoles()
			checkMasters(t, e)
			create(t, dial(t, observers[0].Addr()), fmt.Sprintf("/without-%d", round), "", zk.Persistent)
			e.Launch(lost)
			e.WaitRoles()
		}
		checkEqual(t, e)
	})
}

// TestObserverMasterCatchUp: a follower brings an observer up to date by
// whatever it takes: what it keeps in memory, the log, or a snapshot.
func TestObserverMasterCatchUp(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := withMasters(t, kinds)
		observers := e.Members()[len(kinds):]
		writer := dial(t, e.Leader().Addr())
		create(t, writer, "/n", "", zk.Persistent)
		for _, n := range []int{10, 1200} {
			for _, wipe := range []bool{false, true} {
				e.Kill(observers...)
				if wipe {
					for _, o := range observers {
						o.Wipe()
					}
				}
				for range n {
					if _, err := writer.Set(within(t), "/n", []byte("value"), -1); err != nil {
						t.Fatal(err)
					}
				}
				e.Launch(observers...)
				e.WaitRoles()
				checkMasters(t, e)
				checkEqual(t, e)
			}
		}
	})
}
