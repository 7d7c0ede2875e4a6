package replica

import (
	"fmt"
	"slices"
	"testing"

	"zooid/internal/wire"
	"zooid/internal/zab"
)

// The zxids of an epoch come to an end, here after a few instead of 2^32 - 2
// (ZOOKEEPER-1277): however much is asked for at once, no zxid is handed out
// behind the last one, which would be one of the next epoch. The leader makes
// way, another epoch begins, and what was asked for is done in it.
func TestAnEpochIsUsedUp(t *testing.T) {
	const limit = 6
	for _, at := range []int64{3, 1} { // the leader and a follower
		t.Run(fmt.Sprintf("client at server %d", at), func(t *testing.T) {
			c := newCluster(t, threeVoters, func(_ int64, cfg *Config) { cfg.Limits.Epoch = limit })
			c.keep = true
			c.seen = func(s *server, fx *Effects) {
				for i := range fx.Append {
					if rec := &fx.Append[i]; rec.Op == Append && zab.CounterOf(rec.Zxid) > limit {
						t.Errorf("server %d logs %s, which is behind the end of its epoch", s.id, hexZxid(rec.Zxid))
					}
				}
			}
			c.start()
			if leader := c.serving(); leader.id != 3 {
				t.Fatalf("server %d leads", leader.id)
			}
			s := c.servers[at]
			session := s.open(1, 20000, 0).SessionID
			var requests [][]byte
			for i := range 15 {
				requests = append(requests, s.req(1, wire.OpCreate, createReq(fmt.Sprintf("/%d", i), "", modeEphemeral)))
			}
			frames := s.ask(1, requests...)
			c.until("every request is answered", func() bool {
				if s.shut[1] != "" {
					t.Fatal(s.shut[1])
				}
				frames = append(frames, s.frames(1)...)
				return len(frames) >= len(requests)
			})
			for i, f := range frames {
				if h, _ := split(f); h.Xid != int32(i+1) || h.Err != wire.CodeOK {
					t.Errorf("reply %d: %+v", i, h)
				}
			}
			leader := c.serving()
			for _, x := range c.servers {
				var paths []string
				x.r.Tree().EphemeralPaths(session, func(p []byte) bool { paths = append(paths, string(p)); return true })
				if len(paths) != 15 {
					t.Errorf("server %d has the ephemerals %v", x.id, slices.Sorted(slices.Values(paths)))
				}
			}
			// 16 transactions do not go into two epochs of 6.
			if leader.r.leader.Epoch() != 3 {
				t.Errorf("epoch %d", leader.r.leader.Epoch())
			}
		})
	}
}

// What a leader proposes by itself comes to the same end: sessions that have
// fallen silent at once, and new ones.
func TestSessionsWhenAnEpochIsUsedUp(t *testing.T) {
	const sessions, limit = 10, 12
	c := newCluster(t, threeVoters, func(_ int64, cfg *Config) { cfg.Limits.Epoch = limit })
	c.seen = func(s *server, fx *Effects) {
		for i := range fx.Append {
			if rec := &fx.Append[i]; rec.Op == Append && zab.CounterOf(rec.Zxid) > limit {
				t.Errorf("server %d logs %s, which is behind the end of its epoch", s.id, hexZxid(rec.Zxid))
			}
		}
	}
	c.start()
	leader := c.serving()
	for conn := range ConnID(sessions) {
		if leader.open(conn+1, 2000, 0).SessionID == 0 {
			t.Fatalf("no session %d", conn)
		}
	}
	c.until("all sessions have expired", func() bool {
		for _, s := range c.servers {
			if s.r.SessionCount() > 0 || !s.r.Serving() {
				return false
			}
		}
		return true
	})
	if leader = c.serving(); leader.r.leader.Epoch() != 2 {
		t.Errorf("epoch %d", leader.r.leader.Epoch())
	}
}
