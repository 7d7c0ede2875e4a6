package replica

import (
	"fmt"
	"slices"
	"testing"

	"zooid/internal/wire"
)

func localCluster(t *testing.T, upgrade bool) (*cluster, []*server) {
	t.Helper()
	c := newCluster(t, threeVoters, func(_ int64, cfg *Config) {
		cfg.Ensemble.LocalSessions, cfg.Ensemble.UpgradeSessions = true, upgrade
	})
	c.start()
	leader := c.serving()
	return c, []*server{leader, c.another()} // both kinds of server
}

func (s *server) lastZxid() int64 { return s.r.Tree().LastZxid() }

// A local session comes, writes, and goes without a transaction of its own.
func TestLocalSessionTakesNoTransaction(t *testing.T) {
	c, kinds := localCluster(t, false)
	for _, s := range kinds {
		before := s.lastZxid()
		id := s.open(1, 5000, 0).SessionID
		if id == 0 || s.r.LocalSessionCount() != 1 || s.r.SessionCount() != 0 {
			t.Fatalf("server %d: session %x, %d local and %d of the ensemble", s.id, id, s.r.LocalSessionCount(), s.r.SessionCount())
		}
		if code := s.code(1, wire.OpCreate, createReq(fmt.Sprintf("/%d", s.id), "", modePersistent)); code != wire.CodeOK {
			t.Errorf("server %d: create: %v", s.id, code)
		}
		if code := s.code(1, wire.OpCloseSession, nil); code != wire.CodeOK || s.shut[1] == "" || s.r.LocalSessionCount() != 0 {
			t.Errorf("server %d: close: %v %q, %d left", s.id, code, s.shut[1], s.r.LocalSessionCount())
		}
		if n := s.lastZxid() - before; n != 1 {
			t.Errorf("server %d: %d transactions for one create", s.id, n)
		}
		for _, other := range c.servers {
			if resp := other.open(2, 5000, id); resp.SessionID != 0 || resp.TimeOut != 0 {
				t.Errorf("server %d takes the closed session", other.id)
			}
		}
	}
}

func TestLocalSessionStaysWithItsServer(t *testing.T) {
	c, kinds := localCluster(t, false)
	for _, s := range kinds {
		id := s.open(1, 5000, 0).SessionID
		for _, other := range c.servers {
			if other != s && other.open(2, 5000, id).SessionID != 0 {
				t.Errorf("server %d takes the local session of server %d", other.id, s.id)
			}
		}
		if s.open(3, 5000, id).SessionID != id || s.shut[1] == "" {
			t.Errorf("server %d does not take its own session again", s.id)
		}
	}
}

// The server that has a local session lets it expire, and not before its time.
func TestLocalSessionExpires(t *testing.T) {
	c, kinds := localCluster(t, false)
	for _, s := range kinds {
		s.open(1, 4000, 0)
		s.open(2, 4000, 0)
		c.pass(3900)
		s.code(2, wire.OpPing, nil)
		c.pass(2200)
		if s.shut[1] == "" || s.shut[2] != "" || s.r.LocalSessionCount() != 1 {
			t.Errorf("server %d: %v, %d left", s.id, s.shut, s.r.LocalSessionCount())
		}
		s.code(2, wire.OpCloseSession, nil)
	}
}

// A local session outlives a change of its server's role, its expiry included.
func TestLocalSessionOutlivesTheRole(t *testing.T) {
	c, _ := localCluster(t, false)
	leader := c.serving()
	ids := map[*server]int64{}
	for _, s := range c.servers {
		ids[s] = s.open(1, 20_000, 0).SessionID
	}
	c.isolate(leader.id)
	c.until("the leader gives up", func() bool { return leader.r.State() == wire.Looking })
	delete(c.cut, leader.id)
	c.serving()
	for s, id := range ids {
		if s.open(2, 4000, id).SessionID != id {
			t.Errorf("server %d has lost its session", s.id)
		}
	}
	c.pass(6000)
	for s := range ids {
		if s.shut[2] == "" || s.r.LocalSessionCount() != 0 {
			t.Errorf("server %d keeps a silent session", s.id)
		}
	}
}

// A closeSession has its turn behind the writes in front of it, and what comes
// behind it is too late.
func TestLocalCloseInTurn(t *testing.T) {
	_, kinds := localCluster(t, true)
	for _, s := range kinds {
		s.open(1, 5000, 0)
		got := describe(s.ask(1, s.req(1, wire.OpCreate, createReq(fmt.Sprintf("/turn%d", s.id), "", modePersistent)),
			s.req(1, wire.OpExists, readReq("/", false)), s.req(1, wire.OpCloseSession, nil), s.req(1, wire.OpExists, readReq("/", false))))
		if want := []string{"1:0", "2:0", "3:0"}; !slices.Equal(got, want) {
			t.Errorf("server %d: %v, want %v", s.id, got, want)
		}
		if s.r.LocalSessionCount() != 0 {
			t.Errorf("server %d has a session left", s.id)
		}
	}
}

// The connection breaks while a closeSession waits for its turn.
func TestLocalCloseWithoutItsConnection(t *testing.T) {
	c, kinds := localCluster(t, false)
	for _, s := range kinds {
		s.open(1, 5000, 0)
		create, end := s.req(1, wire.OpCreate, createReq(fmt.Sprintf("/broken%d", s.id), "", modePersistent)), s.req(1, wire.OpCloseSession, nil)
		s.post(Event{Kind: ClientBatch, Conn: 1, Frames: append(create, end...), At: c.now.Mono})
		s.post(Event{Kind: ConnClosed, Conn: 1})
		c.settle()
		if s.r.LocalSessionCount() != 0 {
			t.Errorf("server %d has a session left", s.id)
		}
	}
}

func TestEphemeralOnLocalSession(t *testing.T) {
	_, kinds := localCluster(t, false)
	for _, s := range kinds {
		s.open(1, 5000, 0)
		before := s.lastZxid()
		for _, op := range []wire.Opcode{wire.OpCreate, wire.OpCreate2} {
			if code := s.code(1, op, createReq("/e", "", modeEphemeralSequential)); code != wire.CodeEphemeralOnLocalSession {
				t.Errorf("server %d: %v: %v", s.id, op, code)
			}
		}
		if n := s.lastZxid() - before; n != 2 {
			t.Errorf("server %d: %d transactions, an error takes one as well", s.id, n)
		}
		if s.r.LocalSessionCount() != 1 {
			t.Errorf("server %d: the session is not local any more", s.id)
		}
	}
}

// A session is made one of the ensemble by what needs it, once, in front of
// that.
func TestUpgrade(t *testing.T) {
	c, kinds := localCluster(t, true)
	for _, s := range kinds {
		id := s.open(1, 5000, 0).SessionID
		before := s.lastZxid()
		got := describe(s.ask(1,
			s.req(1, wire.OpCreate, createReq(fmt.Sprintf("/p%d", s.id), "", modePersistent)),
			s.req(1, wire.OpCreate, createReq(fmt.Sprintf("/e%d", s.id), "", modeEphemeral)),
			s.req(1, wire.OpExists, readReq(fmt.Sprintf("/e%d", s.id), false)),
			s.req(1, wire.OpCreate2, createReq(fmt.Sprintf("/f%d", s.id), "", modeEphemeral))))
		if want := []string{"1:0", "2:0", "3:0", "4:0"}; !slices.Equal(got, want) {
			t.Errorf("server %d: %v, want %v", s.id, got, want)
		}
		if n := s.lastZxid() - before; n != 4 {
			t.Errorf("server %d: %d transactions for three creates and one session", s.id, n)
		}
		for _, one := range c.servers {
			if one.r.LocalSessionCount() != 0 || one.r.SessionCount() != 1 {
				t.Errorf("server %d: %d local, %d of the ensemble", one.id, one.r.LocalSessionCount(), one.r.SessionCount())
			}
			if one.open(9, 5000, id).SessionID != id {
				t.Errorf("server %d does not take the session", one.id)
			}
		}
		// Its silence is for the leader to judge.
		c.pass(7000)
		for _, one := range c.servers {
			if one.r.SessionCount() != 0 || one.r.Tree().Lookup(fmt.Appendf(nil, "/e%d", s.id)) != 0 {
				t.Errorf("server %d: the session is still there", one.id)
			}
		}
	}
}

// A multi needs a session of the ensemble if any of its operations does.
func TestUpgradeByMulti(t *testing.T) {
	for _, c := range []struct {
		flags int32
		want  bool
	}{{modePersistent, false}, {modeEphemeral, true}, {modeContainer, false}} {
		var b []byte
		for i, flags := range []int32{modePersistent, c.flags} {
			h := wire.MultiHeader{Type: wire.OpCreate2, Err: -1}
			b = createReq(fmt.Sprintf("/%d", i), "", flags).Append(h.Append(b))
		}
		if got := makesEphemeral(wire.OpMulti, wire.MultiEnd.Append(b)); got != c.want {
			t.Errorf("flags %d: %v", c.flags, got)
		}
		if makesEphemeral(wire.OpMulti, b[:len(b)-1]) {
			t.Errorf("flags %d: a torn multi asks for something", c.flags)
		}
	}
}
