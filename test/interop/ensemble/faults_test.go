package ensemble

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// servers hands out the servers of a client in a fixed order, so that a test
// decides which member a session begins at.
type servers struct {
	addrs []string
	next  int
}

func startingAt(e *harness.Ensemble, first *harness.Member) zk.Option {
	s := &servers{addrs: []string{first.Addr()}}
	for _, m := range e.Members() {
		if m != first {
			s.addrs = append(s.addrs, m.Addr())
		}
	}
	return zk.WithHostList(s)
}

// Len implements zk.HostList.
func (s *servers) Len() int { return len(s.addrs) }

// Next implements zk.HostList.
func (s *servers) Next() (string, bool) {
	addr := s.addrs[s.next]
	s.next = (s.next + 1) % len(s.addrs)
	return addr, s.next == 0
}

// Connected implements zk.HostList.
func (s *servers) Connected() {}

// epoch is the epoch of a member's last zxid.
func epoch(t *testing.T, m *harness.Member) int64 {
	t.Helper()
	zxid, err := strconv.ParseInt(strings.TrimPrefix(m.Zxid(), "0x"), 16, 64)
	if err != nil {
		t.Fatalf("zxid of member %d (%s): %v", m.ID, m.Kind(), err)
	}
	return zxid >> 32
}

// guest is a session that has to survive what a test does to the servers.
type guest struct {
	*zk.Client
	t      *testing.T
	id     int64
	path   string // of its ephemeral znode
	events map[string]<-chan zk.Event
}

// arrive begins a session at a member, with an ephemeral znode and one watch
// of each kind.
func arrive(t *testing.T, e *harness.Ensemble, at *harness.Member, name string, opts ...zk.Option) *guest {
	t.Helper()
	g := &guest{Client: dial(t, e.ClientAddrs(), append(opts, startingAt(e, at))...), t: t, events: map[string]<-chan zk.Event{}}
	if g.Server() != at.Addr() {
		t.Fatalf("the session begins at %s, not at %s", g.Server(), at.Addr())
	}
	g.id = g.SessionID()
	g.path = "/" + name
	create(t, g.Client, g.path, "", zk.Ephemeral)
	for _, kind := range []string{"data", "children", "exists"} {
		create(t, g.Client, g.watched(kind), "", zk.Persistent)
	}
	if err := g.Delete(within(t), g.watched("exists"), 0); err != nil {
		t.Fatal(err)
	}
	var err error
	if _, _, g.events["data"], err = g.GetW(within(t), g.watched("data")); err != nil {
		t.Fatal(err)
	}
	if _, _, g.events["children"], err = g.ChildrenW(within(t), g.watched("children")); err != nil {
		t.Fatal(err)
	}
	if _, _, g.events["exists"], err = g.ExistsW(within(t), g.watched("exists")); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guest) watched(kind string) string { return g.path + "-" + kind }

// survived fails unless the guest still is the session that it was, its znode
// is there at every living member, and its watches fire for changes made now.
func (g *guest) survived(e *harness.Ensemble) {
	t := g.t
	t.Helper()
	if err := g.Wait(within(t)); err != nil {
		t.Fatalf("the session of %s: %v", g.path, err)
	}
	if g.SessionID() != g.id {
		t.Errorf("%s has the session 0x%x, had 0x%x", g.path, g.SessionID(), g.id)
	}
	for kind, events := range g.events {
		select {
		case ev := <-events:
			t.Errorf("the watch on %s fired early: %+v", g.watched(kind), ev)
		default:
		}
	}
	for _, c := range dialEach(t, e) {
		if err := c.Sync(within(t), "/"); err != nil {
			t.Fatal(err)
		}
		ok, stat, err := c.Exists(within(t), g.path)
		if err != nil || !ok || stat.EphemeralOwner != g.id {
			t.Errorf("%s at %s: %v, there %v, owner 0x%x, want 0x%x", g.path, c.Server(), err, ok, stat.EphemeralOwner, g.id)
		}
	}
	other := dial(t, e.Alive()[0].Addr())
	if _, err := other.Set(within(t), g.watched("data"), []byte("changed"), 0); err != nil {
		t.Fatal(err)
	}
	create(t, other, g.watched("children")+"/child", "", zk.Persistent)
	create(t, other, g.watched("exists"), "", zk.Persistent)
	want := map[string]zk.EventType{
		"data": zk.EventNodeDataChanged, "children": zk.EventNodeChildrenChanged, "exists": zk.EventNodeCreated,
	}
	for kind, events := range g.events {
		if ev := await(t, events, "the watch on "+g.watched(kind)); ev.Type != want[kind] {
			t.Errorf("the watch on %s: %v %v, want %v", g.watched(kind), ev.Type, ev.Err, want[kind])
		}
	}
}

// TestLeaderKilled: when the leader dies under load, no acknowledged write is
// lost, sessions go on at other members with their znodes and watches, and the
// old leader comes back as a follower.
func TestLeaderKilled(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		before := epoch(t, leader)
		atLeader := arrive(t, e, leader, "at-leader")
		atFollower := arrive(t, e, e.Followers()[0], "at-follower")
		l := startLoad(t, e, 4, steadily)
		l.more(300)
		mark := l.mark()
		e.Kill(leader)
		l.more(300)
		successor := e.WaitRoles()
		t.Logf("%v without an acknowledged write after the death of the leader, member %d (%s); now leads member %d (%s)",
			l.gapSince(mark), leader.ID, leader.Kind(), successor.ID, successor.Kind())
		if now := epoch(t, successor); now <= before {
			t.Errorf("the epoch is %d, was %d", now, before)
		}
		atLeader.survived(e)
		atFollower.survived(e)
		leader.Launch()
		leader.WaitServing()
		if role := leader.Role(); role != "follower" {
			t.Errorf("the old leader is back as %q", role)
		}
		l.more(100)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestLeaderPaused: a leader that falls silent is replaced, and when it wakes
// up it follows; nothing that was acknowledged by either is lost.
func TestLeaderPaused(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		short := zk.WithSessionTimeout(6 * time.Second)
		l := startLoad(t, e, 4, steadily, short)
		l.more(200)
		mark := l.mark()
		leader.Pause()
		successor := e.WaitRoles()
		l.more(200)
		t.Logf("%v without an acknowledged write after the leader, member %d (%s), fell silent; now leads member %d (%s)",
			l.gapSince(mark), leader.ID, leader.Kind(), successor.ID, successor.Kind())
		leader.Resume()
		e.WaitRoles()
		if role := leader.Role(); role != "follower" {
			t.Errorf("the leader that was silent is now %q", role)
		}
		l.more(100)
		l.check(e)
		checkEqual(t, e)
	})
}

// TestFollowersPaused: without the followers' acknowledgements nothing is
// acknowledged to clients, and the leader steps down; when they wake up the
// ensemble serves again.
func TestFollowersPaused(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		leader := e.WaitRoles()
		c := dial(t, leader.Addr())
		create(t, c, "/base", "", zk.Persistent)
		followers := e.Followers()
		for _, m := range followers {
			m.Pause()
		}
		if path, err := c.Create(within(t), "/alone", nil, zk.Persistent, nil); err == nil {
			t.Errorf("the leader (%s) alone acknowledged the creation of %s", leader.Kind(), path)
		}
		harness.Until(t, "the leader steps down without its followers", leader.Done(), func() bool { return leader.Role() == "" })
		for _, m := range followers {
			m.Resume()
		}
		e.WaitRoles()
		for _, c := range dialEach(t, e) {
			create(t, c, "/base/at-"+c.Server(), "", zk.Persistent)
		}
		checkEqual(t, e)
	})
}
