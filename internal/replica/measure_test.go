package replica

import (
	"fmt"
	"testing"

	"zooid/internal/wire"
	"zooid/internal/zab"
)

// measures is what one server has measured in all its steps.
type measures struct {
	proposed, logged, ages, reads, writes int
	acks                                  map[int64]int // by server
	syncs                                 []SyncSample
	pushed, released, drained             int64
	sent, answered                        int64
}

// measuring starts three voters and an observer; a leader measures the
// acknowledgements of every tenth transaction.
func measuring(t *testing.T) (*cluster, map[int64]*measures) {
	t.Helper()
	c := newCluster(t, threeVoters+" server.4=h4:1:2:observer", func(_ int64, cfg *Config) { cfg.Ensemble.AckSampling = 10 })
	all := map[int64]*measures{}
	c.seen = func(s *server, fx *Effects) {
		m := all[s.id]
		if m == nil {
			m = &measures{acks: map[int64]int{}}
			all[s.id] = m
		}
		m.proposed += len(fx.Peer.Proposed)
		m.logged += len(fx.Peer.Logged)
		m.ages += len(fx.Ages)
		m.reads += len(fx.Reads)
		m.writes += len(fx.Writes)
		for _, a := range fx.Peer.Acks {
			m.acks[a.Server]++
		}
		m.syncs = append(m.syncs, fx.Peer.Syncs...)
		m.pushed += fx.Queues.Pushed.N
		m.released += fx.Queues.Released.Sum
		m.drained += int64(fx.Queues.Drained)
		m.sent += fx.Sent.N
		m.answered += fx.Answered
	}
	return c, all
}

func TestMeasuresProposals(t *testing.T) {
	c, all := measuring(t)
	c.start()
	leader := c.serving()
	s := c.another()
	s.open(1, 5000, 0)
	const writes = 40
	for i := range writes {
		if code := s.code(1, wire.OpCreate, createReq(fmt.Sprintf("/%d", i), "", 0)); code != wire.CodeOK {
			t.Fatalf("create: %v", code)
		}
	}
	txns := writes + 1 // and the session
	for id, m := range all {
		role := c.servers[id].r.State()
		want := measures{proposed: txns, logged: txns, ages: txns}
		switch role {
		case wire.Leading:
			want.proposed = 0
		case wire.Observing:
			want.proposed, want.logged = 0, 0
		}
		if m.proposed != want.proposed || m.logged != want.logged || m.ages != want.ages {
			t.Errorf("%v %d has measured %d proposals, %d durable ones and %d applied ones, want %d, %d and %d", role, id,
				m.proposed, m.logged, m.ages, want.proposed, want.logged, want.ages)
		}
		stats := c.servers[id].r.Stats().Peer
		switch {
		case role == wire.Leading && stats.Committed != int64(txns),
			role == wire.Leading && stats.Requests != int64(txns),
			role == wire.Following && stats.Proposals != int64(txns),
			role != wire.Leading && stats.Commits != int64(txns),
			stats.Looks < 1:
			t.Errorf("%v %d has counted %+v", role, id, stats)
		}
	}
	// The tenth to the fortieth transaction, as far as the acknowledgement came
	// before the commit: a quorum's did.
	acks := 0
	for server, n := range all[leader.id].acks {
		if n > 4 || server == 4 {
			t.Errorf("%d samples of acknowledgements of server %d", n, server)
		}
		acks += n
	}
	if acks < 2*4 {
		t.Errorf("%d samples of acknowledgements: %v", acks, all[leader.id].acks)
	}
}

func TestMeasuresSyncs(t *testing.T) {
	c, all := measuring(t)
	c.start()
	leader := c.serving()
	var begun, most int
	left := map[zab.SyncMethod]int{}
	for _, s := range all[leader.id].syncs {
		if s.Learners > left[s.Method] {
			begun++
		}
		left[s.Method] = s.Learners
		most = max(most, s.Learners)
	}
	if begun != 3 || left[zab.Diff]+left[zab.Snap] != 0 || most < 1 {
		t.Errorf("how many learners are being brought up to date: %v", all[leader.id].syncs)
	}
	st := leader.r.Stats().Peer
	if st.Diffs+st.Snaps != 3 {
		t.Errorf("the leader has counted %+v", st)
	}
	for _, s := range c.servers {
		if phase, method := s.r.Phase(); phase != "broadcast" || method != "" {
			t.Errorf("server %d is in %q %q", s.id, phase, method)
		}
	}
	if v := leader.r.Leadership(); v != (LeaderView{Learners: 3, Followers: 2, Observers: 1}) {
		t.Errorf("around the leader: %+v", v)
	}
	c.isolate(leader.id)
	c.until("the leader looks again", func() bool { phase, _ := leader.r.Phase(); return phase == "election" })
}

// Requests that wait for a write of their session are counted while they wait,
// and not any more once the connection is gone.
func TestMeasuresQueues(t *testing.T) {
	c, all := measuring(t)
	c.start()
	s := c.another()
	s.open(1, 5000, 0)
	before := *all[s.id]
	write := s.req(1, wire.OpCreate, createReq("/a", "", 0))
	var frames []byte
	for _, f := range [][]byte{write, s.req(1, wire.OpExists, readReq("/a", false)), s.req(1, wire.OpExists, readReq("/a", false))} {
		frames = append(frames, f...)
	}
	s.turn([]Event{{Kind: ClientBatch, Conn: 1, Frames: frames, At: c.now.Mono}})
	if sessions, reads := s.r.Waiting(); sessions != 1 || reads != 2 {
		t.Errorf("%d sessions wait with %d reads", sessions, reads)
	}
	c.settle()
	if sessions, reads := s.r.Waiting(); sessions != 0 || reads != 0 {
		t.Errorf("%d sessions wait with %d reads after the answers", sessions, reads)
	}
	m := all[s.id]
	if m.pushed-before.pushed != 3 || m.released-before.released != 2 || m.drained-before.drained != 1 {
		t.Errorf("put into queues: %d, let go: %d by %d", m.pushed-before.pushed, m.released-before.released, m.drained-before.drained)
	}
	// create: header and path; twice exists: header and Stat.
	if n, bytes := m.sent-before.sent, m.answered-before.answered; n != 3 || bytes != 16+4+2+2*(16+68) {
		t.Errorf("%d answers with %d bytes", n, bytes)
	}
	s.turn([]Event{{Kind: ClientBatch, Conn: 1, Frames: s.req(1, wire.OpCreate, createReq("/b", "", 0)), At: c.now.Mono}})
	s.turn([]Event{{Kind: ConnClosed, Conn: 1}})
	if sessions, reads := s.r.Waiting(); sessions != 0 || reads != 0 {
		t.Errorf("%d sessions wait with %d reads, and there is no connection", sessions, reads)
	}
}
