package ensemble

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// checkUnserved fails unless a member that has no quorum drops the client that
// it had and takes no new one.
func checkUnserved(t *testing.T, m *harness.Member, c *raw.Conn) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("member %d (%s) stops serving without a quorum", m.ID, m.Kind()), m.Done(),
		func() bool { return m.Role() == "" })
	if _, err := c.Call(raw.OpGetData, raw.PathBool("/", false)); err == nil {
		t.Errorf("member %d (%s) answers a read without a quorum", m.ID, m.Kind())
	} else if errors.Is(err, raw.ErrSilent) {
		t.Errorf("member %d (%s) keeps its client without a quorum", m.ID, m.Kind())
	}
	if other, s, err := raw.Connect(m.Addr(), 5000); err == nil {
		t.Errorf("member %d (%s) without a quorum gives the session 0x%x", m.ID, m.Kind(), s.ID)
		other.Close()
	}
	if out := m.FourLetter("srvr"); !strings.HasPrefix(out, "This ZooKeeper instance is not currently serving requests") {
		t.Errorf("srvr of member %d (%s) without a quorum: %q", m.ID, m.Kind(), out)
	}
	if out := m.FourLetter("ruok"); out != "imok" {
		t.Errorf("ruok of member %d (%s) without a quorum: %q", m.ID, m.Kind(), out)
	}
}

// TestMinority: a member that can reach no quorum serves nobody, whether it led
// or followed, and serves again as soon as there is a quorum, with its data.
func TestMinority(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		create(t, dial(t, leader.Addr()), "/kept", "data", zk.Persistent)
		for _, alone := range []*harness.Member{leader, e.Followers()[0]} {
			e.WaitRoles()
			others := slices.DeleteFunc(e.Members(), func(m *harness.Member) bool { return m == alone })
			c, _ := open(t, alone, sessionTimeout)
			e.Kill(others...)
			checkUnserved(t, alone, c)
			e.Launch(others[0])
			e.WaitRoles()
			for _, c := range dialEach(t, e) {
				if got := read(t, c, "/kept"); got != "data" {
					t.Errorf("%s reads %q", c.Server(), got)
				}
			}
			e.Launch(others[1])
			e.WaitRoles()
		}
		checkEqual(t, e)
	})
}

// TestFullRestart: an ensemble that was stopped, or killed, as a whole has all
// its data and sessions when it is back.
func TestFullRestart(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		owner, s := open(t, e.Members()[0], sessionTimeout)
		call(t, owner, raw.OpCreate, raw.Create("/session", nil, raw.World, ephemeral))
		l := startLoad(t, e, 4, steadily)
		for _, end := range []func(){
			func() { e.Kill(e.Members()...) },
			func() {
				for _, m := range e.Members() {
					m.Stop()
				}
			},
			func() { e.Kill(e.Members()...) },
		} {
			l.more(200)
			before := epoch(t, e.Leader())
			end()
			e.Launch(e.Members()...)
			if now := epoch(t, e.WaitRoles()); now <= before {
				t.Errorf("the epoch is %d, was %d", now, before)
			}
		}
		l.more(100)
		c := resume(t, e.Members()[1], s)
		if r := call(t, c, raw.OpExists, raw.PathBool("/session", false)); r.Body.Stat().EphemeralOwner != s.ID {
			t.Errorf("the znode of a session is not there any more")
		}
		call(t, c, raw.OpCloseSession, nil)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestRollingRestart: members that are restarted one by one, the leader last,
// are hardly noticed: no session is lost, no acknowledged write either.
func TestRollingRestart(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		g := arrive(t, e, leader, "rolling")
		l := startLoad(t, e, 2, slowly)
		l.more(20)
		mark := l.mark()
		for _, m := range append(e.Followers(), leader) {
			m.Restart()
			now := e.WaitRoles()
			harness.Until(t, "the leader counts all followers as synced", now.Done(), func() bool {
				return now.Metric("zk_synced_followers") == "2"
			})
			l.more(20)
		}
		t.Logf("at most %v without an acknowledged write", l.gapSince(mark))
		g.survived(e)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestObserver: an observer serves reads and passes writes on, holds the same
// tree, and has no say: its id would win every election and its vote would make
// a majority of what is left.
func TestObserver(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Observers: []int{len(kinds)}})
		leader, observer := e.WaitRoles(), e.Member(len(kinds))
		if n := leader.Metric("zk_synced_observers"); n != "1" {
			t.Errorf("the leader (%s) counts %q synced observers, want 1", leader.Kind(), n)
		}
		if state := observer.Metric("zk_peer_state"); state != "observing - broadcast" {
			t.Errorf("mntr of the observer (%s): zk_peer_state %q", observer.Kind(), state)
		}
		for _, hold := range []func(*testing.T, *harness.Ensemble){writesEverywhere, ephemeralsEverywhere, watchesEverywhere, pipelined, sessionMoves} {
			hold(t, e)
		}
		checkEqual(t, e)

		// Away and back, by a DIFF and without data.
		for _, wipe := range []bool{false, true} {
			observer.Kill()
			if wipe {
				observer.Wipe()
			}
			create(t, dial(t, leader.Addr()), fmt.Sprintf("/observer-wiped-%v", wipe), "", zk.Persistent)
			observer.Launch()
			observer.WaitServing()
			checkEqual(t, e)
		}

		voter := e.Followers()[0]
		c, _ := open(t, observer, sessionTimeout)
		e.Kill(voter)
		checkUnserved(t, observer, c)
		if role := leader.Role(); role != "" {
			t.Errorf("member %d (%s) is %q with an observer alone", leader.ID, leader.Kind(), role)
		}
		e.Launch(voter)
		e.WaitRoles()
		checkEqual(t, e)
	})
}

// TestWeights: with weights the members that have none neither lead nor make a
// quorum, though they hold the data and serve.
func TestWeights(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		n := len(kinds)
		var ids []string
		lines := []string{}
		for id := 1; id <= n; id++ {
			ids = append(ids, fmt.Sprint(id))
			weight := 1
			if id == n {
				weight = 0
			}
			lines = append(lines, fmt.Sprintf("weight.%d=%d", id, weight))
		}
		e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Lines: append(lines, "group.1="+strings.Join(ids, ":"))})
		light := e.Member(n)
		if leader := e.WaitRoles(); leader == light {
			t.Fatalf("member %d (%s) leads without weight", light.ID, light.Kind())
		}
		writesEverywhere(t, e)
		light.Kill()
		create(t, dial(t, e.Leader().Addr()), "/without-the-light-one", "", zk.Persistent)
		light.Launch()
		light.WaitServing()

		c, _ := open(t, light, sessionTimeout)
		heavy := e.Followers()[0]
		if heavy == light {
			heavy = e.Followers()[1]
		}
		heavy.Kill()
		checkUnserved(t, light, c)
		heavy.Launch()
		if leader := e.WaitRoles(); leader == light {
			t.Errorf("member %d (%s) leads without weight", light.ID, light.Kind())
		}
		checkEqual(t, e)
	})
}

// TestFive: two of five members may be away, three may not.
func TestFive(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, cycle(kinds, 5))
		leader := e.WaitRoles()
		l := startLoad(t, e, 2, slowly)
		l.more(20)
		mark := l.mark()
		away := []*harness.Member{leader, e.Followers()[0]}
		e.Kill(away...)
		l.more(40)
		t.Logf("%v without an acknowledged write after the death of the leader and a follower", l.gapSince(mark))
		rest := e.Alive()
		c, _ := open(t, rest[0], sessionTimeout)
		rest[1].Kill()
		checkUnserved(t, rest[0], c)
		e.Launch(append(away, rest[1])...)
		e.WaitRoles()
		l.more(20)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestSilentPeer: a member that is started while another one holds its
// connections open without a word still finds its leader in time.
func TestSilentPeer(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		e.WaitRoles()
		followers := e.Followers()
		followers[0].Kill()
		create(t, dial(t, e.Leader().Addr()), "/missed", "", zk.Persistent)
		followers[1].Pause()
		began := time.Now()
		followers[0].Launch()
		e.WaitRoles()
		t.Logf("a quorum with the member that came back after %v", time.Since(began).Round(time.Millisecond))
		for _, c := range dialEach(t, e) {
			create(t, c, "/missed/at-"+c.Server(), "", zk.Persistent)
		}
		followers[1].Resume()
		e.WaitRoles()
		checkEqual(t, e)
	})
}
