package zab

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"zooid/internal/wire"
)

const (
	threeServers = "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 server.4=d:1:2:observer version=5"
	fiveServers  = "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 server.4=d:1:2 server.5=e:1:2 version=5"
)

// script is one server and what has been said to it.
type script struct {
	t   *testing.T
	e   *Election
	now int64
}

func newScript(t *testing.T, o ElectionOptions, config string, h History) *script {
	t.Helper()
	s := &script{t: t, e: NewElection(o, parse(t, config), nil)}
	s.look(h)
	return s
}

func (s *script) look(h History) Effects { return s.e.Look(s.now, h) }

// said delivers a vote, in the order leader, zxid, peer epoch, round.
func (s *script) said(from int64, state wire.PeerState, v Vote) Effects {
	s.t.Helper()
	return s.e.Receive(s.now, from, &wire.Notification{State: state, Leader: v.Leader, Zxid: v.Zxid, Round: v.Round,
		PeerEpoch: v.PeerEpoch, Version: wire.NotificationVersion, Config: s.e.text})
}

// pass lets ms go by and returns the last decision in that time.
func (s *script) pass(ms int64) *Decision {
	var last *Decision
	for end := s.now + ms; ; {
		at := min(s.e.Deadline(), end)
		s.now = at
		if d := s.e.Tick(at, true).Decided; d != nil {
			last = d
		}
		if at == end {
			return last
		}
	}
}

func (s *script) decided(d *Decision, state wire.PeerState, leader int64) {
	s.t.Helper()
	if d == nil || d.State != state || d.Vote.Leader != leader || s.e.State() != state || s.e.Vote() != d.Vote {
		s.t.Fatalf("decided %+v, want %v of %d", d, state, leader)
	}
}

func (s *script) undecided(what string, d *Decision) {
	s.t.Helper()
	if d != nil {
		s.t.Fatalf("%s: decided %+v", what, d)
	}
}

func sentTo(out Effects) []int64 {
	var ids []int64
	for _, b := range out.Send {
		ids = append(ids, b.To)
	}
	return ids
}

var fresh = History{Zxid: 7, Epoch: 1}

func TestOrderOfVotes(t *testing.T) {
	base := Vote{Leader: 2, Zxid: 7, PeerEpoch: 1}
	for _, c := range []struct {
		name string
		v    Vote
		want bool
	}{
		{"itself", base, false},
		{"higher id", Vote{3, 7, 1, 0}, true},
		{"lower id", Vote{1, 7, 1, 9}, false},
		{"zxid before id", Vote{1, 8, 1, 0}, true},
		{"epoch before zxid", Vote{1, 1, 2, 0}, true},
		{"lower epoch", Vote{9, 9, 0, 9}, false},
	} {
		if c.v.better(base) != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
	}
}

func TestLookTellsAllVoters(t *testing.T) {
	e := NewElection(ElectionOptions{Self: 2}, parse(t, threeServers), parse(t, "server.2=b:1:2 server.7=g:1:2 version=6"))
	out := e.Look(0, fresh)
	if got := sentTo(out); !slices.Equal(got, []int64{1, 3, 7}) {
		t.Fatalf("sent to %v", got)
	}
	n := out.Send[0].Notification
	want := wire.Notification{State: wire.Looking, Leader: 2, Zxid: 7, Round: 1, PeerEpoch: 1, Version: 2, Config: e.text}
	if !reflect.DeepEqual(n, want) || e.Deadline() != MinInterval {
		t.Fatalf("%+v, deadline %d", n, e.Deadline())
	}
	if out = e.Look(0, fresh); out.Send[0].Notification.Round != 2 {
		t.Error("looking again is no new round")
	}
}

func TestWhoDoesNotVoteProposesNobody(t *testing.T) {
	for _, c := range []struct {
		name string
		o    ElectionOptions
		want Vote
	}{
		{"observer", ElectionOptions{Self: 4, Observer: true}, Vote{noID, noID, noID, 1}},
		{"joiner", ElectionOptions{Self: 9}, Vote{noID, 7, 1, 1}},
		{"voter of the next configuration only", ElectionOptions{Self: 7}, Vote{noID, 7, 1, 1}},
	} {
		e := NewElection(c.o, parse(t, threeServers), parse(t, "server.1=a:1:2 server.7=g:1:2 version=6"))
		out := e.Look(0, fresh)
		if got := sentTo(out)[:3]; !slices.Equal(got, []int64{1, 2, 3}) {
			t.Errorf("%s: sent to %v", c.name, got)
		}
		n := out.Send[0].Notification
		if got := (Vote{n.Leader, n.Zxid, n.PeerEpoch, n.Round}); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// An ensemble grows from one voter, which is lost before what it proposed behind
// the reconfiguration was on its own disk: the new voter has the longer log and
// cannot follow, so it is to lead. Where there were more voters it is not.
func TestTheOnlyVoterIsBehindTheNewOne(t *testing.T) {
	current, next := parse(t, "server.1=a:1:2 version=5"), parse(t, "server.1=a:1:2 server.2=b:1:2 version=6")
	ahead := History{Zxid: 9, Epoch: 1}
	one := &script{t: t, e: NewElection(ElectionOptions{Self: 1}, current, next)}
	two := &script{t: t, e: NewElection(ElectionOptions{Self: 2}, current, next)}
	one.undecided("alone", one.look(fresh).Decided)
	two.undecided("alone", two.look(ahead).Decided)
	for range 3 { // each says what it thinks by then
		one.said(2, wire.Looking, two.e.vote())
		two.said(1, wire.Looking, one.e.vote())
	}
	one.decided(one.pass(MinInterval), wire.Following, 2)
	two.decided(two.pass(MinInterval), wire.Leading, 2)
}

func TestBackoff(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 1}, threeServers, fresh)
	var at []int64
	for range 11 {
		at = append(at, s.e.Deadline()-s.now)
		s.now = s.e.Deadline()
		if got := sentTo(s.e.Tick(s.now, true)); !slices.Equal(got, []int64{2, 3}) {
			t.Fatalf("repeats to %v", got)
		}
	}
	if want := []int64{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000}; !slices.Equal(at, want) {
		t.Errorf("waits %v", at)
	}
	s.now = s.e.Deadline()
	if out := s.e.Tick(s.now, false); !out.Reconnect || out.Send != nil {
		t.Errorf("with nothing delivered: %+v", out)
	}
	if out := s.e.Tick(s.now, true); !reflect.DeepEqual(out, Effects{}) {
		t.Errorf("before the deadline: %+v", out)
	}
	// A message begins the same wait anew.
	s.now += 100
	s.said(2, wire.Observing, Vote{2, 7, 1, 1})
	if got := s.e.Deadline() - s.now; got != 60000 {
		t.Errorf("after a message it waits %d", got)
	}
}

func TestRounds(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 2}, fiveServers, fresh)
	if out := s.said(3, wire.Looking, Vote{3, 7, 1, 0}); !slices.Equal(sentTo(out), []int64{3}) || out.Send[0].Notification.Leader != 2 {
		t.Errorf("a past round is not answered with the own proposal: %+v", out)
	}
	out := s.said(1, wire.Looking, Vote{1, 7, 1, 5})
	if !slices.Equal(sentTo(out), []int64{1, 3, 4, 5}) || s.e.Round() != 5 || s.e.vote() != (Vote{2, 7, 1, 5}) {
		t.Errorf("a newer round with a worse vote: round %d, %+v", s.e.Round(), out)
	}
	out = s.said(3, wire.Looking, Vote{3, 7, 1, 5})
	if !slices.Equal(sentTo(out), []int64{1, 3, 4, 5}) || s.e.vote() != (Vote{3, 7, 1, 5}) {
		t.Errorf("a better vote of the round is not adopted: %+v", out)
	}
	// The next round begins with the better of its vote and the own one, not
	// with what was adopted before.
	s.said(1, wire.Looking, Vote{1, 7, 1, 6})
	if s.e.vote() != (Vote{2, 7, 1, 6}) || len(s.e.received) != 2 {
		t.Errorf("in the new round it votes %+v and has heard %v", s.e.vote(), s.e.received)
	}
	s.said(1, wire.Looking, Vote{3, 9, 1, 7})
	if s.e.vote() != (Vote{3, 9, 1, 7}) {
		t.Errorf("in the new round it votes %+v", s.e.vote())
	}
	if out := s.said(1, wire.Looking, Vote{1, 7, 1, 7}); out.Send != nil {
		t.Errorf("a worse vote of the round is answered: %+v", out)
	}
}

func TestFinalWait(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 2}, threeServers, fresh)
	s.said(1, wire.Looking, Vote{2, 7, 1, 1})
	s.undecided("in the final wait", s.pass(FinalizeWait-1))
	// Any message makes it wait its whole length again.
	s.said(1, wire.Looking, Vote{1, 7, 1, 1})
	s.undecided("after a worse vote", s.pass(FinalizeWait-1))
	s.said(3, wire.Looking, Vote{3, 7, 1, 1})
	s.undecided("after a better vote, which has its own wait", s.pass(FinalizeWait-1))
	d := s.pass(1)
	s.decided(d, wire.Following, 3)
	if !slices.Equal(d.Supporters, []int64{2, 3}) || s.e.Deadline() != NoDeadline {
		t.Errorf("supporters %v, deadline %d", d.Supporters, s.e.Deadline())
	}
}

func TestSupportIsNotTakenBackInTheFinalWait(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 2}, threeServers, fresh)
	s.said(1, wire.Looking, Vote{2, 7, 1, 1})
	s.said(1, wire.Looking, Vote{1, 7, 1, 1})
	d := s.pass(FinalizeWait)
	s.decided(d, wire.Leading, 2)
	if !slices.Equal(d.Supporters, []int64{1, 2}) {
		t.Errorf("supporters %v", d.Supporters)
	}
}

// TestBetterVotesThatDoNotCount end the final wait all the same, which begins
// again when the server repeats its own vote.
func TestBetterVotesThatDoNotCount(t *testing.T) {
	for name, say := range map[string]func(s *script){
		"a past round":        func(s *script) { s.said(3, wire.Looking, Vote{3, 99, 9, 0}) },
		"for a stranger":      func(s *script) { s.said(3, wire.Looking, Vote{9, 99, 9, 1}) },
		"an observing server": func(s *script) { s.said(3, wire.Observing, Vote{3, 99, 9, 1}) },
	} {
		s := newScript(t, ElectionOptions{Self: 2}, threeServers, fresh)
		s.said(1, wire.Looking, Vote{2, 7, 1, 1})
		say(s)
		s.undecided(name, s.pass(MinInterval+FinalizeWait-1))
		s.decided(s.pass(1), wire.Leading, 2)
	}
}

func TestHurry(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 2, Hurry: true}, threeServers, fresh)
	s.undecided("two of three", s.said(1, wire.Looking, Vote{2, 7, 1, 1}).Decided)
	s.decided(s.said(3, wire.Looking, Vote{2, 7, 1, 1}).Decided, wire.Leading, 2)

	s = newScript(t, ElectionOptions{Self: 2, Hurry: true}, threeServers, fresh)
	s.said(1, wire.Looking, Vote{2, 7, 1, 1})
	s.undecided("not all agree", s.said(3, wire.Looking, Vote{1, 7, 1, 1}).Decided)
	s.decided(s.pass(FinalizeWait), wire.Leading, 2)

	e := NewElection(ElectionOptions{Self: 1, Hurry: true}, parse(t, "server.1=a:1:2"), nil)
	if d := e.Look(0, fresh).Decided; d == nil || d.State != wire.Leading {
		t.Errorf("alone: %+v", d)
	}
	s = newScript(t, ElectionOptions{Self: 1}, "server.1=a:1:2", fresh)
	s.decided(s.pass(FinalizeWait), wire.Leading, 1)
}

// Two followers lose their leader; the one that will win is the first to notice,
// and what it says is lost on the other, which still follows. The worse vote of
// the other is then answered, and neither waits for an interval.
func TestHurryAnswersAWorseVote(t *testing.T) {
	for _, hurry := range []bool{true, false} {
		s := newScript(t, ElectionOptions{Self: 2, Hurry: hurry}, threeServers, fresh)
		s.e.Lost(3, true)
		out := s.said(1, wire.Looking, Vote{1, 7, 1, 1})
		if got := len(sentTo(out)); hurry != (got == 1) || hurry && (sentTo(out)[0] != 1 || out.Send[0].Notification.Leader != 2) {
			t.Errorf("hurry %v: %d answers to a worse vote", hurry, got)
		}
		out = s.said(1, wire.Looking, Vote{2, 7, 1, 1})
		if len(out.Send) > 0 || (out.Decided != nil) != hurry {
			t.Errorf("hurry %v: %+v for the same vote", hurry, out)
		}
	}
}

// A voter that has decided for the proposal already needs no waiting for: the
// others were quicker than the one that they elect.
func TestHurryHearsWhoHasDecided(t *testing.T) {
	for _, hurry := range []bool{true, false} {
		s := newScript(t, ElectionOptions{Self: 2, Hurry: hurry}, threeServers, fresh)
		s.undecided("two of three", s.said(1, wire.Looking, Vote{2, 7, 1, 1}).Decided)
		s.undecided("decided for another", s.said(3, wire.Following, Vote{3, 7, 1, 1}).Decided)
		s.undecided("decided in another round", s.said(3, wire.Following, Vote{2, 7, 1, 2}).Decided)
		if !hurry {
			continue // it joins them: there is a quorum by now
		}
		s.decided(s.said(3, wire.Following, Vote{2, 7, 1, 1}).Decided, wire.Leading, 2)
	}
}

// What is said to a server that still follows is lost there: it is said again
// when that one looks for a leader too, even if it says the same.
func TestHurrySaysAgain(t *testing.T) {
	for _, hurry := range []bool{true, false} {
		s := newScript(t, ElectionOptions{Self: 2, Hurry: hurry}, threeServers, fresh)
		s.said(1, wire.Following, Vote{3, 7, 1, 0})
		for n := range 2 {
			got := sentTo(s.said(1, wire.Looking, Vote{2, 7, 1, 1}))
			if want := hurry && n == 0; want != slices.Contains(got, 1) || len(got) > 1 {
				t.Errorf("hurry %v: told %v when it said it the %d. time", hurry, got, n+1)
			}
		}
	}
}

// The vote of a leader that hands over reaches its heir while that one still
// follows, and the heir's answer is overtaken by its own first vote: who is heard
// for the first time in a round is told the proposal again, even if it says the
// same.
func TestHurrySaysAgainToWhoIsNew(t *testing.T) {
	for _, hurry := range []bool{true, false} {
		s := newScript(t, ElectionOptions{Self: 2, Hurry: hurry}, threeServers, fresh)
		s.e.Favour(3)
		s.look(fresh)
		round := s.e.Round()
		for n := range 2 {
			got := sentTo(s.said(3, wire.Looking, Vote{3, 7, 1, round}))
			if want := hurry && n == 0; want != slices.Contains(got, 3) || len(got) > 1 {
				t.Errorf("hurry %v: told %v when it said it the %d. time", hurry, got, n+1)
			}
		}
	}
}

func TestWeightZeroIsNeverElected(t *testing.T) {
	const config = "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 group.1=1:2:3 weight.3=0 version=5"
	s := newScript(t, ElectionOptions{Self: 1}, config, fresh)
	if out := s.said(3, wire.Looking, Vote{3, 9, 1, 1}); out.Send != nil {
		t.Errorf("adopts a leader of weight 0: %+v", out)
	}
	s.said(2, wire.Looking, Vote{2, 7, 1, 1})
	s.said(2, wire.Looking, Vote{2, 7, 1, 1})
	s.decided(s.pass(FinalizeWait), wire.Following, 2)
}

func TestUninitialisedServers(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 3}, threeServers, History{Zxid: -1, Epoch: 0})
	s.said(1, wire.Looking, Vote{2, 7, 1, 1})
	s.said(2, wire.Looking, Vote{2, 7, 1, 1})
	s.undecided("looking servers do not count", s.pass(2000))
	s.said(1, wire.Following, Vote{2, 7, 1, 1})
	s.decided(s.said(2, wire.Leading, Vote{2, 7, 1, 1}).Decided, wire.Following, 2)

	s = newScript(t, ElectionOptions{Self: 1}, "server.1=a:1:2", History{Zxid: -1, Epoch: 0})
	s.undecided("alone and uninitialised", s.pass(2000))

	s = newScript(t, ElectionOptions{Self: 1}, threeServers, fresh)
	s.said(2, wire.Looking, Vote{1, -1, 1, 1})
	if out := s.said(3, wire.Looking, Vote{3, -1, 9, 1}); out.Send != nil {
		t.Errorf("adopts the vote of an uninitialised server: %+v", out)
	}
	s.undecided("votes of uninitialised servers", s.pass(2000))
}

// TestJoinsAWorkingEnsemble is the set of servers out of election: zxid and
// round may differ, leader and epoch may not, and the leader must be heard.
func TestJoinsAWorkingEnsemble(t *testing.T) {
	for _, o := range []ElectionOptions{{Self: 3}, {Self: 9}, {Self: 4, Observer: true}} {
		want := wire.Following
		if o.Observer {
			want = wire.Observing
		}
		s := newScript(t, o, threeServers, fresh)
		s.undecided("one server", s.said(1, wire.Following, Vote{2, 3, 4, 8}).Decided)
		s.undecided("another epoch", s.said(2, wire.Leading, Vote{2, 3, 5, 9}).Decided)
		d := s.said(2, wire.Leading, Vote{2, 4, 4, 9}).Decided
		s.decided(d, want, 2)
		if s.e.Round() != 9 || d.Vote != (Vote{2, 4, 4, 9}) {
			t.Errorf("%+v: round %d, vote %+v", o, s.e.Round(), d.Vote)
		}
	}
}

func TestLeaderMustSaySo(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 1}, fiveServers, fresh)
	for id := int64(2); id <= 4; id++ {
		s.undecided("followers alone", s.said(id, wire.Following, Vote{5, 7, 1, 4}).Decided)
	}
	s.undecided("the leader follows", s.said(5, wire.Following, Vote{5, 7, 1, 4}).Decided)
	s.undecided("the leader looks", s.said(5, wire.Looking, Vote{5, 7, 1, 4}).Decided)
	s.decided(s.said(5, wire.Leading, Vote{5, 7, 1, 4}).Decided, wire.Following, 5)

	// Others follow the server itself, but in a round that it has left.
	s = newScript(t, ElectionOptions{Self: 1}, threeServers, fresh)
	s.said(2, wire.Following, Vote{1, 7, 1, 8})
	s.undecided("leader of another round", s.said(3, wire.Following, Vote{1, 7, 1, 8}).Decided)
	s.decided(s.said(2, wire.Following, Vote{1, 7, 1, 1}).Decided, wire.Leading, 1)
}

func TestSameRoundCountsLookingAndDecided(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 1}, fiveServers, fresh)
	s.said(2, wire.Looking, Vote{5, 7, 1, 1})
	s.said(3, wire.Following, Vote{5, 7, 1, 1})
	s.decided(s.said(5, wire.Leading, Vote{5, 7, 1, 1}).Decided, wire.Following, 5)
}

// TestSameRoundComparesLeaders: decided servers of the own round need not have
// the same epoch, since some may have synchronised since.
func TestSameRoundComparesLeaders(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 1}, threeServers, fresh)
	s.undecided("one server", s.said(2, wire.Following, Vote{3, 7, 1, 1}).Decided)
	s.decided(s.said(3, wire.Leading, Vote{3, 7, 2, 1}).Decided, wire.Following, 3)
}

func TestOldVersionsCompareByLeader(t *testing.T) {
	five, old, other := seenVote{Vote{5, 1, 1, 1}, wire.Following, 2}, seenVote{Vote{5, 2, 9, 2}, wire.Leading, 0}, seenVote{Vote{4, 1, 1, 1}, wire.Following, 0}
	if !five.agrees(old) || !old.agrees(five) || five.agrees(other) {
		t.Error("between old and new the leader alone decides")
	}
	if old.version = 1; five.agrees(old) {
		t.Error("between versions that know it the epoch counts")
	}
	if old.state = wire.Looking; five.agrees(old) || !five.agrees(seenVote{Vote: five.Vote}) {
		t.Error("with a looking server all of it counts")
	}
}

func TestIgnored(t *testing.T) {
	for name, say := range map[string]func(s *script) Effects{
		"a vote for a stranger": func(s *script) Effects { return s.said(3, wire.Looking, Vote{9, 99, 9, 1}) },
		"observing":             func(s *script) Effects { return s.said(3, wire.Observing, Vote{3, 99, 9, 1}) },
		"no state":              func(s *script) Effects { return s.said(3, 4, Vote{3, 99, 9, 1}) },
		"a negative state":      func(s *script) Effects { return s.said(3, -1, Vote{3, 99, 9, 1}) },
		"weight aside, worse":   func(s *script) Effects { return s.said(1, wire.Looking, Vote{1, 7, 1, 1}) },
	} {
		s := newScript(t, ElectionOptions{Self: 2}, threeServers, fresh)
		if out := say(s); !reflect.DeepEqual(out, Effects{}) || s.e.vote() != (Vote{2, 7, 1, 1}) {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestAnswers(t *testing.T) {
	before := NewElection(ElectionOptions{Self: 3}, parse(t, threeServers), nil)
	if out := before.Receive(0, 9, &wire.Notification{}); !reflect.DeepEqual(out, Effects{}) {
		t.Errorf("before the first look: %+v", out)
	}
	s := newScript(t, ElectionOptions{Self: 3}, threeServers, fresh)
	show := func(what string, out Effects, want ...string) {
		t.Helper()
		if got := shown(out); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	show("an observer, looking", s.said(4, wire.Looking, Vote{noID, noID, noID, 1}), "out 4 0 3 7 1 1")
	show("a stranger, looking, in any state", s.said(9, 77, Vote{}), "out 9 0 3 7 1 1")
	s.said(1, wire.Looking, Vote{3, 7, 1, 6})
	s.said(1, wire.Looking, Vote{3, 7, 1, 6})
	s.decided(s.pass(FinalizeWait), wire.Leading, 3)
	show("looking", s.said(2, wire.Looking, Vote{2, 7, 1, 1}), "out 2 2 3 7 6 1")
	show("following", s.said(2, wire.Following, Vote{3, 7, 1, 6}))
	s.e.Synced(8)
	show("after the sync", s.said(2, wire.Looking, Vote{2, 7, 1, 9}), "out 2 2 3 7 6 8")
	show("an observer", s.said(4, wire.Following, Vote{}), "out 4 2 3 7 6 8")
	s.look(History{9, 8})
	show("an observer, looking again, sees the last vote", s.said(4, wire.Looking, Vote{noID, noID, noID, 1}), "out 4 0 3 7 7 8")
}

func TestConfigurationsOfOthers(t *testing.T) {
	const more = "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 server.4=d:1:2 version=6"
	newer := strings.Replace(threeServers, "version=5", "version=6", 1)
	for _, c := range []struct {
		name     string
		config   string
		version  int32
		reconfig bool
		adopt    bool
		restart  bool
	}{
		{"the same members", newer, 2, true, true, false},
		{"other members", more, 2, true, true, true},
		{"not newer", strings.Replace(more, "version=6", "version=5", 1), 2, true, false, false},
		{"reconfiguration is off", more, 2, false, false, false},
		{"no configuration in it", more, 1, true, false, false},
		{"cannot be read", "server.1=x version=9", 2, true, false, false},
	} {
		s := newScript(t, ElectionOptions{Self: 1, Reconfig: c.reconfig}, threeServers, fresh)
		text := []byte(strings.ReplaceAll(c.config, " ", "\n"))
		n := wire.Notification{State: wire.Looking, Leader: 3, Zxid: 7, Round: 1, PeerEpoch: 1, Version: c.version, Config: text}
		out := s.e.Receive(0, 3, &n)
		if got := out.Adopt; (got != nil) != c.adopt || got != nil && (got.Restart != c.restart || got.Config.Version != 6) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got := len(out.Send) > 0; got == c.restart {
			t.Errorf("%s: the message counts: %v", c.name, got)
		}
		if !c.restart {
			continue
		}
		if s.e.Deadline() != NoDeadline || len(s.said(3, wire.Looking, Vote{3, 7, 1, 1}).Send) != 0 {
			t.Errorf("%s: it goes on looking", c.name)
		}
		if got := sentTo(s.look(fresh)); !slices.Equal(got, []int64{2, 3, 4}) {
			t.Errorf("%s: looks among %v", c.name, got)
		}
	}
}

func TestAdoptionKeepsANewerNext(t *testing.T) {
	next := parse(t, "server.1=a:1:2 server.7=g:1:2 version=8")
	for version, voter := range map[int]bool{7: true, 8: false, 9: false} {
		e := NewElection(ElectionOptions{Self: 1, Reconfig: true}, parse(t, threeServers), next)
		e.Look(0, fresh)
		text := strings.ReplaceAll(strings.Replace(threeServers, "version=5", fmt.Sprintf("version=%d", version), 1), " ", "\n")
		e.Receive(0, 2, &wire.Notification{Leader: 2, Zxid: 1, Round: 1, Version: 2, Config: []byte(text)})
		if e.quorums.Voter(7) != voter {
			t.Errorf("version %d: server 7 votes: %v", version, !voter)
		}
	}
}

func TestFollowersDoNotAdopt(t *testing.T) {
	s := newScript(t, ElectionOptions{Self: 1, Reconfig: true}, threeServers, fresh)
	s.said(2, wire.Following, Vote{3, 7, 1, 4})
	s.decided(s.said(3, wire.Leading, Vote{3, 7, 1, 4}).Decided, wire.Following, 3)
	out := s.e.Receive(0, 2, &wire.Notification{Version: 2, Config: []byte("server.1=a:1:2\nversion=9")})
	if out.Adopt != nil {
		t.Errorf("%+v", out)
	}
	s.e.Configure(parse(t, fiveServers), nil)
	if got := sentTo(s.look(fresh)); !slices.Equal(got, []int64{2, 3, 4, 5}) {
		t.Errorf("looks among %v", got)
	}
}

func TestElectionWithTwoConfigurations(t *testing.T) {
	e := NewElection(ElectionOptions{Self: 3}, parse(t, threeServers), parse(t, "server.3=c:1:2 server.5=e:1:2 server.6=f:1:2 version=6"))
	s := &script{t: t, e: e}
	s.look(fresh)
	for _, id := range []int64{1, 2} {
		s.said(id, wire.Looking, Vote{3, 7, 1, 1})
	}
	s.undecided("a quorum of the current one", s.pass(1000))
	s.said(5, wire.Looking, Vote{3, 7, 1, 1})
	s.decided(s.pass(FinalizeWait), wire.Leading, 3)
}
