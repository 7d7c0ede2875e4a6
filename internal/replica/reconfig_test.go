package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"zooid/internal/ensemble"
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// reconfigCluster is an ensemble that anybody may change. What its disks are
// told of configurations and of reconfig transactions is kept by server.
func reconfigCluster(t *testing.T, text string, adjust func(id int64, cfg *Config)) (*cluster, map[int64][]string) {
	t.Helper()
	c := newCluster(t, text, func(id int64, cfg *Config) {
		cfg.ReconfigEnabled, cfg.Auth.SkipACL, cfg.Ensemble.StandaloneEnabled = true, true, true
		if adjust != nil {
			adjust(id, cfg)
		}
	})
	disks := map[int64][]string{}
	c.seen = func(s *server, fx *Effects) {
		for i := range fx.Append {
			rec, line := &fx.Append[i], ""
			switch {
			case rec.Op == SaveSeen && rec.Config == nil:
				line = "forget"
			case rec.Op == SaveSeen:
				line = fmt.Sprintf("seen %x", rec.Config.Version)
			case rec.Op == SaveConfig:
				line = fmt.Sprintf("config %x", rec.Config.Version)
			case rec.Op == Append && configOf(rec.Entry) != nil:
				line = fmt.Sprintf("txn %x", rec.Zxid)
			}
			if line != "" {
				disks[s.id] = append(disks[s.id], line)
			}
		}
	}
	return c, disks
}

func line(id int, role string) string {
	return fmt.Sprintf("server.%d=h%d:1:2:%s;h%d:3", id, id, role, id)
}

// reconfig sends one request at a server and returns code and configuration.
func (s *server) reconfig(q wire.ReconfigRequest) (wire.Code, string) {
	s.t.Helper()
	q.CurConfigID = -1
	frames := s.ask(1, s.req(1, wire.OpReconfig, &q))
	if len(frames) == 0 {
		return -1000, ""
	}
	h, rest := split(frames[len(frames)-1])
	d := jute.NewDecoder(rest)
	return h.Err, string(d.Buffer())
}

// show is the text of the configuration that a server shows.
func (s *server) show() string {
	return string(s.r.tree.Data(s.r.tree.Lookup(configPath)))
}

func (c *cluster) sameConfig(want string) {
	c.t.Helper()
	for _, s := range c.servers {
		if got := s.show(); got != want {
			c.t.Errorf("server %d shows\n%s\nwant\n%s", s.id, got, want)
		}
		if m := s.r.Membership(); m.Text() != want || s.r.peer.next != nil {
			c.t.Errorf("server %d has\n%s\nand the last-seen %v, want\n%s", s.id, m.Text(), s.r.peer.next, want)
		}
	}
}

// TestFirstConfiguration: a configuration without a version gets that of the
// first leader's epoch, and keeps it.
func TestFirstConfiguration(t *testing.T) {
	c, disks := reconfigCluster(t, threeVoters, nil)
	c.start()
	c.serving()
	want := c.config.At(1 << 32).Text()
	c.sameConfig(want)
	for id, got := range disks {
		if strings.Join(got, ", ") != "seen 100000000, config 100000000" {
			t.Errorf("server %d stored %v", id, got)
		}
	}
	leader := c.serving()
	c.isolate(leader.id)
	c.until("the others have another leader", func() bool {
		s := c.another()
		return s != nil && s != leader && s.r.Serving() && s.r.epoch() == 2
	})
	for _, s := range c.servers {
		if s.show() != want {
			t.Errorf("server %d shows another one in the next epoch:\n%s", s.id, s.show())
		}
	}
}

// TestReconfigIsStoredInOrder: each member has the last-seen configuration on
// its disk before the transaction, and the committed one behind it.
func TestReconfigIsStoredInOrder(t *testing.T) {
	c, disks := reconfigCluster(t, threeVoters, nil)
	c.start()
	leader := c.serving()
	follower := c.another()
	follower.open(1, 5000, 0)
	clear(disks)
	code, text := follower.reconfig(wire.ReconfigRequest{Joining: []byte(line(int(follower.id), "participant"))})
	if code != wire.CodeOK || !strings.Contains(text, fmt.Sprintf(";h%d:3\n", follower.id)) {
		t.Fatalf("%v %q", code, text)
	}
	c.sameConfig(text)
	v := text[strings.LastIndexByte(text, '=')+1:]
	for _, id := range c.ids {
		if got, want := strings.Join(disks[id], ", "), fmt.Sprintf("seen %s, txn %s, config %s", v, v, v); got != want {
			t.Errorf("server %d stored %s, want %s", id, got, want)
		}
	}
	if leader.r.State() != wire.Leading {
		t.Errorf("server %d leads no more", leader.id)
	}
}

// TestOneReconfigAtATime: the second of two that come together is refused.
func TestOneReconfigAtATime(t *testing.T) {
	c, _ := reconfigCluster(t, threeVoters, nil)
	c.start()
	leader := c.serving()
	leader.open(1, 5000, 0)
	q := &wire.ReconfigRequest{Leaving: fmt.Append(nil, c.another().id), CurConfigID: -1}
	frames := leader.ask(1, leader.req(1, wire.OpReconfig, q), leader.req(1, wire.OpReconfig, q))
	var codes []wire.Code
	for _, f := range frames {
		h, _ := split(f)
		codes = append(codes, h.Err)
	}
	if !slices.Equal(codes, []wire.Code{wire.CodeOK, wire.CodeReconfigInProgress}) {
		t.Errorf("answered %v", codes)
	}
	if code, _ := leader.reconfig(wire.ReconfigRequest{Joining: []byte("server.9=h9:1:2:observer;3")}); code != wire.CodeOK {
		t.Errorf("the next one: %v", code)
	}
}

// TestJoiningBesideAReconfig: a learner that joins while a reconfiguration is
// proposed, and not committed, does not take it for committed. It would tell the
// others so, and one that the new configuration makes a quorum by itself would
// lead without what was committed elsewhere. Apache's learners do take it so.
func TestJoiningBesideAReconfig(t *testing.T) {
	const five = threeVoters + " server.4=h4:1:2:participant server.5=h5:1:2:participant server.6=h6:1:2:observer"
	c, _ := reconfigCluster(t, five, nil)
	c.start()
	leader, joiner := c.serving(), c.servers[6]
	if leader.id != 5 {
		t.Fatalf("server %d leads", leader.id)
	}
	old := leader.show()
	leader.open(1, 5000, 0)
	q := &wire.ReconfigRequest{Leaving: []byte("5"), CurConfigID: -1}
	leader.post(Event{Kind: ClientBatch, Conn: 1, Frames: leader.req(1, wire.OpReconfig, q)})
	for _, id := range []int64{1, 2, 6} {
		c.isolate(id) // before they hear of it
	}
	c.settle()
	delete(c.cut, joiner.id)
	c.until("the observer is back", joiner.r.Serving)
	if !leader.r.leads() || leader.r.peer.next == nil {
		t.Fatalf("the reconfiguration does not wait for the two that are cut off\n%s", c.story())
	}
	if got := joiner.r.Membership().Text(); got != old {
		t.Errorf("what is only proposed is in force:\n%s", got)
	}
	if p := joiner.r.peer; p.next != nil {
		t.Errorf("an observer is told of what is only proposed:\n%s", p.next.Text())
	}
	if got := joiner.show(); got != old {
		t.Errorf("what is only proposed is shown:\n%s", got)
	}
	clear(c.cut)
	c.until("it is committed", func() bool { return joiner.show() != old && c.servers[1].show() == joiner.show() })
}

// TestLeaderHandsOver: a leader that is removed names the next one, follows it
// without a vote, and its client stays.
func TestLeaderHandsOver(t *testing.T) {
	for _, role := range []string{"removed", "observer"} {
		c, _ := reconfigCluster(t, threeVoters, nil)
		c.start()
		leader := c.serving()
		session := leader.open(1, 5000, 0).SessionID
		q := wire.ReconfigRequest{Leaving: fmt.Append(nil, leader.id)}
		if role == "observer" {
			q = wire.ReconfigRequest{Joining: []byte(line(int(leader.id), "observer"))}
		}
		code, text := leader.reconfig(q)
		if code != wire.CodeOK {
			t.Fatalf("%s: %v", role, code)
		}
		next := c.serving()
		if next == leader || next.r.epoch() != 2 {
			t.Fatalf("%s: server %d leads in epoch %d\n%s", role, next.id, next.r.epoch(), c.story())
		}
		c.sameConfig(text)
		want := wire.Following
		if role == "observer" {
			want = wire.Observing
		}
		if got := leader.r.State(); got != want {
			t.Errorf("%s: the former leader is %v", role, got)
		}
		if leader.shut[1] != "" || leader.r.SessionOf(1) != session {
			t.Errorf("%s: its client was closed: %q", role, leader.shut[1])
		}
		if code := leader.code(1, wire.OpCreate, createReq("/after", "", modePersistent)); code != wire.CodeOK {
			t.Errorf("%s: a write there: %v", role, code)
		}
		// Both that are left are needed, the former leader is not.
		c.isolate(leader.id)
		delete(c.servers, leader.id)
		other := c.another()
		other.open(2, 5000, 0)
		if code := other.code(2, wire.OpCreate, createReq("/alone", "", modePersistent)); code != wire.CodeOK {
			t.Errorf("%s: a write without it: %v\n%s", role, code, c.story())
		}
	}
}

// join has a server that the configuration does not name know the others and
// itself.
func (c *cluster) join(id int64, role string) {
	c.t.Helper()
	own, err := ensemble.Parse([]byte(c.config.Text() + "\n" + line(int(id), role) + "\nversion=0"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.ids = append(c.ids, id)
	before := c.adjust
	c.adjust = func(one int64, cfg *Config) {
		before(one, cfg)
		if one == id {
			cfg.Ensemble.Current, cfg.Ensemble.Observer = own, role == "observer"
		}
	}
	c.start(id)
	c.until("the joiner serves", c.servers[id].r.Serving)
}

// TestMembersJoin: a joiner follows without a vote, whatever it wanted to be,
// until the configuration names it.
func TestMembersJoin(t *testing.T) {
	for _, role := range []string{"participant", "observer"} {
		c, _ := reconfigCluster(t, threeVoters, nil)
		c.start()
		leader := c.serving()
		c.join(4, role)
		joiner := c.servers[4]
		if got := joiner.r.State(); got != wire.Following {
			t.Errorf("a joining %s is %v", role, got)
		}
		if v := leader.r.Leadership(); v.NonVoting != 1 {
			t.Errorf("the leader sees %+v", v)
		}
		joiner.open(1, 5000, 0)
		code, text := joiner.reconfig(wire.ReconfigRequest{Joining: []byte(line(4, role))})
		if code != wire.CodeOK {
			t.Fatalf("a joining %s: %v\n%s", role, code, c.story())
		}
		c.serving()
		c.sameConfig(text)
		want, voters := wire.Following, 4
		if role == "observer" {
			want, voters = wire.Observing, 3
		}
		if got := joiner.r.State(); got != want {
			t.Errorf("the %s that has joined is %v", role, got)
		}
		if n := len(leader.r.Membership().Voters()); n != voters || leader.r.State() != wire.Leading {
			t.Errorf("%d voters, %v", n, leader.r.State())
		}
		// And back out.
		if code, text = joiner.reconfig(wire.ReconfigRequest{Leaving: []byte("4")}); code != wire.CodeOK {
			t.Fatalf("a %s leaves: %v", role, code)
		}
		c.serving()
		c.sameConfig(text)
		if got := joiner.r.State(); got != wire.Following {
			t.Errorf("the %s that has left is %v", role, got)
		}
	}
}

// TestUnfinishedReconfigs: what only the leader had logged when it was cut off is
// forgotten; what a follower had logged as well is completed by the next leader.
func TestUnfinishedReconfigs(t *testing.T) {
	t.Run("forgotten", func(t *testing.T) {
		c, disks := reconfigCluster(t, threeVoters, nil)
		c.start()
		leader := c.serving()
		leader.open(1, 20_000, 0)
		before := leader.show()
		q := &wire.ReconfigRequest{Leaving: fmt.Append(nil, c.another().id), CurConfigID: -1}
		leader.post(Event{Kind: ClientBatch, Conn: 1, Frames: leader.req(1, wire.OpReconfig, q), At: c.now.Mono})
		c.isolate(leader.id) // before anything of it leaves
		c.until("the others go on", func() bool {
			s := c.another()
			return s != nil && s != leader && s.r.Serving() && s.r.epoch() == 2
		})
		if next := leader.r.peer.next; next == nil {
			t.Fatal("the leader has not seen its own reconfiguration")
		}
		c.until("the leader has noticed", func() bool { return leader.r.State() != wire.Leading })
		delete(c.cut, leader.id)
		c.serving()
		c.sameConfig(before)
		if got := disks[leader.id]; got[len(got)-1] != "forget" {
			t.Errorf("its disk was told %v", got)
		}
	})
	t.Run("completed", func(t *testing.T) {
		c, _ := reconfigCluster(t, threeVoters, nil)
		c.start()
		leader := c.serving()
		leader.open(1, 20_000, 0)
		gone := c.another()
		var heir *server
		for _, s := range c.servers {
			if s != leader && s != gone {
				heir = s
			}
		}
		q := &wire.ReconfigRequest{Leaving: fmt.Append(nil, gone.id), CurConfigID: -1}
		seen := c.seen
		c.seen = func(s *server, fx *Effects) {
			seen(s, fx)
			if s == heir && s.r.peer.next != nil {
				c.isolate(leader.id) // its acknowledgement does not arrive
			}
		}
		leader.post(Event{Kind: ClientBatch, Conn: 1, Frames: leader.req(1, wire.OpReconfig, q), At: c.now.Mono})
		c.settle()
		c.seen = seen
		if heir.r.peer.next == nil {
			t.Fatal("the follower has not seen the reconfiguration")
		}
		// The new configuration is of the leader and the heir: without the leader
		// the heir has a quorum of the old one only, and cannot go on.
		c.pass(20_000)
		if heir.r.Serving() || gone.r.Serving() {
			t.Fatalf("served without a quorum of the last-seen configuration\n%s", c.story())
		}
		delete(c.cut, leader.id)
		c.serving()
		want := heir.show()
		if strings.Contains(want, fmt.Sprintf("server.%d=", gone.id)) {
			t.Errorf("the reconfiguration is not completed:\n%s", want)
		}
		c.sameConfig(want)
	})
}

// TestSeenByAnEarlierHistory: a last-seen configuration whose version is ahead of
// all that this history has, as when the files of the configuration outlive the
// data, is taken by leader and followers alike.
func TestSeenByAnEarlierHistory(t *testing.T) {
	seen := strings.ReplaceAll(threeVoters, " ", "\n") + "\n" + line(4, "participant")
	next, err := ensemble.Parse([]byte(seen))
	if err != nil {
		t.Fatal(err)
	}
	next = next.At(7 << 32)
	c, _ := reconfigCluster(t, threeVoters, func(_ int64, cfg *Config) {
		cfg.Ensemble.Current, cfg.Ensemble.Next = cfg.Ensemble.Current.At(1<<32), next
	})
	c.start()
	c.serving()
	c.sameConfig(next.Text())
}

// TestWrongReconfigs: the checks come in Apache's order.
func TestWrongReconfigs(t *testing.T) {
	c, _ := reconfigCluster(t, threeVoters, func(id int64, cfg *Config) { cfg.Auth.SkipACL = false })
	c.start()
	leader := c.serving()
	leader.open(1, 5000, 0)
	for _, x := range []struct {
		name string
		q    wire.ReconfigRequest
		want wire.Code
	}{
		{"another version before nonsense", wire.ReconfigRequest{Leaving: []byte("x"), CurConfigID: 5}, wire.CodeBadVersion},
		{"nonsense before the quorum", wire.ReconfigRequest{Joining: []byte("server.8=h8:1:2:participant"), Leaving: []byte("1,2")}, wire.CodeBadArguments},
		{"too few before the quorum", wire.ReconfigRequest{Leaving: []byte("1,2")}, wire.CodeBadArguments},
		{"the quorum before leave", wire.ReconfigRequest{Joining: []byte("server.8=h8:1:2;3,server.9=h9:1:2;3"), Leaving: []byte("1")}, wire.CodeNewConfigNoQuorum},
		{"without leave", wire.ReconfigRequest{Leaving: []byte("1")}, wire.CodeNoAuth},
	} {
		if x.q.CurConfigID == 0 {
			x.q.CurConfigID = -1
		}
		if code := leader.code(1, wire.OpReconfig, &x.q); code != x.want {
			t.Errorf("%s: %v, want %v", x.name, code, x.want)
		}
	}
}

// TestReconfigAlone: a server that is alone has no ensemble to change.
func TestReconfigAlone(t *testing.T) {
	for enabled, want := range map[bool]wire.Code{false: wire.CodeReconfigDisabled, true: wire.CodeUnimplemented} {
		cfg := testConfig()
		cfg.ReconfigEnabled = enabled
		f := newFixture(t, cfg)
		f.connect(1, 5000)
		f.send(1, wire.OpReconfig, &wire.ReconfigRequest{CurConfigID: -1})
		f.durable()
		frames := f.frames(1)
		var h wire.ReplyHeader
		d := jute.NewDecoder(frames[0])
		h.Decode(&d)
		if h.Err != want {
			t.Errorf("enabled %v: %v, want %v", enabled, h.Err, want)
		}
	}
}
