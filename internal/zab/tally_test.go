package zab

import "testing"

// reconfiguring is a leader with id 1 of the servers 1, 2, 3 whose reconfiguration
// to 1, 4, 5 is proposal 7; 6 to 8 are proposed.
func reconfiguring(t *testing.T) (l *Leader, links map[int64]*LearnerLink, next *Quorums) {
	t.Helper()
	old := parse(t, "server.1=h1:1:2 server.2=h2:1:2 server.3=h3:1:2")
	new := parse(t, "server.1=h1:1:2 server.4=h4:1:2 server.5=h5:1:2 version=7")
	l = Alone(1, NewQuorums(old, nil), 5)
	links = map[int64]*LearnerLink{}
	for id := int64(2); id <= 6; id++ {
		k := l.LinkUp(0, LinkID(id))
		k.SID, k.phase, k.Observer = id, serving, id == 6
		links[id] = k
	}
	l.Propose()
	l.Reconfigure(l.Propose(), NewQuorums(old, new))
	l.Propose()
	return l, links, NewQuorums(new, nil)
}

// TestProposalsNeedTheQuorumsOfTheirTime: what is older than the reconfiguration
// needs the old one, and the reconfiguration both; nothing behind it is committed
// before it is in force, and then it needs the new one only.
func TestProposalsNeedTheQuorumsOfTheirTime(t *testing.T) {
	l, links, next := reconfiguring(t)
	want := func(what string, zxid Zxid) {
		t.Helper()
		if l.Committed() != zxid {
			t.Fatalf("%s: committed %d, want %d", what, l.Committed(), zxid)
		}
	}
	l.Durable(8)
	want("the leader alone", 5)
	l.acknowledge(links[4], 8)
	want("a quorum of the new ones", 5)
	l.acknowledge(links[2], 6)
	want("a quorum of the old ones for the first", 6)
	l.acknowledge(links[2], 8)
	want("quorums of both: the reconfiguration, and not what is behind it", 7)
	if !l.Reconfiguring() {
		t.Fatal("the reconfiguration is over before it is in force")
	}
	l.Propose() // 9, before it is in force
	l.Activate(0, next, true)
	want("in force", 8)
	l.Propose() // 10
	l.Durable(10)
	l.acknowledge(links[4], 10)
	want("a quorum of the new ones, also for what was proposed with both in force", 10)
	if l.Votes(links[2]) || !l.Votes(links[5]) {
		t.Error("the votes are those of before")
	}
}

// TestCededLeaderCommitsNothing: what a leader has in flight when another one is
// named is the other's.
func TestCededLeaderCommitsNothing(t *testing.T) {
	l, links, next := reconfiguring(t)
	l.Durable(8)
	l.acknowledge(links[2], 8)
	l.acknowledge(links[4], 7)
	if l.Committed() != 7 {
		t.Fatalf("committed %d", l.Committed())
	}
	l.Activate(0, next, false)
	l.acknowledge(links[4], 8)
	l.acknowledge(links[5], 8)
	if l.Committed() != 7 || !l.Ceded() {
		t.Errorf("committed %d, ceded %v", l.Committed(), l.Ceded())
	}
	for id := int64(2); id <= 6; id++ {
		if l.Abandoned() {
			t.Errorf("abandoned with %d still there", id)
		}
		l.LinkDown(0, LinkID(id))
	}
	if !l.Abandoned() {
		t.Error("not abandoned without a learner")
	}
}

// TestSuccessor: the voter that holds the most, of equal ones the lowest; only
// who is connected and votes.
func TestSuccessor(t *testing.T) {
	l, links, next := reconfiguring(t)
	q := next.current
	links[4].acked, links[5].acked, links[2].acked = 7, 7, 8
	if id := l.Successor(q); id != 4 {
		t.Errorf("%d of two equal ones", id)
	}
	links[5].acked = 8
	if id := l.Successor(q); id != 5 {
		t.Errorf("%d, and 5 holds more", id)
	}
	l.LinkDown(0, 5)
	if id := l.Successor(q); id != 4 {
		t.Errorf("%d, and 5 is gone", id)
	}
	if id := l.Successor(NewQuorum(parse(t, "server.1=h1:1:2 server.7=h7:1:2"))); id != 7 {
		t.Errorf("%d where nobody is connected", id)
	}
	if id := l.Successor(NewQuorum(parse(t, "server.1=h1:1:2"))); id != 0 {
		t.Errorf("%d where there is nobody else", id)
	}
}

// TestReady: of the new voters a quorum must follow and be in sync; observers of
// now do not count.
func TestReady(t *testing.T) {
	l, links, next := reconfiguring(t)
	q := next.current
	if !l.Ready(q) {
		t.Error("not ready with all")
	}
	links[4].phase = syncing
	l.LinkDown(0, 5)
	if l.Ready(q) {
		t.Error("ready with the leader and one that synchronises")
	}
	links[4].phase = inSync
	if !l.Ready(q) {
		t.Error("not ready with two of three")
	}
	if l.Ready(NewQuorum(parse(t, "server.1=h1:1:2 server.6=h6:1:2"))) {
		t.Error("an observer counts")
	}
}

// A voter that was made an observer a moment ago still follows. It comes back as
// an observer, so it is no reason to begin a change that needs its voice.
func TestWhoIsAnObserverByNowIsNotReady(t *testing.T) {
	members := parse(t, "server.1=h1:1:2 server.2=h2:1:2:observer version=5")
	l := Alone(1, NewQuorums(members, nil), 5)
	k := l.LinkUp(0, 2)
	k.SID, k.phase = 2, serving
	if l.Ready(NewQuorum(parse(t, "server.1=h1:1:2 server.2=h2:1:2"))) {
		t.Error("an observer that still follows counts")
	}
	k.SID = 3
	if !l.Ready(NewQuorum(parse(t, "server.1=h1:1:2 server.3=h3:1:2"))) {
		t.Error("a follower that no configuration has does not count")
	}
}
