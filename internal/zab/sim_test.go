package zab

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zooid/internal/ensemble"
	"zooid/internal/wire"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play this seed of the election's simulation only")
	seedsFlag = flag.Uint64("seeds", 300, "how many seeds of the election's simulation to play")
)

// The stand-in for discovery, in milliseconds: how long a leader waits for a
// quorum of followers, and a follower for its leader.
const (
	leaderPatience   = 2000
	followerPatience = 1000
	faultsEnd        = 60_000
	progressEnd      = faultsEnd + 240_000
)

type event struct {
	at, order int64
	do        func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// simPeer is a server: an Election, what its disk holds, and whom it follows.
type simPeer struct {
	id       int64
	observer bool
	alive    bool
	history  History
	e        *Election
	life     int   // grows with each start
	joined   bool  // its leader leads and it has synchronised
	since    int64 // of the last decision
	last     map[int64]wire.Notification
	tick     int64 // when a tick is due
}

type link struct {
	up      bool
	broken  int64           // how often
	arrival map[int64]int64 // by sender: of the last message, since streams are in order
}

type simulation struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	now     int64
	order   int64
	agenda  agenda
	config  *ensemble.Membership
	quorum  *Quorum
	peers   map[int64]*simPeer
	ids     []int64
	links   map[[2]int64]*link
	side    map[int64]int // of a partition
	hurry   bool
	votedAs map[[2]int64][]History // by server and round: what it knew when it voted
	leaders int                    // leaders that a quorum has followed
	starts  int64                  // of servers, each of which begins with round 1
	ledBy   map[[2]int64]int64     // by starts and round: whom a quorum followed
	story   []string
}

func (s *simulation) note(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf("%6d ", s.now)+fmt.Sprintf(format, args...))
}

func (s *simulation) fail(format string, args ...any) {
	s.t.Helper()
	tail := s.story[max(0, len(s.story)-60):]
	s.t.Fatalf("%s\n%s\nrepeat: go test ./internal/zab -run TestElectionSimulation -seed %d", strings.Join(tail, "\n"),
		fmt.Sprintf(format, args...), s.seed)
}

func (s *simulation) after(ms int64, do func()) {
	s.order++
	heap.Push(&s.agenda, event{s.now + ms, s.order, do})
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), peers: map[int64]*simPeer{},
		links: map[[2]int64]*link{}, side: map[int64]int{}, votedAs: map[[2]int64][]History{}, ledBy: map[[2]int64]int64{}}
	voters, observers := 3+s.rng.Int64N(5), s.rng.Int64N(2)
	s.hurry = s.rng.IntN(2) == 0
	var text strings.Builder
	for id := int64(1); id <= voters+observers; id++ {
		role := "participant"
		if id > voters {
			role = "observer"
		}
		fmt.Fprintf(&text, "server.%d=h%d:1:2:%s ", id, id, role)
		s.ids = append(s.ids, id)
		s.peers[id] = &simPeer{id: id, observer: id > voters, last: map[int64]wire.Notification{},
			history: History{Zxid: 1<<32 + s.rng.Int64N(4), Epoch: 1}}
	}
	s.config = parse(t, text.String())
	s.quorum = NewQuorum(s.config)
	return s
}

func (s *simulation) link(a, b int64) *link {
	key := [2]int64{min(a, b), max(a, b)}
	if s.links[key] == nil {
		s.links[key] = &link{arrival: map[int64]int64{}}
	}
	return s.links[key]
}

func (s *simulation) reachable(a, b int64) bool {
	return s.peers[a].alive && s.peers[b].alive && s.side[a] == s.side[b]
}

func (s *simulation) breakLink(a, b int64) {
	l := s.link(a, b)
	l.up = false
	l.broken++
}

// dial brings a link up after a while; both ends then repeat their last
// message, as QuorumCnxManager does.
func (s *simulation) dial(a, b int64) {
	l := s.link(a, b)
	if l.up || !s.reachable(a, b) {
		return
	}
	broken := l.broken
	s.after(1+s.rng.Int64N(30), func() {
		if l.up || l.broken != broken || !s.reachable(a, b) {
			return
		}
		l.up, l.arrival = true, map[int64]int64{}
		for _, ends := range [][2]int64{{a, b}, {b, a}} {
			if n, ok := s.peers[ends[0]].last[ends[1]]; ok {
				s.transmit(ends[0], ends[1], n)
			}
		}
	})
}

func (s *simulation) transmit(from, to int64, n wire.Notification) {
	l := s.link(from, to)
	at := max(s.now+1+s.rng.Int64N(60), l.arrival[from])
	l.arrival[from] = at
	broken := l.broken
	s.after(at-s.now, func() {
		if p := s.peers[to]; l.broken == broken && p.alive {
			s.carryOut(p, p.e.Receive(s.now, from, &n))
		}
	})
}

// carryOut does what an Election asks for and looks at each decision.
func (s *simulation) carryOut(p *simPeer, out Effects) {
	for _, b := range out.Send {
		if b.Notification.State == wire.Looking {
			key := [2]int64{p.id, b.Notification.Round}
			s.votedAs[key] = append(s.votedAs[key], p.history)
		}
		p.last[b.To] = b.Notification
		if s.link(p.id, b.To).up {
			s.transmit(p.id, b.To, b.Notification)
		} else {
			s.dial(p.id, b.To)
		}
	}
	if out.Reconnect {
		for _, m := range s.config.Voters() {
			if m.ID != p.id {
				s.dial(p.id, m.ID)
			}
		}
	}
	if out.Decided != nil {
		s.judge(p, out.Decided)
	}
	if at := p.e.Deadline(); at != NoDeadline && at != p.tick {
		p.tick = at
		life := p.life
		s.after(at-s.now, func() {
			if p.alive && p.life == life && p.tick == at {
				p.tick = 0
				s.carryOut(p, p.e.Tick(s.now, s.connected(p)))
			}
		})
	}
}

func (s *simulation) connected(p *simPeer) bool {
	for _, id := range s.ids {
		if id != p.id && s.link(p.id, id).up {
			return true
		}
	}
	return false
}

// judge holds a decision against what an election promises.
func (s *simulation) judge(p *simPeer, d *Decision) {
	s.note("%d decides %v %+v by %v", p.id, d.State, d.Vote, d.Supporters)
	if (d.State == wire.Leading) != (d.Vote.Leader == p.id) || (d.State == wire.Observing) != p.observer {
		s.fail("server %d: %+v", p.id, d)
	}
	if !s.quorum.Contains(has(d.Supporters...)) {
		s.fail("server %d decided without a quorum: %+v", p.id, d)
	}
	if d.State == wire.Leading {
		if d.Vote.better(Vote{p.id, p.history.Zxid, p.history.Epoch, 0}) {
			s.fail("server %d leads by a history that it does not have: %+v, %+v", p.id, d.Vote, p.history)
		}
		s.judgeBest(d)
	}
	p.joined, p.since = false, s.now
	s.after(followerPatience/4, func() { s.follow(p, d.Vote, p.life) })
}

// judgeBest demands that the elected server is the best of its supporters: of
// those that voted in the round, each voted with a history no better.
func (s *simulation) judgeBest(d *Decision) {
	for _, id := range d.Supporters {
		best := false
		for _, h := range s.votedAs[[2]int64{id, d.Vote.Round}] {
			best = best || !(Vote{id, h.Zxid, h.Epoch, 0}).better(d.Vote)
		}
		if !best {
			s.fail("leader %+v is worse than its supporter %d, which voted as %+v", d.Vote, id, s.votedAs[[2]int64{id, d.Vote.Round}])
		}
	}
}

// follow stands for discovery and synchronisation: a server that has decided
// stays with its leader as long as it reaches it and it leads, and a leader
// with a quorum. Its history then is that of the leader.
func (s *simulation) follow(p *simPeer, v Vote, life int) {
	if !p.alive || p.life != life || p.e.State() == wire.Looking || p.e.Vote().Round != v.Round {
		return
	}
	leader := s.peers[v.Leader]
	leads := s.reachable(p.id, v.Leader) && leader.e.State() == wire.Leading
	switch {
	case p == leader && s.quorum.Contains(func(id int64) bool { return s.follows(id, p) }):
		if !p.joined {
			s.establish(p)
		}
	case p != leader && leads && leader.joined:
		if !p.joined {
			p.joined, p.history = true, leader.history
			p.e.Synced(leader.history.Epoch)
		}
	case p == leader && (p.joined || s.now-p.since >= leaderPatience), p != leader && (p.joined || !leads || s.now-p.since >= 2*leaderPatience) && s.now-p.since >= followerPatience:
		s.note("%d gives up %d", p.id, v.Leader)
		s.carryOut(p, p.e.Look(s.now, p.history))
		return
	}
	s.after(followerPatience/4, func() { s.follow(p, v, life) })
}

// follows says whether a server is with a leader, as the leader sees it.
func (s *simulation) follows(id int64, leader *simPeer) bool {
	p := s.peers[id]
	return id == leader.id || s.reachable(id, leader.id) && p.e.State() == wire.Following && p.e.Vote().Leader == leader.id
}

// establish lets a leader begin its epoch with the followers that it has.
func (s *simulation) establish(leader *simPeer) {
	s.leaders++
	// Servers that follow a leader of one round look in later ones, so no two
	// leaders of one round find a quorum, until a restart forgets the round.
	key := [2]int64{s.starts, leader.e.Vote().Round}
	if before, ok := s.ledBy[key]; ok && before != leader.id {
		s.fail("quorums followed %d and %d in round %d", before, leader.id, key[1])
	}
	s.ledBy[key] = leader.id
	h := leader.history
	for _, id := range s.ids {
		if p := s.peers[id]; p != leader && s.follows(id, leader) {
			h.Epoch = max(h.Epoch, p.history.Epoch)
		}
	}
	h.Epoch++
	h.Zxid = max(h.Zxid, h.Epoch<<32+s.rng.Int64N(3))
	s.note("%d leads in %+v", leader.id, h)
	for _, id := range s.ids {
		if p := s.peers[id]; s.follows(id, leader) {
			p.joined, p.history = true, h
			p.e.Synced(h.Epoch)
		}
	}
}

func (s *simulation) start(p *simPeer) {
	p.alive, p.joined, p.tick = true, false, 0
	p.life++
	s.starts++
	p.last = map[int64]wire.Notification{}
	p.e = NewElection(ElectionOptions{Self: p.id, Observer: p.observer, Hurry: s.hurry}, s.config, nil)
	s.note("%d starts with %+v", p.id, p.history)
	s.carryOut(p, p.e.Look(s.now, p.history))
}

func (s *simulation) crash(p *simPeer) {
	s.note("%d crashes", p.id)
	p.alive = false
	for _, id := range s.ids {
		if id != p.id {
			s.breakLink(p.id, id)
		}
	}
}

// fault is one thing that goes wrong, and the time of the next.
func (s *simulation) fault() {
	if s.now >= faultsEnd {
		return
	}
	p := s.peers[s.ids[s.rng.IntN(len(s.ids))]]
	switch s.rng.IntN(5) {
	case 0:
		if p.alive {
			s.crash(p)
		}
	case 1, 2:
		if !p.alive {
			s.start(p)
		}
	case 3:
		if other := s.ids[s.rng.IntN(len(s.ids))]; other != p.id {
			s.breakLink(p.id, other)
		}
	case 4:
		s.partition(s.rng.IntN(2) == 0)
	}
	s.after(1+s.rng.Int64N(3000), s.fault)
}

// partition cuts the servers in two halves, or heals that.
func (s *simulation) partition(cut bool) {
	for _, id := range s.ids {
		s.side[id] = 0
		if cut {
			s.side[id] = s.rng.IntN(2)
		}
	}
	s.note("sides %v", s.side)
	for i, a := range s.ids {
		for _, b := range s.ids[i+1:] {
			if s.side[a] != s.side[b] {
				s.breakLink(a, b)
			}
		}
	}
}

// settled says whether everyone is with one leader.
func (s *simulation) settled() bool {
	var leader int64
	for _, id := range s.ids {
		p := s.peers[id]
		if !p.joined || p.e.State() == wire.Looking || leader != 0 && p.e.Vote().Leader != leader {
			return false
		}
		leader = p.e.Vote().Leader
	}
	return s.peers[leader].e.State() == wire.Leading
}

func (s *simulation) run() {
	for _, id := range s.ids {
		s.after(s.rng.Int64N(1000), func() { s.start(s.peers[id]) })
	}
	s.after(1000+s.rng.Int64N(2000), s.fault)
	s.after(faultsEnd, func() {
		s.note("heals")
		s.partition(false)
		for _, id := range s.ids {
			if !s.peers[id].alive {
				s.start(s.peers[id])
			}
		}
	})
	for len(s.agenda) > 0 && s.agenda[0].at <= progressEnd {
		next := heap.Pop(&s.agenda).(event)
		s.now = next.at
		next.do()
		if s.now > faultsEnd+1 && s.settled() {
			return
		}
	}
	s.fail("no leader that all follow %d s after the last fault", (progressEnd-faultsEnd)/1000)
}

// TestElectionSimulation plays ensembles of 3 to 7 voters, with an observer or
// without, through crashes, broken streams and partitions.
func TestElectionSimulation(t *testing.T) {
	first, last := uint64(1), *seedsFlag
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	leaders, healed := 0, []int64{}
	for seed := first; seed <= last; seed++ {
		s := newSimulation(t, seed)
		s.run()
		leaders += s.leaders
		healed = append(healed, s.now-faultsEnd)
	}
	slices.Sort(healed)
	t.Logf("%d leaders; after the last fault half of the runs settled within %d ms, all within %d ms",
		leaders, healed[len(healed)/2], healed[len(healed)-1])
	if *seedFlag == 0 && uint64(leaders) < last {
		t.Errorf("only %d leaders in %d runs", leaders, last)
	}
}
