package replica

import (
	"fmt"
	"slices"
	"testing"

	"zooid/internal/wire"
	"zooid/internal/zab"
)

const (
	observerFour = threeVoters + " server.4=h4:1:2:observer"
	observerFive = observerFour + " server.5=h5:1:2:observer"
)

// masters is an ensemble whose observers learn from followers.
func masters(t *testing.T, text string, adjust func(id int64, cfg *Config)) *cluster {
	t.Helper()
	c := newCluster(t, text, func(id int64, cfg *Config) {
		cfg.Ensemble.ObserverMaster = true
		if adjust != nil {
			adjust(id, cfg)
		}
	})
	c.masters = true
	c.start()
	leader := c.serving()
	if n := leader.r.Leadership().Observers; n != 0 {
		t.Fatalf("the leader has %d observers", n)
	}
	return c
}

// masterOf is the follower that an observer learns from.
func (c *cluster) masterOf(id int64) *server {
	for _, k := range c.cables {
		if k.learner.id == id && !k.closed {
			return k.leader
		}
	}
	return nil
}

// A write at an observer goes by its follower to the leader and back, a sync
// behind it as well, and a session goes on anywhere.
func TestObserverOfAFollower(t *testing.T) {
	c := masters(t, observerFour, nil)
	o, f := c.servers[4], c.masterOf(4)
	if f.r.State() != wire.Following || f.r.Leadership().Observers != 1 {
		t.Fatalf("server %d has %d observers", f.id, f.r.Leadership().Observers)
	}
	id := o.open(1, 5000, 0).SessionID
	got := describe(o.ask(1, o.req(1, wire.OpCreate, createReq("/o", "", modeEphemeral)), o.req(1, wire.OpSync, readReq("/", false)),
		o.req(1, wire.OpGetData, readReq("/o", false)), o.req(1, wire.OpCreate, createReq("/o", "", 0))))
	if want := []string{"1:0", "2:0", "3:0", "4:-110"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v\n%s", got, want, c.story())
	}
	for _, s := range c.servers {
		if s.open(9, 5000, id).SessionID != id {
			t.Errorf("server %d does not take the session", s.id)
		}
		if code := s.code(9, wire.OpCreate, createReq(fmt.Sprint("/at", s.id), "", modeEphemeral)); code != wire.CodeOK {
			t.Errorf("server %d: %v", s.id, code)
		}
	}
	if o.open(8, 5000, id+1).SessionID != 0 {
		t.Error("the observer takes a session that never was")
	}
	// Syncs of both kinds of client are answered in the order in which they came.
	f.open(2, 5000, 0)
	o.open(2, 5000, 0)
	for range 3 {
		for _, s := range []*server{o, f} {
			if code := s.code(2, wire.OpSync, readReq("/", false)); code != wire.CodeOK {
				t.Errorf("server %d: sync %v", s.id, code)
			}
		}
	}
}

// What an observer hears of its sessions keeps them alive.
func TestObserverOfAFollowerTouches(t *testing.T) {
	c := masters(t, observerFour, nil)
	o := c.servers[4]
	o.open(1, 4000, 0)
	o.open(2, 4000, 0)
	for range 20 {
		c.pass(500)
		o.code(1, wire.OpPing, nil)
	}
	if o.shut[1] != "" || o.shut[2] == "" {
		t.Errorf("%v\n%s", o.shut, c.story())
	}
}

// An observer whose follower is gone moves to another one, and is brought up to
// date there, whatever it lacks.
func TestObserverMovesToAnotherFollower(t *testing.T) {
	for _, kept := range []int{500, 3} {
		c := masters(t, observerFive, func(_ int64, cfg *Config) { cfg.Ensemble.CommitLogCount = kept })
		leader := c.serving()
		leader.open(1, 20_000, 0)
		first := c.masterOf(4)
		c.isolate(4)
		for i := range 10 {
			leader.code(1, wire.OpCreate, createReq(fmt.Sprintf("/%d", i), "", 0))
		}
		delete(c.cut, 4)
		c.isolate(first.id)
		delete(c.servers, first.id)
		c.until("the observers are back", func() bool { return c.servers[4].r.Serving() && c.servers[5].r.Serving() })
		if second := c.masterOf(4); second == first || second.r.State() != wire.Following {
			t.Errorf("from server %d to %d", first.id, second.id)
		}
		leader.code(1, wire.OpCreate, createReq("/last", "", 0))
		for _, s := range c.servers {
			if got, want := s.r.Tree().Digest(), leader.r.Tree().Digest(); got != want || s.r.Tree().Lookup([]byte("/last")) == 0 {
				t.Errorf("kept %d: server %d holds another tree", kept, s.id)
			}
		}
	}
}

// Only observers learn from a follower.
func TestFollowerRefusesFollowers(t *testing.T) {
	c := masters(t, observerFour, nil)
	f := c.another()
	stranger := newServerOn(c)
	stranger.connect(f, &wire.QuorumPacket{Type: wire.PacketFollowerInfo,
		Data: (&wire.LearnerInfo{SID: 9, ProtocolVersion: wire.LearnerProtocol}).Append(nil)})
	if !stranger.cable.closed {
		t.Error("a follower follows a follower")
	}
	other := newServerOn(c)
	other.connect(f, &wire.QuorumPacket{Type: wire.PacketObserverInfo,
		Data: (&wire.LearnerInfo{SID: 9, ProtocolVersion: wire.LearnerProtocol}).Append(nil)})
	if other.cable.closed {
		t.Errorf("an observer is refused: %s", c.story())
	}
}

// visitor is a connection without a server behind it.
type visitor struct {
	*server
	cable *cable
}

func newServerOn(c *cluster) *visitor { return &visitor{server: &server{c: c, id: 99}} }

func (v *visitor) connect(to *server, q *wire.QuorumPacket) {
	v.cable = &cable{id: zab.LinkID(len(v.c.cables) + 1), learner: v.server, leader: to}
	v.c.cables[v.cable.id] = v.cable
	to.peer(LinkUp, PeerEvent{Link: v.cable.id, Term: to.role.Term})
	to.peer(Packets, PeerEvent{Link: v.cable.id, Packets: []wire.QuorumPacket{*q}})
	v.c.settle()
}
