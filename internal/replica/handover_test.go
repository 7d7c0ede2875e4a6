package replica

import (
	"fmt"
	"strings"
	"testing"

	"zooid/internal/wire"
)

// TestHandOver: a leader that is asked to lets the voter lead that would win
// anyway, or another one if that is the leader itself; nobody's connection is
// closed and every request in flight, here and at a follower, is done once.
func TestHandOver(t *testing.T) {
	c := newCluster(t, threeVoters, nil)
	c.start()
	for round := range 4 {
		leader := c.serving()
		other := c.another()
		mine, theirs := ConnID(10+round), ConnID(20+round)
		leader.open(mine, 5000, 0)
		other.open(theirs, 5000, 0)
		epoch := leader.r.epoch()
		path := func(i int) string { return fmt.Sprintf("/%d-%d", round, i) }

		// Before it, beside it, and behind it.
		send := func(s *server, conn ConnID, i int) {
			s.post(Event{Kind: ClientBatch, Conn: conn, Frames: s.req(conn, wire.OpCreate, createReq(path(i), "", modePersistent))})
		}
		send(leader, mine, 1)
		send(other, theirs, 2)
		leader.peer(HandOver, PeerEvent{})
		send(leader, mine, 3)
		send(other, theirs, 4)
		c.settle()
		next := c.serving()
		if next == leader || next.r.epoch() != epoch+1 {
			t.Fatalf("round %d: server %d leads in epoch %d, before it was %d in %d\n%s", round, next.id, next.r.epoch(), leader.id, epoch, c.story())
		}
		for _, x := range []struct {
			s    *server
			conn ConnID
		}{{leader, mine}, {other, theirs}} {
			if why := x.s.shut[x.conn]; why != "" {
				t.Errorf("round %d: a client of server %d was closed: %s", round, x.s.id, why)
			}
			var codes []wire.Code
			for _, f := range x.s.frames(x.conn) {
				h, _ := split(f)
				codes = append(codes, h.Err)
			}
			if len(codes) != 2 || codes[0] != wire.CodeOK || codes[1] != wire.CodeOK {
				t.Errorf("round %d: at server %d the answers are %v, want two of 0", round, x.s.id, codes)
			}
		}
		for _, s := range c.servers {
			for i := 1; i <= 4; i++ {
				if s.r.tree.Lookup([]byte(path(i))) == 0 {
					t.Errorf("round %d: server %d has no %s", round, s.id, path(i))
				}
			}
		}
	}
}

// TestIdleHandOver: in an epoch without a transaction only the leader has been at
// its beginning. One election is enough all the same.
func TestIdleHandOver(t *testing.T) {
	c := newCluster(t, threeVoters, nil)
	c.start()
	for round := range 4 {
		leader := c.serving()
		epoch := leader.r.epoch()
		leader.peer(HandOver, PeerEvent{})
		c.settle()
		if next := c.serving(); next == leader || next.r.epoch() != epoch+1 {
			t.Fatalf("round %d: server %d leads in epoch %d, before it was %d in %d\n%s", round, next.id, next.r.epoch(), leader.id, epoch, c.story())
		}
	}
}

// TestHandOverNeedsAnHeir: a leader stays if nobody is in sync, and a server that
// does not lead has nothing to hand over.
func TestHandOverNeedsAnHeir(t *testing.T) {
	var stays []int64
	c := newCluster(t, threeVoters+" server.4=h4:1:2:observer", nil)
	c.seen = func(s *server, fx *Effects) {
		if fx.Ensemble.Stays {
			stays = append(stays, s.id)
		}
	}
	c.start()
	leader, other := c.serving(), c.another()
	other.peer(HandOver, PeerEvent{})
	c.settle()
	for _, s := range c.servers {
		if s != leader && s.id != 4 {
			delete(c.servers, s.id)
			c.isolate(s.id)
		}
	}
	leader.peer(HandOver, PeerEvent{})
	c.settle()
	if want := []int64{other.id, leader.id}; fmt.Sprint(stays) != fmt.Sprint(want) {
		t.Errorf("the servers %v said that they do not hand over, want %v", stays, want)
	}
	if story := c.story(); !strings.Contains(story, "no other voter is in sync") {
		t.Errorf("the leader does not say why:\n%s", story)
	}
}

// TestLeavingWithoutAQuorum: a leader that stops does not have another server lead
// which then has no quorum: that one would serve for a while, and lead nobody. If
// the leader stays it hands over.
func TestLeavingWithoutAQuorum(t *testing.T) {
	for _, leaving := range []bool{true, false} {
		var stays []int64
		c := newCluster(t, threeVoters, nil)
		c.seen = func(s *server, fx *Effects) {
			if fx.Ensemble.Stays {
				stays = append(stays, s.id)
			}
		}
		c.start()
		leader, other := c.serving(), c.another()
		for _, s := range c.servers {
			if s != leader && s != other {
				delete(c.servers, s.id)
				c.isolate(s.id)
			}
		}
		leader.peer(HandOver, PeerEvent{Leaving: leaving})
		c.settle()
		if got := len(stays) == 1 && stays[0] == leader.id; got != leaving {
			t.Errorf("leaving %v: %v stay", leaving, stays)
		}
		if said := strings.Contains(c.story(), "the others are no quorum"); said != leaving {
			t.Errorf("leaving %v: the leader says why: %v", leaving, said)
		}
	}
}

// TestHandOverEnds: if nobody comes to hold everything the leader goes all the
// same, after half a tick, and what it had proposed is committed by the next one.
func TestHandOverEnds(t *testing.T) {
	c := newCluster(t, threeVoters, nil)
	c.start()
	leader := c.serving()
	leader.open(1, 5000, 0)
	leader.post(Event{Kind: ClientBatch, Conn: 1, Frames: leader.req(1, wire.OpCreate, createReq("/late", "", modePersistent))})
	leader.peer(HandOver, PeerEvent{})
	leader.turn(leader.take())
	if !leader.r.leads() || leader.r.Outstanding() != 1 {
		t.Fatalf("the leader does not wait for what it has proposed: %s", c.story())
	}
	leader.now.Mono += leader.r.cfg.TickTime
	c.now = leader.now
	leader.turn([]Event{{Kind: Tick}})
	if leader.r.leads() {
		t.Fatal("it waits for ever")
	}
	c.settle()
	if next := c.serving(); next.r.tree.Lookup([]byte("/late")) == 0 {
		t.Errorf("the write is lost: %s", c.story())
	}
}

// take returns the events that wait for a server.
func (s *server) take() []Event {
	events := s.inbox
	s.inbox = nil
	return events
}
