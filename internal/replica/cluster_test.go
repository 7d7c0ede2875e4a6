package replica

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zooid/internal/ensemble"
	"zooid/internal/jute"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// cluster is an ensemble of replicas whose shells are the test: disks are done
// at once, and what a server sends arrives in the next round.
type cluster struct {
	t       testing.TB
	now     Time
	config  *ensemble.Membership
	servers map[int64]*server
	ids     []int64
	cables  map[zab.LinkID]*cable
	cut     map[int64]bool // servers without a connection to others
	turns   int
	masters bool // observers learn from followers
	keep    bool // learners get a DIFF of what they lack, not a snapshot
	// adjust changes what a server is configured with.
	adjust func(id int64, cfg *Config)
	// seen gets the effects of each step.
	seen func(s *server, fx *Effects)
}

// server is one member: a fixture that does not wait for anything.
type server struct {
	*fixture
	c      *cluster
	id     int64
	inbox  []Event
	role   RoleChange
	dials  []RoleChange // connections to make
	notes  []string
	begins [][]byte // of the log, all entries
}

// cable is a connection between a learner and its leader.
type cable struct {
	id              zab.LinkID
	learner, leader *server
	closed          bool
}

func newCluster(t testing.TB, text string, adjust func(id int64, cfg *Config)) *cluster {
	t.Helper()
	m, err := ensemble.Parse([]byte(strings.ReplaceAll(text, " ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, now: Time{Wall: 1_700_000_000_000, Mono: 1000}, config: m, servers: map[int64]*server{},
		cables: map[zab.LinkID]*cable{}, cut: map[int64]bool{}, adjust: adjust}
	for _, one := range m.Members {
		c.ids = append(c.ids, one.ID)
	}
	slices.Sort(c.ids)
	return c
}

const threeVoters = "server.1=h1:1:2:participant server.2=h2:1:2:participant server.3=h3:1:2:participant"

// start starts servers, all that there are if none is named.
func (c *cluster) start(ids ...int64) {
	c.t.Helper()
	if len(ids) == 0 {
		ids = c.ids
	}
	for _, id := range ids {
		one, _ := c.config.Member(id)
		cfg := testConfig()
		cfg.ServerID = id
		cfg.Ensemble = &EnsembleConfig{Current: c.config, Observer: one.Observer, InitLimit: 10_000, SyncLimit: 5_000,
			Hurry: true, CommitLogCount: 500, LeaderServes: true}
		if c.adjust != nil {
			c.adjust(id, &cfg)
		}
		s := &server{c: c, id: id, fixture: &fixture{t: c.t, r: New(cfg), next: map[ConnID]int32{}, shut: map[ConnID]string{}}}
		if c.keep {
			s.r.Install(NewRestore(cfg)) // of an empty disk
		}
		s.r.Start(c.now)
		c.servers[id] = s
		s.post(Event{Kind: Tick})
	}
	c.settle()
}

func (s *server) post(e Event) { s.inbox = append(s.inbox, e) }

func (s *server) peer(kind EventKind, e PeerEvent) { s.post(Event{Kind: kind, Peer: &e}) }

// settle lets everything happen that needs no time.
func (c *cluster) settle() {
	c.t.Helper()
	for round := 0; ; round++ {
		if round > 100_000 {
			c.t.Fatal("the ensemble does not come to rest")
		}
		busy := false
		for _, id := range c.ids {
			s := c.servers[id]
			if s == nil {
				continue
			}
			s.connectPeers()
			if events := s.inbox; len(events) > 0 {
				busy = true
				s.inbox = nil
				s.turn(events)
			}
		}
		if !busy {
			return
		}
	}
}

// pass lets ms go by.
func (c *cluster) pass(ms int64) {
	c.t.Helper()
	for end := c.now.Mono + ms; c.now.Mono < end; {
		step := min(50, end-c.now.Mono)
		for _, s := range c.servers {
			if at := s.r.Deadline(); at > c.now.Mono {
				step = min(step, at-c.now.Mono)
			}
		}
		c.now.Mono += step
		c.now.Wall += step
		for _, id := range c.ids {
			if s := c.servers[id]; s != nil {
				s.post(Event{Kind: Tick})
			}
		}
		c.settle()
	}
}

// until lets time pass until something holds.
func (c *cluster) until(what string, holds func() bool) {
	c.t.Helper()
	for end := c.now.Mono + 60_000; ; {
		c.settle()
		if holds() {
			return
		}
		if c.now.Mono >= end {
			c.t.Fatalf("not within a minute: %s\n%s", what, c.story())
		}
		c.pass(50)
	}
}

func (c *cluster) story() string {
	var b strings.Builder
	for _, id := range c.ids {
		if s := c.servers[id]; s != nil {
			fmt.Fprintf(&b, "server %d: %v serving %v\n\t%s\n", id, s.r.State(), s.r.Serving(), strings.Join(s.notes, "\n\t"))
		}
	}
	return b.String()
}

// serving waits until all servers serve and returns the leader.
func (c *cluster) serving() *server {
	c.t.Helper()
	var leader *server
	c.until("all servers serve", func() bool {
		leader = nil
		for _, s := range c.servers {
			if s.r.State() == wire.Leading {
				leader = s
			}
			if !s.r.Serving() {
				return false
			}
		}
		return leader != nil
	})
	return leader
}

// another is a server that does not lead.
func (c *cluster) another() *server {
	for _, id := range c.ids {
		if s := c.servers[id]; s != nil && s.r.State() != wire.Leading {
			return s
		}
	}
	return nil
}

// isolate cuts all connections of a server to others.
func (c *cluster) isolate(id int64) {
	c.cut[id] = true
	for _, k := range c.cables {
		if k.learner.id == id || k.leader.id == id {
			c.unplug(k)
		}
	}
}

func (c *cluster) unplug(k *cable) {
	if k.closed {
		return
	}
	k.closed = true
	k.learner.peer(LinkDown, PeerEvent{Link: k.id, Why: "cut"})
	k.leader.peer(LinkDown, PeerEvent{Link: k.id, Why: "cut"})
}

// turn steps a server and carries its effects out.
func (s *server) turn(events []Event) {
	s.t.Helper()
	s.now = s.c.now
	s.r.Step(s.now, events, &s.fx)
	fx := &s.fx
	if s.c.seen != nil {
		s.c.seen(s, fx)
	}
	for i := range fx.Append {
		s.disk(&fx.Append[i])
	}
	for _, x := range fx.Close {
		s.shut[x.Conn] = x.Why
	}
	if fx.Snapshot != nil {
		fx.Snapshot.Walk.Abort()
		s.post(Event{Kind: SnapshotDone, Received: fx.Snapshot.Received})
	}
	if fx.Again {
		s.post(Event{Kind: Tick})
	}
	s.carry(&fx.Ensemble)
	if n := s.r.Stats().DigestMismatches; n != 0 {
		s.t.Fatalf("server %d: %d digests were not as foretold (I5)", s.id, n)
	}
}

func (s *server) disk(rec *Record) {
	switch rec.Op {
	case Append:
		s.begins = append(s.begins, bytes.Clone(rec.Entry))
		s.post(Event{Kind: Durable, Zxid: rec.Zxid})
		return
	case TruncateAndLoad:
		s.t.Fatalf("server %d has to be cut back to %s", s.id, hexZxid(rec.Zxid))
	}
	s.peer(Stored, PeerEvent{Token: rec.Token})
}

func (s *server) carry(fx *PeerEffects) {
	s.t.Helper()
	for _, n := range fx.Notes {
		s.notes = append(s.notes, fmt.Sprint(s.now.Mono, " ", n.Text, " ", n.Args))
	}
	if fx.Fatal != nil {
		s.t.Fatalf("server %d: %s\n%s", s.id, fx.Fatal.Why, s.c.story())
	}
	for i := range fx.Votes {
		if to := s.c.servers[fx.Votes[i].To]; to != nil && !s.c.cut[s.id] && !s.c.cut[to.id] {
			vote := fx.Votes[i].Notification
			to.peer(Vote, PeerEvent{From: s.id, Vote: &vote})
		}
	}
	for _, role := range fx.Roles {
		s.takeRole(role)
	}
	for _, x := range fx.CloseLinks {
		if k := s.c.cables[x.Link]; k != nil {
			s.c.unplug(k)
		}
	}
	for i := range fx.Streams {
		s.stream(&fx.Streams[i])
	}
	for _, id := range fx.Links {
		s.packets(id, s.r.DrainLink(id, nil))
	}
}

// takeRole begins a role; what is only told of it changes no connection.
func (s *server) takeRole(role RoleChange) {
	s.role = role
	if role.Serving {
		return
	}
	s.dials = nil
	for _, k := range s.c.cables {
		if k.learner == s || k.leader == s {
			s.c.unplug(k)
		}
	}
	if role.State == wire.Following || role.State == wire.Observing {
		s.dials = append(s.dials, role)
	}
}

// connectPeers makes the connections that can be made.
func (s *server) connectPeers() {
	for len(s.dials) > 0 {
		role := s.dials[0]
		to, needs := s.c.servers[role.Leader], wire.Leading
		if s.c.masters && role.State == wire.Observing {
			to, needs = s.c.master(), wire.Following
		}
		if to == nil || s.c.cut[s.id] || s.c.cut[to.id] {
			s.dials = nil
			s.peer(LinkDown, PeerEvent{Term: role.Term, Why: "cannot connect"})
			return
		}
		if to.role.State != needs || needs == wire.Following && !to.role.Serving {
			return
		}
		s.dials = s.dials[1:]
		k := &cable{id: zab.LinkID(len(s.c.cables) + 1), learner: s, leader: to}
		s.c.cables[k.id] = k
		s.peer(LinkUp, PeerEvent{Link: k.id, Term: role.Term})
		to.peer(LinkUp, PeerEvent{Link: k.id, Term: to.role.Term})
	}
}

// master is a follower, another one each time.
func (c *cluster) master() *server {
	c.turns++
	for i := range c.ids {
		id := c.ids[(c.turns+i)%len(c.ids)]
		if s := c.servers[id]; s != nil && !c.cut[id] && s.r.State() == wire.Following {
			return s
		}
	}
	return nil
}

func (s *server) otherEnd(id zab.LinkID) *server {
	k := s.c.cables[id]
	switch {
	case k == nil || k.closed:
		return nil
	case k.learner == s:
		return k.leader
	}
	return k.learner
}

// packets delivers what a server has sent.
func (s *server) packets(id zab.LinkID, b []byte) {
	s.t.Helper()
	to := s.otherEnd(id)
	if to == nil || len(b) == 0 {
		return
	}
	var list []wire.QuorumPacket
	for len(b) > 0 {
		var q wire.QuorumPacket
		n, err := q.Decode(b, 1<<20)
		if err != nil {
			s.t.Fatalf("server %d sends what is no packet: %v", s.id, err)
		}
		list, b = append(list, q), b[n:]
	}
	to.peer(Packets, PeerEvent{Link: id, Packets: list})
}

// stream delivers a snapshot.
func (s *server) stream(x *Stream) {
	s.t.Helper()
	s.packets(x.Link, x.Head)
	if x.Snapshot == nil {
		s.t.Fatal("the log is asked for")
	}
	to := s.otherEnd(x.Link)
	if to == nil {
		x.Snapshot.Walk.Abort()
		return
	}
	b := append(append([]byte(nil), x.Snapshot.Sessions...), x.Snapshot.ACLs...)
	for done := false; !done; {
		var part []byte
		part, done = x.Snapshot.Walk.Next(nil, 1<<20)
		b = append(b, part...)
	}
	state := to.r.Restore()
	if _, err := storage.ReadStream(bufio.NewReader(bytes.NewReader(storage.AppendStreamEnd(b))), storage.Limits{}, state, nil); err != nil {
		s.t.Fatal(err)
	}
	if err := state.SnapshotDone(x.Snapshot.Zxid); err != nil {
		s.t.Fatal(err)
	}
	to.peer(Received, PeerEvent{Link: x.Link, State: state})
}

// open opens a connection; old is the session to go on with, 0 for a new one.
func (s *server) open(conn ConnID, timeout int32, old int64) wire.ConnectResponse {
	s.t.Helper()
	return s.openAs(conn, &wire.ConnectRequest{TimeOut: timeout, SessionID: old, HasReadOnly: true})
}

func (s *server) openAs(conn ConnID, req *wire.ConnectRequest) wire.ConnectResponse {
	s.t.Helper()
	password := Password(req.SessionID)
	req.Passwd = password[:]
	s.post(Event{Kind: ConnOpen, Conn: conn, Frames: req.Append(nil), IDs: []wire.ID{{Scheme: "ip", ID: "127.0.0.1"}}, At: s.c.now.Mono})
	s.c.settle()
	var resp wire.ConnectResponse
	if frames := s.frames(conn); len(frames) == 1 {
		d := jute.NewDecoder(frames[0])
		resp.Decode(&d)
	}
	return resp
}

// ask sends requests in one piece and returns what came back.
func (s *server) ask(conn ConnID, requests ...[]byte) [][]byte {
	s.t.Helper()
	s.post(Event{Kind: ClientBatch, Conn: conn, Frames: bytes.Join(requests, nil), At: s.c.now.Mono})
	s.c.settle()
	return s.frames(conn)
}

// req is a frame of a request with the connection's next xid.
func (s *server) req(conn ConnID, op wire.Opcode, q record) []byte {
	s.next[conn]++
	var body []byte
	if q != nil {
		body = q.Append(nil)
	}
	return frame(s.next[conn], op, body)
}

// code sends one request and returns the code of its reply, or -1000.
func (s *server) code(conn ConnID, op wire.Opcode, q record) wire.Code {
	s.t.Helper()
	request := s.req(conn, op, q)
	for _, f := range s.ask(conn, request) {
		if h, _ := split(f); h.Xid == int32(binary.BigEndian.Uint32(request[4:])) {
			return h.Err
		}
	}
	return -1000
}

// TestCluster: three replicas elect, take a write anywhere, and go on without
// their leader.
func TestCluster(t *testing.T) {
	c := newCluster(t, threeVoters, nil)
	c.start()
	leader := c.serving()
	for _, s := range c.servers {
		if id := s.open(1, 5000, 0).SessionID; id == 0 {
			t.Fatalf("server %d gives no session: %s", s.id, c.story())
		}
		if code := s.code(1, wire.OpCreate, createReq(fmt.Sprintf("/%d", s.id), "", modeEphemeral)); code != wire.CodeOK {
			t.Fatalf("server %d: create: %v", s.id, code)
		}
	}
	c.isolate(leader.id)
	delete(c.servers, leader.id)
	next := c.serving()
	for _, s := range c.servers {
		if n := s.r.Tree().NodeCount(); n != next.r.Tree().NodeCount() {
			t.Errorf("server %d has %d nodes", s.id, n)
		}
	}
	// A session of the one that is gone expires.
	c.until("the ephemeral of the lost server goes", func() bool {
		return next.r.Tree().Lookup(fmt.Appendf(nil, "/%d", leader.id)) == 0
	})
}
