package replica

import (
	"fmt"
	"testing"

	"zooid/internal/wire"
)

// lonely is a member of three that knows a session of the ensemble and has lost
// the others.
func lonely(t *testing.T, leads bool) (c *cluster, s *server, session int64) {
	t.Helper()
	c = newCluster(t, threeVoters, func(_ int64, cfg *Config) { cfg.Ensemble.ReadOnly = true })
	c.start()
	leader := c.serving()
	s = leader
	if !leads {
		s = c.another()
	}
	session = leader.open(1, 20_000, 0).SessionID
	leader.code(1, wire.OpCreate, createReq("/kept", "data", modePersistent))
	leader.post(Event{Kind: ConnClosed, Conn: 1})
	c.settle()
	c.isolate(s.id)
	return c, s, session
}

func (s *server) openReadOnly(conn ConnID, id int64) wire.ConnectResponse {
	s.t.Helper()
	return s.openAs(conn, &wire.ConnectRequest{TimeOut: 5000, SessionID: id, HasReadOnly: true, ReadOnly: true})
}

func TestReadOnlyAfterAWhile(t *testing.T) {
	for _, leads := range []bool{false, true} {
		c, s, _ := lonely(t, leads)
		c.until("the server looks for a leader", func() bool { return s.r.State() == wire.Looking })
		since := c.now.Mono
		c.until("the server serves read-only", s.r.ReadOnly)
		if took := c.now.Mono - since; took < 2000 || took > 2200 {
			t.Errorf("after %d ms", took)
		}
		if last := s.role; !last.ReadOnly || last.State != wire.Looking {
			t.Errorf("the shell is told %+v", last)
		}
		if resp := s.openReadOnly(11, 0); resp.SessionID == 0 || !resp.ReadOnly {
			t.Fatalf("a client that only reads gets %+v", resp)
		}
		for _, q := range []*wire.ConnectRequest{{TimeOut: 5000, HasReadOnly: true}, {TimeOut: 5000}, {TimeOut: 5000, HasReadOnly: true, ReadOnly: true, LastZxidSeen: 1 << 40}} {
			if resp := s.openAs(12, q); resp.SessionID != 0 || s.shut[12] == "" {
				t.Errorf("%+v is answered with %+v", q, resp)
			}
			delete(s.shut, 12)
			s.post(Event{Kind: ConnClosed, Conn: 12})
		}
	}
}

// A server that is not asked to does not serve read-only, and none that has a
// quorum does.
func TestNotReadOnly(t *testing.T) {
	c, s, _ := lonely(t, false)
	s.r.peer.cfg.ReadOnly = false
	c.pass(20_000)
	if s.r.ReadOnly() || s.openReadOnly(11, 0).SessionID != 0 {
		t.Error("the server serves read-only without having been asked to")
	}
	for _, other := range c.servers {
		if other != s && other.r.ReadOnly() {
			t.Errorf("server %d serves read-only with a quorum", other.id)
		}
	}
}

func TestReadOnlyRequests(t *testing.T) {
	c, s, _ := lonely(t, false)
	c.until("the server serves read-only", s.r.ReadOnly)
	id := s.openReadOnly(11, 0).SessionID
	for _, q := range []struct {
		op   wire.Opcode
		q    record
		want wire.Code
	}{
		{wire.OpGetData, readReq("/kept", false), wire.CodeOK},
		{wire.OpExists, readReq("/none", true), wire.CodeNoNode},
		{wire.OpGetChildren, readReq("/", true), wire.CodeOK},
		{wire.OpCreate, createReq("/x", "", 0), wire.CodeNotReadOnly},
		{wire.OpCreate2, createReq("/x", "", 0), wire.CodeNotReadOnly},
		{wire.OpCreate2, nil, wire.CodeNotReadOnly},
		{wire.OpDelete, deleteReq("/kept"), wire.CodeNotReadOnly},
		{wire.OpSetData, setReq("/kept", ""), wire.CodeNotReadOnly},
		{wire.OpSetACL, nil, wire.CodeNotReadOnly},
		{wire.OpMulti, nil, wire.CodeNotReadOnly},
		{wire.OpReconfig, nil, wire.CodeNotReadOnly},
		{wire.OpSync, readReq("/", false), wire.CodeNotReadOnly},
		{wire.OpWhoAmI, nil, wire.CodeOK},
	} {
		if code := s.code(11, q.op, q.q); code != q.want {
			t.Errorf("%v: %v, want %v", q.op, code, q.want)
		}
	}
	if s.openReadOnly(12, id).SessionID != id || s.shut[11] == "" {
		t.Error("the session does not go on at another connection")
	}
	if code := s.code(12, wire.OpCloseSession, nil); code != wire.CodeOK || s.shut[12] == "" || s.r.LocalSessionCount() != 0 {
		t.Errorf("close: %v, %d sessions left", code, s.r.LocalSessionCount())
	}
	s.openReadOnly(13, 0)
	c.pass(8000)
	if s.shut[13] == "" || s.r.LocalSessionCount() != 0 {
		t.Error("a silent session does not expire")
	}
}

// What is known of other sessions decides: one of the ensemble is sent on, one
// that this server has not heard of may read, and is not ended here.
func TestReadOnlySessions(t *testing.T) {
	c, s, session := lonely(t, false)
	c.until("the server serves read-only", s.r.ReadOnly)
	if resp := s.openReadOnly(11, session); resp.SessionID != 0 || s.shut[11] == "" {
		t.Errorf("a session of the ensemble gets %+v", resp)
	}
	unknown := int64(2)<<56 | 77
	if resp := s.openReadOnly(12, unknown); resp.SessionID != unknown || !resp.ReadOnly {
		t.Errorf("an unknown session gets %+v", resp)
	}
	if code := s.code(12, wire.OpGetData, readReq("/kept", false)); code != wire.CodeOK {
		t.Errorf("it reads: %v", code)
	}
	if code := s.code(12, wire.OpCloseSession, nil); code != wire.CodeNotReadOnly {
		t.Errorf("it closes: %v", code)
	}
	s.post(Event{Kind: ConnOpen, Conn: 13, Frames: (&wire.ConnectRequest{TimeOut: 5000, SessionID: unknown + 1, Passwd: make([]byte, 16),
		HasReadOnly: true, ReadOnly: true}).Append(nil)})
	c.settle()
	if s.shut[13] == "" {
		t.Error("a wrong password is taken")
	}
}

// With the quorum everybody goes, and no session of read-only mode is left.
func TestReadOnlyEnds(t *testing.T) {
	for _, leads := range []bool{false, true} {
		c, s, session := lonely(t, leads)
		c.until("the server serves read-only", s.r.ReadOnly)
		id := s.openReadOnly(11, 0).SessionID
		s.openReadOnly(12, 99)
		for _, other := range c.servers {
			if other != s {
				delete(c.servers, other.id)
			}
		}
		delete(c.cut, s.id)
		var back []int64
		for _, one := range c.ids {
			if one != s.id {
				back = append(back, one)
			}
		}
		c.start(back...)
		c.serving()
		if s.shut[11] == "" || s.shut[12] == "" || s.r.LocalSessionCount() != 0 || s.r.ReadOnly() {
			t.Errorf("leader before %v: %v, %d sessions left", leads, s.shut, s.r.LocalSessionCount())
		}
		if resp := s.openReadOnly(21, id); resp.SessionID != 0 {
			t.Errorf("the session of read-only mode goes on: %+v", resp)
		}
		if resp := s.openReadOnly(22, session); resp.SessionID != session || resp.ReadOnly {
			t.Errorf("the session of the ensemble does not go on: %+v", resp)
		}
		if code := s.code(22, wire.OpCreate, createReq(fmt.Sprint("/", leads), "", 0)); code != wire.CodeOK {
			t.Errorf("it writes: %v", code)
		}
	}
}
