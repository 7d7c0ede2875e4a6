package ensemble

import (
	"zooid/internal/auth"
	members "zooid/internal/ensemble"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// server is a member of the ensemble: a machine with a disk, on which one
// process after the other runs.
type server struct {
	w     *world
	id    int64
	disk  *disk
	life  *life // nil while it is down
	skew  int64 // of the wall clock
	drift int64 // of the monotonic clock, in permille
	slow  int64 // until then the disk is slow
	wiped bool  // the operator has begun anew with an empty disk

	// held is the newest transaction that the disk will not lose: what it has
	// acknowledged. cutTo, while the log is being cut, is how far held may go
	// back, or -1.
	held  int64
	cutTo int64
}

// life is one process of a server: the shell of the simulation around the core
// under test.
type life struct {
	w    *world
	s    *server
	cfg  replica.Config
	r    *replica.Replica
	dirs *storage.Dirs
	log  *storage.Log
	fx   replica.Effects

	began    int64 // world's time
	pausedTo int64
	lastTick int64 // own clock
	alarm    int64 // own clock: a tick comes then
	inbox    []replica.Event
	due      bool // a turn is to come
	role     replica.RoleChange
	serving  bool // the role is complete
	epoch    int64
	members  *members.Membership

	links    []*end
	linkIDs  zab.LinkID
	lastVote map[int64]wire.Notification
	conns    []*conn // by id; 0 is none's
	queue    []queued
	busy     bool // the disk writer
	job      *snapshotJob
	tail     int64 // the newest transaction in the core's log
	led      int64 // the newest epoch in which it was to serve as the leader
	shows    int64 // the zxid of its tree after the last step
}

func newServer(w *world, id int64) *server {
	s := &server{w: w, id: id, cutTo: -1}
	s.skew = 1_700_000_000_000 + w.upTo(10_000)
	if d := w.prof.drift; d > 0 {
		s.drift = w.upTo(2*d) - d
	}
	s.disk = newDisk(s)
	return s
}

// config is that of a process with these members.
func (s *server) config(current, next *members.Membership) replica.Config {
	own, _ := current.Member(s.id)
	p := &s.w.prof
	return replica.Config{
		ServerID: s.id, TickTime: p.tick, Seed: s.w.rng.Uint64() | 1,
		MinSessionTimeout: int32(4 * p.tick), MaxSessionTimeout: int32(20 * p.tick),
		SnapCount: p.snapCount, SnapSize: p.snapSize,
		Auth: &auth.Policy{DigestEnabled: true, SkipACL: p.reconfig}, ExtendedTypes: true, ReconfigEnabled: p.reconfig,
		Digest: true, CloseSessionPaths: p.closePaths,
		ContainerInterval: 100 * p.tick, ContainerPerMinute: 10_000, Limits: p.limits,
		Ensemble: &replica.EnsembleConfig{
			Current: current, Next: next, Observer: own.Observer,
			InitLimit: p.initLimit, SyncLimit: p.syncLimit,
			MinNotification: p.minNotify, MaxNotification: p.maxNotify, FinalizeWait: p.finalizeWait, Hurry: p.hurry,
			CommitLogCount: p.commitLog, ForceSnapshot: p.forceSnap, LogSync: p.logSync, LeaderServes: p.leaderServes,
			LocalSessions: p.local, UpgradeSessions: p.upgrade,
		},
	}
}

// monoBase keeps the clock of the core away from zero, as the shell does.
const monoBase = 1000

// clock is the clock as the core is told it.
func (l *life) clock() replica.Time {
	passed := l.w.now - l.began
	return replica.Time{Wall: l.w.now + l.s.skew, Mono: monoBase + passed + passed*l.s.drift/1000}
}

// until is how long the world has to wait for the own clock to show a time.
func (l *life) until(mono int64) int64 {
	left := mono - l.clock().Mono
	return left*1000/(1000+l.s.drift) + 1
}

// after lets the process do something, if it lives and once it is not paused.
func (l *life) after(ms int64, do func()) {
	l.w.after(ms, func() {
		switch {
		case l.s.life != l:
		case l.w.now < l.pausedTo:
			l.after(l.pausedTo-l.w.now, do)
		default:
			do()
		}
	})
}

// put gives the core an event.
func (l *life) put(ev replica.Event) {
	if l.s.life != l {
		return
	}
	l.inbox = append(l.inbox, ev)
	l.wake()
}

func (l *life) wake() {
	if !l.due && len(l.inbox) > 0 {
		l.due = true
		l.after(l.w.upTo(l.w.prof.turnDelay), l.turn)
	}
}

// heard takes a message of the election.
func (l *life) heard(from int64, n wire.Notification) {
	l.put(replica.Event{Kind: replica.Vote, Peer: &replica.PeerEvent{From: from, Vote: &n}})
}

// tick is the ticker.
func (l *life) tick() {
	if !l.w.mutant(noTicks) {
		l.put(replica.Event{Kind: replica.Tick})
	}
	l.after(l.w.prof.tick/4, l.tick)
}

// setAlarm sees to the tick that the core asks for.
func (l *life) setAlarm() {
	at := l.r.Deadline()
	if at == zab.NoDeadline || at == l.alarm {
		return
	}
	l.alarm = at
	l.after(l.until(at), func() {
		if l.alarm == at {
			l.alarm = 0
			l.put(replica.Event{Kind: replica.Tick})
		}
	})
}

// turn steps the core with what waits, and carries out the effects.
func (l *life) turn() {
	l.due = false
	n := len(l.inbox)
	if l.w.chance(8) {
		n = 1 + l.w.rng.IntN(n)
	}
	events := l.admit(l.inbox[:n])
	l.inbox = append([]replica.Event(nil), l.inbox[n:]...)
	l.tell(events)
	l.r.Step(l.clock(), events, &l.fx)
	scribble(events)
	l.w.truth.stepped(l)
	l.deliver()
	for i := range l.fx.Append {
		l.enqueue(&l.fx.Append[i])
	}
	l.closeConns(events)
	if l.fx.Again {
		l.put(replica.Event{Kind: replica.Tick})
	}
	if l.fx.Snapshot != nil {
		l.startSnapshot(l.fx.Snapshot)
	}
	l.carryOut(&l.fx.Ensemble)
	if l.s.life == l {
		l.setAlarm()
		l.wake()
	}
}

// tell traces the events of a turn.
func (l *life) tell(events []replica.Event) {
	if l.w.opt.Trace == nil {
		return
	}
	for i := range events {
		switch ev := &events[i]; ev.Kind {
		case replica.Tick:
		case replica.Packets:
			for _, p := range ev.Peer.Packets {
				l.w.trace("%d: link %d brings %v 0x%x", l.s.id, ev.Peer.Link, p.Type, uint64(p.Zxid))
			}
		case replica.Vote:
			v := ev.Peer.Vote
			l.w.trace("%d: vote of %d: %v %d 0x%x round %d epoch %d", l.s.id, ev.Peer.From, v.State, v.Leader, uint64(v.Zxid), v.Round, v.PeerEpoch)
		case replica.Durable:
			l.w.trace("%d: durable 0x%x", l.s.id, ev.Zxid)
		default:
			l.w.trace("%d: event %d conn %d %+v", l.s.id, ev.Kind, ev.Conn, ev.Peer)
		}
	}
}

// admit leaves out the ticks behind a time in which the process stood still:
// what others have sent meanwhile comes first.
func (l *life) admit(list []replica.Event) []replica.Event {
	events := make([]replica.Event, 0, len(list))
	now := l.clock().Mono
	for i := range list {
		ev := list[i]
		if ev.Kind == replica.Tick {
			gap := now - l.lastTick
			stalled := l.lastTick != 0 && gap > l.w.prof.tick
			l.lastTick = now
			if stalled {
				l.w.met("server stood still")
				continue
			}
			ev.Touched = l.touched()
		}
		if ev.Kind == replica.ConnOpen && l.conns[ev.Conn] == nil {
			continue
		}
		events = append(events, ev)
	}
	return events
}

// scribble spoils the memory of events: the core keeps none of it (I8).
func scribble(events []replica.Event) {
	spoil := func(b []byte) {
		for i := range b {
			b[i] = 0xa5
		}
	}
	for i := range events {
		spoil(events[i].Frames)
		if p := events[i].Peer; p != nil {
			for j := range p.Packets {
				spoil(p.Packets[j].Data)
			}
		}
	}
}

// carryOut does what only a member of an ensemble asks for.
func (l *life) carryOut(fx *replica.PeerEffects) {
	for _, n := range fx.Notes {
		l.w.trace("%d: %s %v", l.s.id, n.Text, n.Args)
	}
	if fx.Config != nil {
		l.configure(fx.Config)
	}
	for i := range fx.Votes {
		l.vote(fx.Votes[i].To, fx.Votes[i].Notification)
	}
	if fx.Reconnect {
		for _, m := range l.members.Voters() {
			if m.ID != l.s.id {
				l.w.dial(l.w.channel(l.s.id, m.ID))
			}
		}
	}
	for _, role := range fx.Roles {
		l.change(role)
	}
	for _, x := range fx.CloseLinks {
		if e := l.end(x.Link); e != nil {
			e.why = x.Why
			e.close("closed by the leader")
		}
	}
	for i := range fx.Streams {
		st := fx.Streams[i]
		if e := l.end(st.Link); e != nil {
			e.send(parcel{packets: append([]byte(nil), st.Head...), stream: &st})
		} else if st.Snapshot != nil {
			st.Snapshot.Walk.Abort()
		}
	}
	for _, id := range fx.Links {
		b := l.r.DrainLink(id, nil)
		if e := l.end(id); e != nil {
			e.send(parcel{packets: b})
		}
	}
	for _, x := range fx.Searches {
		l.search(x)
	}
	switch {
	case fx.Fatal == nil:
	case l.s.disk.failed:
		l.w.met("server stopped by its disk")
		l.s.kill()
		l.w.comeBack(l.s)
	default:
		l.w.fail("fatal", "server %d ends with code %d: %s", l.s.id, fx.Fatal.Code, fx.Fatal.Why)
	}
}

// change takes a role.
func (l *life) change(role replica.RoleChange) {
	l.w.trace("%d: role %v leader %d term %d serving %v epoch %d %s", l.s.id, role.State, role.Leader, role.Term, role.Serving, role.Epoch, role.Why)
	if role.Serving {
		l.serving, l.epoch = true, role.Epoch
		l.w.met("serving as " + role.State.String())
		return
	}
	for _, e := range append([]*end(nil), l.links...) {
		e.close("the other side has left its role")
	}
	if l.serving && l.epochFull() {
		l.w.met("epoch used up")
	}
	l.role, l.serving = role, false
	if role.State == wire.Following || role.State == wire.Observing {
		l.connect(role, 1)
	}
}

// epochFull says whether a leader has handed out the last zxid of its epoch.
func (l *life) epochFull() bool {
	last := l.w.prof.limits.Epoch
	return last != 0 && l.role.State == wire.Leading && zab.CounterOf(l.tail) == last
}

// search looks for what a learner lacks in the log on disk.
func (l *life) search(x replica.Search) {
	l.after(l.pace(l.w.prof.diskDelay), func() {
		limit := int64(1 << 40)
		if l.w.chance(4) {
			limit = l.w.upTo(5000)
		}
		found := zab.Found{}
		alive := l.guard(func() {
			f, err := storage.FindSync(l.dirs, x.Peer, x.Lowest, limit, storage.Limits{})
			if err != nil {
				l.w.fail("disk", "server %d cannot search its logs: %v", l.s.id, err)
			}
			if l.w.mutant(foundAnyway) && x.Peer > 0 {
				f.Kind = storage.SyncExact
			}
			found = zab.Found{OK: f.Kind != storage.SyncImpossible, From: x.Peer, Choice: zab.SyncChoice{Method: zab.Diff}, Why: f.Reason}
		})
		if alive {
			l.put(replica.Event{Kind: replica.Searched, Peer: &replica.PeerEvent{Link: x.Link, Found: found}})
		}
	})
}
