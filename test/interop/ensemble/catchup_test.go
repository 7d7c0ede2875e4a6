package ensemble

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"zooid/internal/storage"
	"zooid/internal/vfs"
	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// syncs is how often a leader has sent a DIFF (or a TRUNC, which Apache's
// server counts with them) and a snapshot.
type syncs struct{ diffs, snaps int }

func countSyncs(t *testing.T, leader *harness.Member) (s syncs) {
	t.Helper()
	for key, n := range map[string]*int{"zk_diff_count": &s.diffs, "zk_snap_count": &s.snaps} {
		var err error
		if *n, err = strconv.Atoi(leader.Metric(key)); err != nil {
			t.Fatalf("%s of the leader (%s): %v", key, leader.Kind(), err)
		}
	}
	return s
}

// TestFollowerCatchesUp: a follower that was away has everything again, by a
// DIFF while the leader still holds what it missed and by a snapshot when not;
// nobody else notices.
func TestFollowerCatchesUp(t *testing.T) {
	cases := []struct {
		name   string
		writes int // while it is away, besides the load
		away   func(m *harness.Member)
		want   syncs // what the leader sends it
	}{
		{"killed, a few writes behind: DIFF", 50, (*harness.Member).Kill, syncs{diffs: 1}},
		{"stopped, a few writes behind: DIFF", 50, (*harness.Member).Stop, syncs{diffs: 1}},
		{"more writes behind than the leader remembers: SNAP", 700, (*harness.Member).Kill, syncs{snaps: 1}},
		{"wiped: SNAP", 50, func(m *harness.Member) { m.Kill(); m.Wipe() }, syncs{snaps: 1}},
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{
			Kinds: kinds,
			// The least that the leader remembers, and no reading of its logs for
			// a learner that is further behind; logs and snapshots are short.
			Lines: []string{"commitLogCount=500", "snapshotSizeFactor=-1", "snapCount=400"},
		})
		leader := e.WaitRoles()
		burst(t, e, 700)
		l := startLoad(t, e, 1, slowly)
		l.more(10)
		mark := l.mark()
		for i, c := range cases {
			follower := e.Followers()[i%2]
			before := countSyncs(t, leader)
			c.away(follower)
			burst(t, e, c.writes)
			follower.Launch()
			follower.WaitServing()
			after := countSyncs(t, leader)
			if got := (syncs{after.diffs - before.diffs, after.snaps - before.snaps}); got != c.want {
				t.Errorf("%s: the leader (%s) sent member %d (%s) %+v, want %+v", c.name, leader.Kind(), follower.ID, follower.Kind(), got, c.want)
			}
			l.more(10)
			if e.WaitRoles() != leader {
				t.Fatalf("%s: the leader is another one: %s", c.name, e.Roles())
			}
		}
		t.Logf("at most %v without an acknowledged write", l.gapSince(mark))
		l.check(e)
		checkTrees(t, e)
	})
}

// burst sends n writes, many at a time.
func burst(t *testing.T, e *harness.Ensemble, n int) {
	t.Helper()
	c := dial(t, e.ClientAddrs())
	defer c.Close()
	root := create(t, c, "/burst-", "", zk.PersistentSequential)
	var wait sync.WaitGroup
	for worker := range 25 {
		wait.Go(func() {
			for i := worker; i < n; i += 25 {
				if _, err := c.Create(within(t), fmt.Sprintf("%s/%d", root, i), nil, zk.Persistent, nil); err != nil {
					t.Errorf("create: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// lastLogged is the zxid of the last txn in the logs of a member.
func lastLogged(t *testing.T, m *harness.Member) (zxid int64) {
	t.Helper()
	txns, err := storage.OpenTxns(vfs.OS, filepath.Join(m.LogDir(), "version-2"), 1, storage.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer txns.Close()
	for {
		// A record that is just being written ends the log for now.
		entry, err := txns.Next()
		if err != nil {
			return zxid
		}
		zxid = entry.Header.Zxid
	}
}

// logTail makes a leader log creations of /tail-... that no follower has: the
// followers are killed while the requests are under way. The leader is killed
// too. False says that it stepped down before it had logged them.
func logTail(t *testing.T, e *harness.Ensemble, leader *harness.Member, round int) bool {
	t.Helper()
	const length = 50
	c, _, err := raw.Connect(leader.Addr(), 40000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r, err := c.Call(raw.OpCreate, raw.Create(fmt.Sprintf("/before-%d", round), nil, raw.World, 0)); err != nil || r.Err != 0 {
		t.Fatalf("create: %v, code %d", err, r.Err)
	}
	checkZxids(t, e)
	before := lastLogged(t, leader)
	e.Kill(e.Followers()...)
	var frames [][]byte
	for i := range length {
		frames = append(frames, raw.Frame(int32(100+i), raw.OpCreate, raw.Create(fmt.Sprintf("/tail-%d-%d", round, i), nil, raw.World, 0)))
	}
	if err := c.Send(frames...); err != nil {
		t.Fatal(err)
	}
	logged := harness.Within(5*time.Second, nil, func() bool { return lastLogged(t, leader) >= before+length })
	leader.Kill()
	t.Logf("the leader (%s) logged up to 0x%x, its followers up to 0x%x", leader.Kind(), lastLogged(t, leader), before)
	return logged
}

// TestUncommittedTail: what a dead leader had logged and nobody else had is
// gone when it comes back, whether or not the others have moved on, and stays
// gone over a restart.
func TestUncommittedTail(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{
			Kinds:    kinds,
			TickTime: 2 * time.Second, // how long a leader goes on without followers
		})
		for round, movedOn := range []bool{false, true} {
			leader := e.WaitRoles()
			followers := e.Followers()
			for attempt := 0; !logTail(t, e, leader, 10*round+attempt); attempt++ {
				if attempt == 3 {
					t.Fatal("the leader steps down each time before it logs anything")
				}
				e.Launch(e.Members()...)
				leader = e.WaitRoles()
				followers = e.Followers()
			}
			e.Launch(followers...)
			successor := e.WaitRoles()
			if movedOn {
				create(t, dial(t, successor.Addr()), "/moved-on", "", zk.Persistent)
			}
			before := countSyncs(t, successor)
			leader.Launch()
			leader.WaitServing()
			after := countSyncs(t, successor)
			t.Logf("moved on: %v; the new leader (%s) sent the old one (%s) %d DIFF or TRUNC and %d SNAP", movedOn,
				successor.Kind(), leader.Kind(), after.diffs-before.diffs, after.snaps-before.snaps)
			if !movedOn && after.snaps != before.snaps {
				t.Errorf("the new leader (%s) sent the old one (%s) a snapshot where a TRUNC is enough", successor.Kind(), leader.Kind())
			}
			checkNoTail(t, e)
			leader.Kill()
			leader.Launch()
			leader.WaitServing()
			checkNoTail(t, e)
		}
	})
}

func checkNoTail(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	for _, c := range dialEach(t, e) {
		if err := c.Sync(within(t), "/"); err != nil {
			t.Fatal(err)
		}
		names, _, err := c.Children(within(t), "/")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if len(name) > 5 && name[:5] == "tail-" {
				t.Errorf("%s has /%s, which was never committed", c.Server(), name)
			}
		}
		c.Close()
	}
	checkEqual(t, e)
}
