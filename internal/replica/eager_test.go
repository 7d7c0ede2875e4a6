package replica

import (
	"fmt"
	"slices"
	"testing"

	"zooid/internal/wire"
)

// readOnlyACL lets everyone read and nobody write.
func readOnlyACL() []byte {
	return wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermRead, ID: wire.ID{Scheme: "world", ID: "anyone"}}})
}

// eagerCluster is an ensemble with a node that nobody may change, and two kinds
// of server with a session each.
func eagerCluster(t *testing.T, eager bool) (*cluster, []*server) {
	t.Helper()
	c := newCluster(t, threeVoters, func(_ int64, cfg *Config) { cfg.EagerACL = eager })
	c.start()
	leader := c.serving()
	kinds := []*server{leader, c.another()}
	for _, s := range kinds {
		s.open(1, 5000, 0)
	}
	shut := &wire.CreateRequest{Path: []byte("/shut"), ACL: readOnlyACL()}
	if code := leader.code(1, wire.OpCreate, shut); code != wire.CodeOK {
		t.Fatal(code)
	}
	return c, kinds
}

func refusedWrites() map[wire.Opcode]record {
	return map[wire.Opcode]record{
		wire.OpCreate:  createReq("/shut/a", "", modePersistent),
		wire.OpCreate2: createReq("/shut/a", "", modePersistent),
		wire.OpDelete:  deleteReq("/shut/a"),
		wire.OpSetData: setReq("/shut", "x"),
		wire.OpSetACL:  &wire.SetACLRequest{Path: []byte("/shut"), ACL: wire.OpenACL, Version: -1},
	}
}

// header asks one request and returns the header of what comes back.
func (s *server) header(conn ConnID, op wire.Opcode, q record) wire.ReplyHeader {
	s.t.Helper()
	frames := s.ask(conn, s.req(conn, op, q))
	if len(frames) != 1 {
		s.t.Fatalf("%s: %d frames", op, len(frames))
	}
	h, _ := split(frames[0])
	return h
}

// With the eager check a refused write takes no zxid, wherever it arrives, and
// its reply has zxid 0; without it, it takes one.
func TestEagerRefusalTakesNoZxid(t *testing.T) {
	for _, eager := range []bool{true, false} {
		_, kinds := eagerCluster(t, eager)
		for _, s := range kinds {
			for op, q := range refusedWrites() {
				before := s.lastZxid()
				h := s.header(1, op, q)
				if h.Err != wire.CodeNoAuth || (h.Zxid == 0) != eager || (s.lastZxid() == before) != eager {
					t.Errorf("eager %v, server %d: %s: %+v, %x after %x", eager, s.id, op, h, s.lastZxid(), before)
				}
			}
		}
	}
}

func TestEagerRefusesInvalidACL(t *testing.T) {
	_, kinds := eagerCluster(t, true)
	for _, s := range kinds {
		for op, q := range map[wire.Opcode]record{
			wire.OpCreate: &wire.CreateRequest{Path: []byte("/nowhere/a"), ACL: []byte{0, 0, 0, 0}},
			wire.OpSetACL: &wire.SetACLRequest{Path: []byte("/nowhere"), ACL: []byte{0, 0, 0, 0}, Version: -1},
		} {
			if h := s.header(1, op, q); h.Err != wire.CodeInvalidACL || h.Zxid != 0 {
				t.Errorf("server %d: %s: %+v", s.id, op, h)
			}
		}
	}
}

// What the eager check does not refuse is the leader's to answer.
func TestEagerLeavesTheRestToTheLeader(t *testing.T) {
	_, kinds := eagerCluster(t, true)
	for _, s := range kinds {
		for _, q := range []struct {
			op   wire.Opcode
			req  record
			want wire.Code
		}{
			{wire.OpSetData, setReq("/nowhere", ""), wire.CodeNoNode},
			{wire.OpDelete, deleteReq("/zookeeper"), wire.CodeBadArguments},
			{wire.OpCreate, createReq("nowhere", "", modePersistent), wire.CodeBadArguments},
			{wire.OpCreateContainer, createReq("/shut/c", "", modeContainer), wire.CodeNoAuth},
			{wire.OpCreate, createReq("/open", "", modePersistentSequential), wire.CodeOK},
		} {
			before := s.lastZxid()
			if h := s.header(1, q.op, q.req); h.Err != q.want || h.Zxid != before+1 {
				t.Errorf("server %d: %s: %+v, want %v at %x", s.id, q.op, h, q.want, before+1)
			}
		}
	}
}

// A write behind the one that permits it is not refused.
func TestEagerCheckKeepsTheOrderOfASession(t *testing.T) {
	_, kinds := eagerCluster(t, true)
	admin := wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermAdmin, ID: wire.ID{Scheme: "world", ID: "anyone"}}})
	for _, s := range kinds {
		path := fmt.Sprintf("/gate%d", s.id)
		if code := s.code(1, wire.OpCreate, &wire.CreateRequest{Path: []byte(path), ACL: admin}); code != wire.CodeOK {
			t.Fatal(code)
		}
		first := s.next[1] + 1
		opens := &wire.SetACLRequest{Path: []byte(path), ACL: wire.OpenACL, Version: -1}
		got := describe(s.ask(1, s.req(1, wire.OpSetACL, opens), s.req(1, wire.OpSetData, setReq(path, "x"))))
		if want := []string{fmt.Sprintf("%d:0", first), fmt.Sprintf("%d:0", first+1)}; !slices.Equal(got, want) {
			t.Errorf("server %d: %v, want %v", s.id, got, want)
		}
	}
}
