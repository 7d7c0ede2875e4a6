package ensemble

import (
	"fmt"
	"slices"

	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// harm plays the part of the run in which things go wrong.
func (w *world) harm() {
	w.harmEnds = w.prof.harmFor
	if w.prof.harmGap > 0 {
		w.after(w.upTo(20*w.prof.tick), w.strike)
	}
	w.play(w.harmEnds, func() bool { return false })
}

// strike is one thing that goes wrong, and the time of the next.
func (w *world) strike() {
	if w.calm {
		return
	}
	p := &w.prof
	s := w.servers[w.rng.IntN(len(w.servers))]
	all := []struct {
		weight int
		do     func()
	}{
		{p.crash, func() { w.fell(s, s.powerOff) }},
		{p.crash, func() { w.cutPower(s) }},
		{p.kill, func() { w.fell(s, s.kill) }},
		{p.cut, w.part},
		{p.cut, func() { w.trace("the network is well"); w.mend() }},
		{p.cut, w.isolateLeader},
		{p.unlink, func() { w.breakLink(s) }},
		{p.stop, func() { w.stop(s) }},
		{p.handOver, w.handOver},
		{p.fault, func() { s.disk.breakDown() }},
		{p.pause, func() { w.pause(s) }},
		{p.slow, func() { s.slow = w.now + w.upTo(20*p.tick); w.met("slow disk") }},
		{p.blackout, w.blackout},
		{p.purge, func() { w.purge(s) }},
	}
	total := 0
	for _, a := range all {
		total += a.weight
	}
	n := w.rng.IntN(total)
	for _, a := range all {
		if n -= a.weight; n < 0 {
			a.do()
			break
		}
	}
	w.after(1+w.upTo(p.harmGap), w.strike)
}

// fell takes a server down and brings it back some time later.
func (w *world) fell(s *server, how func()) {
	if s.life == nil {
		return
	}
	how()
	w.comeBack(s)
}

// stop takes a server down as an operator does.
func (w *world) stop(s *server) {
	if l := s.life; l != nil && !l.busy {
		l.stop()
		w.comeBack(s)
	}
}

// handOver asks the leader to have another server lead.
func (w *world) handOver() {
	for _, s := range w.servers {
		if s.life != nil && s.life.serving && s.life.role.State == wire.Leading {
			w.trace("leader %d is asked to hand over", s.id)
			w.met("hand-over")
			s.life.put(replica.Event{Kind: replica.HandOver, Peer: &replica.PeerEvent{}})
		}
	}
}

func (w *world) comeBack(s *server) {
	if w.script != nil {
		return // the scenario says when
	}
	w.after(w.upTo(w.prof.tick*[]int64{2, 20, 60}[w.rng.IntN(3)]), func() {
		if !w.calm || s.life == nil {
			w.start(s)
		}
	})
}

// cutPower lets the power go in the middle of one of the next operations of
// the disk.
func (w *world) cutPower(s *server) {
	if s.life != nil {
		s.disk.cutIn = 1 + w.rng.IntN(40)
		life := s.life
		w.after(w.upTo(20*w.prof.tick), func() {
			if s.life == life {
				s.disk.cutIn = 0
			} else {
				w.comeBack(s)
			}
		})
	}
}

// blackout takes all servers down at once.
func (w *world) blackout() {
	w.trace("blackout")
	w.met("blackout")
	for _, s := range w.servers {
		w.fell(s, s.powerOff)
	}
}

// isolateLeader cuts the leader off for a while: what it is asked for
// meanwhile goes into its log, and no further.
func (w *world) isolateLeader() {
	for _, s := range w.servers {
		if s.life == nil || !s.life.serving || s.life.role.State != wire.Leading {
			continue
		}
		friend := int64(0) // may still be reached
		if w.chance(2) {
			friend = 1 + w.rng.Int64N(int64(len(w.servers)))
		}
		w.cutWhere(func(a, b int64) bool { return (a == s.id || b == s.id) && a != friend && b != friend })
		w.trace("leader %d is cut off: %v", s.id, w.cutPairs())
		w.met("leader cut off")
		w.after(w.upTo(20*w.prof.tick), w.mend)
		return
	}
}

// part cuts the network in one of several shapes.
func (w *world) part() {
	n := int64(len(w.servers))
	if n == 1 {
		return
	}
	some := func() int64 { return 1 + w.rng.Int64N(n) }
	switch w.rng.IntN(4) {
	case 0: // two halves
		side := map[int64]bool{}
		for id := int64(1); id <= n; id++ {
			side[id] = w.chance(2)
		}
		w.cutWhere(func(a, b int64) bool { return side[a] != side[b] })
		w.met("network cut in two")
	case 1: // one server hears all and is not heard, or the other way round
		id := some()
		if w.chance(2) {
			w.cutWhere(func(a, _ int64) bool { return a == id })
		} else {
			w.cutWhere(func(_, b int64) bool { return b == id })
		}
		w.met("network cut one way")
	case 2: // two halves that only one server reaches
		bridge, side := some(), map[int64]bool{}
		for id := int64(1); id <= n; id++ {
			side[id] = w.chance(2)
		}
		w.cutWhere(func(a, b int64) bool { return a != bridge && b != bridge && side[a] != side[b] })
		w.met("network with a bridge")
	default: // one direction of one pair
		a, b := some(), some()
		w.cutWhere(func(x, y int64) bool { return x == a && y == b })
		w.met("one way cut")
	}
	w.trace("the network is cut: %v", w.cutPairs())
}

func (w *world) cutWhere(cut func(a, b int64) bool) {
	for _, a := range w.servers {
		for _, b := range w.servers {
			if a != b && cut(a.id, b.id) {
				w.cuts[[2]int64{a.id, b.id}] = true
			}
		}
	}
}

func (w *world) cutPairs() string {
	out := ""
	for _, a := range w.servers {
		for _, b := range w.servers {
			if w.cuts[[2]int64{a.id, b.id}] {
				out += fmt.Sprintf(" %d>%d", a.id, b.id)
			}
		}
	}
	return out
}

// breakLink breaks some connections of a server.
func (w *world) breakLink(s *server) {
	if s.life == nil {
		return
	}
	for _, e := range append([]*end(nil), s.life.links...) {
		if w.chance(2) {
			e.snap()
			w.met("link broken")
		}
	}
	for _, ch := range w.channelsOf(s.id) {
		if w.chance(3) {
			ch.sever()
		}
	}
}

// pause lets a process stand still.
func (w *world) pause(s *server) {
	if s.life != nil {
		s.life.pausedTo = w.now + w.upTo(w.prof.tick*[]int64{1, 5, 20}[w.rng.IntN(3)])
		w.trace("%d: paused until %d", s.id, s.life.pausedTo)
		w.met("pause")
	}
}

// purge deletes old files of a server.
func (w *world) purge(s *server) {
	if l := s.life; l != nil && !l.busy {
		l.guard(func() {
			removed, err := storage.Purge(l.dirs, 3)
			if err != nil && !s.disk.failed {
				w.fail("purge", "server %d: %v", s.id, err)
			}
			if len(removed) > 0 {
				w.met("files purged")
			}
		})
	}
}

// heal ends all harm and demands that the ensemble serves again, that all is
// well from then on, and that nothing was lost.
func (w *world) heal() {
	w.trace("calm")
	w.calm = true
	w.mend()
	for _, s := range w.servers {
		s.slow = 0
		s.disk.cutIn, s.disk.fault = 0, nil
		if s.life == nil {
			w.start(s)
		}
	}
	p := &w.prof
	bound := 120*p.tick + 5*p.initLimit + 3*p.maxNotify
	if !w.play(w.now+bound, w.settled) {
		w.fail("progress", "%d ms after the last harm: %s", bound, w.describe())
	}
	w.report.Counts["ms to settle"] += int(w.now - w.harmEnds)
	w.steady()
	w.fallSilent()
	w.sameEverywhere()
}

// settled says whether all servers serve under one leader and all clients are
// content.
func (w *world) settled() bool {
	for _, s := range w.named() {
		if s.life == nil || !s.life.serving || s.life.r.Outstanding() > 0 || w.now < s.life.pausedTo {
			return false
		}
	}
	for _, c := range w.clients {
		if !c.content() {
			return false
		}
	}
	return w.leaders() == 1
}

func (w *world) leaders() int {
	n := 0
	for _, s := range w.servers {
		if s.life != nil && s.life.serving && s.life.role.State == wire.Leading {
			n++
		}
	}
	return n
}

func (w *world) describe() string {
	out := ""
	for _, s := range w.servers {
		if l := s.life; l == nil {
			out += fmt.Sprintf(" server %d is down;", s.id)
		} else {
			out += fmt.Sprintf(" server %d: %v leader %d serving %v epoch %d at 0x%x, %d in flight, %d links;", s.id, l.r.State(), l.role.Leader,
				l.serving, l.epoch, uint64(l.r.Tree().LastZxid()), l.r.Outstanding(), len(l.links))
		}
	}
	for _, c := range w.clients {
		if !c.content() {
			out += fmt.Sprintf(" client %d waits, connected %v greeted %v session 0x%x: %v;", c.n, c.conn != nil, c.greeted, c.id, c.sent)
		}
	}
	return out
}

// steady lets the calm go on: nobody may change its role, unless an epoch is
// used up, no session may end, and whoever asks is answered on the connection
// that it has.
func (w *world) steady() {
	epochs := map[int64]int64{}
	for _, s := range w.named() {
		epochs[s.id] = s.life.epoch
	}
	conns := map[*client]*conn{}
	for _, c := range w.clients {
		c.stable, conns[c] = c.id, c.conn
		c.send(&request{op: wire.OpSync, path: "/"}, &request{op: wire.OpGetData, path: "/n1"},
			&request{op: wire.OpExists, path: "/n2"}, &request{op: wire.OpGetData, path: "/n3"})
	}
	usedUp := w.report.Counts["epoch used up"]
	w.play(w.now+30*w.prof.tick, func() bool { return false })
	another := w.report.Counts["epoch used up"] > usedUp
	for _, s := range w.named() {
		if !another && (!s.life.serving || s.life.epoch != epochs[s.id]) {
			w.fail("stable", "server %d has left epoch %d although all was well: %s", s.id, epochs[s.id], w.describe())
		}
	}
	for _, c := range w.clients {
		switch {
		case c.stable != c.id:
			w.fail("stable", "client %d has lost its session although all was well", c.n)
		case !another && c.conn != conns[c]:
			w.fail("stable", "client %d has lost its connection although all was well", c.n)
		case !another && len(c.sent) > 0 && c.sent[0].op != wire.OpPing:
			w.fail("stable", "client %d was not answered although all was well: %v", c.n, c.sent)
		}
	}
}

// fallSilent lets all sessions expire: what they owned goes with them.
func (w *world) fallSilent() {
	w.silent = true
	for _, c := range w.clients {
		c.drop("the end")
	}
	gone := func() bool {
		for _, s := range w.named() {
			if s.life.r.SessionCount() > 0 || s.life.r.Outstanding() > 0 {
				return false
			}
		}
		return true
	}
	if !w.play(w.now+60*w.prof.tick, gone) {
		w.fail("sessions", "sessions of clients that are silent do not end: %s", w.describe())
	}
	for _, s := range w.named() {
		if n := s.life.r.Tree().EphemeralCount(); n > 0 {
			w.fail("ephemerals", "%d are left at server %d though all sessions have ended", n, s.id)
		}
	}
}

// sameEverywhere compares all servers at the end.
func (w *world) sameEverywhere() {
	// A transaction of the servers' own may be on its way.
	w.play(w.now+20*w.prof.tick, func() bool {
		return !slices.ContainsFunc(w.named(), func(s *server) bool {
			return w.truth.norm(s.life.r.Tree().LastZxid()) != w.truth.last()
		})
	})
	for _, s := range w.named() {
		zxid := w.truth.norm(s.life.r.Tree().LastZxid())
		if zxid != w.truth.last() {
			w.fail("end", "server %d ends at 0x%x, the history at 0x%x", s.id, zxid, w.truth.last())
		}
	}
	w.report.Counts["transactions"] += len(w.truth.committed)
	w.report.Counts["epochs"] += int(zab.EpochOf(w.truth.last()))
}
