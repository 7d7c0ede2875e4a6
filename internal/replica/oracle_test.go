package replica

import (
	"testing"

	"zooid/internal/wire"
)

const twoVoters = "server.1=h1:1:2:participant server.2=h2:1:2:participant"

// pair is an ensemble of two with an oracle: the leader and the follower.
func pair(t *testing.T) (c *cluster, leader, follower *server) {
	t.Helper()
	c = newCluster(t, twoVoters, func(_ int64, cfg *Config) { cfg.Ensemble.Oracle = true })
	c.start()
	leader = c.serving()
	follower = c.another()
	if follower == nil || follower.r.State() != wire.Following {
		t.Fatalf("two servers do not find each other: %s", c.story())
	}
	return c, leader, follower
}

func (s *server) oracle(grants bool) {
	s.t.Helper()
	s.peer(Consulted, PeerEvent{Grants: grants})
	s.c.settle()
}

// lose takes a server out of the ensemble.
func (c *cluster) lose(s *server) {
	c.isolate(s.id)
	delete(c.servers, s.id)
	c.settle()
}

// The leader that may go on does so, with what its follower has not
// acknowledged.
func TestOracleKeepsTheLeader(t *testing.T) {
	c, leader, follower := pair(t)
	leader.oracle(true)
	leader.open(1, 20_000, 0)
	delete(c.servers, follower.id) // it is silent from now on
	if code := leader.code(1, wire.OpCreate, createReq("/a", "", 0)); code != -1000 {
		t.Fatalf("a write without the follower, whose connection stands, is answered with %v", code)
	}
	c.lose(follower)
	if frames := describe(leader.frames(1)); len(frames) != 1 || frames[0] != "1:0" {
		t.Errorf("the write is answered with %v", frames)
	}
	c.pass(20_000)
	if leader.r.State() != wire.Leading || !leader.r.Serving() {
		t.Errorf("the leader is %v", leader.r.State())
	}
	leader.oracle(false)
	c.until("the leader gives up when it may not any more", func() bool { return leader.r.State() == wire.Looking })
	c.pass(20_000)
	if leader.r.State() != wire.Looking {
		t.Errorf("the server that may not is %v", leader.r.State())
	}
}

// Whichever of the two is left, it leads once the oracle says so and not before.
func TestOracleMakesALeader(t *testing.T) {
	for _, leads := range []bool{true, false} {
		c, left, lost := pair(t)
		if !leads {
			left, lost = lost, left
		}
		c.lose(lost)
		c.pass(30_000)
		if left.r.State() != wire.Looking || left.r.Serving() {
			t.Fatalf("%v without the word of the oracle", left.r.State())
		}
		left.oracle(true)
		c.until("the server leads", left.r.Serving)
		left.open(1, 5000, 0)
		if code := left.code(1, wire.OpCreate, createReq("/alone", "", 0)); code != wire.CodeOK {
			t.Fatalf("create: %v", code)
		}
		// The other one comes back, and may not lead.
		delete(c.cut, lost.id)
		c.start(lost.id)
		c.until("the other follows", c.servers[lost.id].r.Serving)
		if back := c.servers[lost.id]; back.r.State() != wire.Following || back.r.Tree().Lookup([]byte("/alone")) == 0 {
			t.Errorf("the other one is %v", back.r.State())
		}
		// Two are a majority, whatever the oracle says.
		left.oracle(false)
		if code := left.code(1, wire.OpCreate, createReq("/both", "", 0)); code != wire.CodeOK {
			t.Errorf("create: %v", code)
		}
		if left.r.State() != wire.Leading || c.servers[lost.id].r.Tree().Lookup([]byte("/both")) == 0 {
			t.Errorf("%v with both", left.r.State())
		}
	}
}

// Of three servers one never goes on alone.
func TestOracleOfThree(t *testing.T) {
	c := newCluster(t, threeVoters, func(_ int64, cfg *Config) { cfg.Ensemble.Oracle = true })
	c.start()
	leader := c.serving()
	leader.oracle(true)
	for _, s := range c.servers {
		if s != leader {
			c.lose(s)
		}
	}
	c.until("the leader gives up", func() bool { return leader.r.State() == wire.Looking })
	c.pass(20_000)
	if leader.r.State() != wire.Looking {
		t.Errorf("one of three is %v", leader.r.State())
	}
}
