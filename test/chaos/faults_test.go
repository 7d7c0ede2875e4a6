package chaos

import (
	"slices"
	"time"

	"zooid/test/interop/harness"
)

// fault is one kind of harm with its share of the strikes.
type fault struct {
	name   string
	weight int
	strike func(n *nemesis, s step)
	alone  bool // it undoes all others first, and itself before it returns
}

var faults = []fault{
	{"kill", 12, func(n *nemesis, s step) { n.end(s, "kill", n.target(s)) }, false},
	{"kill some", 5, killSome, false},
	{"stop", 4, func(n *nemesis, s step) { n.end(s, "stop", n.target(s)) }, false},
	{"pause", 12, pause, false},
	{"stutter", 4, stutter, false},
	{"cut off", 8, cutOff, false},
	{"leader without followers", 8, isolateLeader, false},
	{"one way", 12, oneWay, false},
	{"halves", 8, halves, false},
	{"bridge", 6, bridge, false},
	{"ring", 3, ring, false},
	{"deaf to clients", 4, deafToClients, false},
	{"flapping cable", 5, flap, false},
	{"narrow cable", 5, narrow, false},
	{"wipe", 5, wipe, true},
}

// killSome ends several members at once, all of them at times.
func killSome(n *nemesis, s step) {
	var some []*harness.Member
	all := s.dice.IntN(3) == 0
	for _, m := range n.e.Members() {
		if all || s.dice.IntN(2) == 0 {
			some = append(some, m)
		}
	}
	n.end(s, "kill", some...)
}

// pause lets a member fall silent with all its connections open.
func pause(n *nemesis, s step) {
	m := n.target(s)
	if !m.Alive() {
		return
	}
	n.say("pause %d for %v", m.ID, s.hold.Round(time.Millisecond))
	m.Pause()
	n.later(s.hold, func() {
		n.say("resume %d", m.ID)
		m.Resume()
	})
}

// stutter is a member on a machine that has hardly time for it.
func stutter(n *nemesis, s step) {
	m := n.target(s)
	if !m.Alive() {
		return
	}
	n.say("stutter %d for %v", m.ID, s.hold.Round(time.Millisecond))
	until := n.now() + s.hold
	var run func()
	rest := func() {
		if !m.Alive() || n.now() >= until {
			return
		}
		m.Pause()
		n.later(time.Duration(20+s.dice.IntN(130))*time.Millisecond, func() { m.Resume(); run() })
	}
	run = func() { n.later(time.Duration(2+s.dice.IntN(20))*time.Millisecond, rest) }
	rest()
}

// cutOff leaves a member without any other machine, or with clients only.
func cutOff(n *nemesis, s step) {
	id, lonely := n.target(s).ID, s.dice.IntN(2) == 0
	n.sever(s, "cut off", n.ways(func(from, to int) bool {
		return (from == id || to == id) && (lonely || from != clients && to != clients)
	}))
}

// isolateLeader keeps the leader from its followers; clients reach it.
func isolateLeader(n *nemesis, s step) {
	id := int(n.leader.Load())
	n.sever(s, "leader without followers", n.ways(func(from, to int) bool {
		return (from == id || to == id) && from != clients && to != clients
	}))
}

// oneWay drops one direction: all of a member's, or that to one other machine.
func oneWay(n *nemesis, s step) {
	id, other := n.target(s).ID, s.dice.IntN(n.net.members+1)
	switch s.dice.IntN(4) {
	case 0:
		n.sever(s, "nobody hears it", n.ways(func(from, _ int) bool { return from == id }))
	case 1:
		n.sever(s, "it hears nobody", n.ways(func(_, to int) bool { return to == id }))
	case 2:
		n.sever(s, "no member hears it", n.ways(func(from, to int) bool { return from == id && to != clients }))
	default:
		n.sever(s, "one way", n.ways(func(from, to int) bool { return from == id && to == other }))
	}
}

// sides deals the members but one into two halves that are not empty; 0 leaves
// out nobody. The clients stand in one of them.
func sides(n *nemesis, s step, but int) map[int]int {
	side, dealt := map[int]int{clients: s.dice.IntN(2)}, 0
	for _, at := range s.dice.Perm(n.net.members) {
		id := at + 1
		if id == but {
			continue
		}
		if side[id] = dealt; dealt >= 2 {
			side[id] = s.dice.IntN(2)
		}
		dealt++
	}
	return side
}

func halves(n *nemesis, s step) {
	side, all := sides(n, s, 0), s.dice.IntN(3) > 0
	n.sever(s, "halves", n.ways(func(from, to int) bool {
		return side[from] != side[to] && !(all && (from == clients || to == clients))
	}))
}

// bridge cuts the members into two halves that only one of them sees both of.
func bridge(n *nemesis, s step) {
	id := n.target(s).ID
	side := sides(n, s, id)
	n.sever(s, "bridge", n.ways(func(from, to int) bool {
		return side[from] != side[to] && from != id && to != id && from != clients && to != clients
	}))
}

// ring lets each member see its two neighbours only, so that each sees a
// majority and no two see the same one.
func ring(n *nemesis, s step) {
	order := s.dice.Perm(n.net.members)
	n.sever(s, "ring", n.ways(func(from, to int) bool {
		if from == clients || to == clients {
			return false
		}
		apart := (order[from-1] - order[to-1] + n.net.members) % n.net.members
		return apart != 1 && apart != n.net.members-1
	}))
}

// deafToClients cuts a member from clients only, one way or both.
func deafToClients(n *nemesis, s step) {
	id, which := n.target(s).ID, s.dice.IntN(3)
	n.sever(s, "deaf to clients", n.ways(func(from, to int) bool {
		return from == clients && to == id && which != 0 || from == id && to == clients && which != 1
	}))
}

// flap pulls and plugs a member's cable again and again.
func flap(n *nemesis, s step) {
	id := n.target(s).ID
	n.say("flapping cable of %d for %v", id, s.hold.Round(time.Millisecond))
	until := n.now() + s.hold
	var toggle func()
	toggle = func() {
		down := !n.net.down[id] && n.now() < until
		n.net.pull(id, down)
		if down || n.now() < until {
			n.later(time.Duration(30+s.dice.IntN(300))*time.Millisecond, toggle)
		}
	}
	toggle()
}

func narrow(n *nemesis, s step) {
	id := n.target(s).ID
	if n.narrow[id] {
		return
	}
	n.say("narrow cable of %d for %v", id, s.hold.Round(time.Millisecond))
	n.narrow[id] = true
	n.net.narrow(id, true)
	n.later(s.hold, func() {
		n.net.narrow(id, false)
		n.narrow[id] = false
	})
}

// wipe empties the directories of a minority of followers. What a member has
// acknowledged is gone with them, which no ensemble survives if the others do
// not have it: so all is well before, the others have everything first, and
// nothing else happens until the wiped ones serve again.
func wipe(n *nemesis, s step) {
	n.heal()
	leader := n.e.WaitRoles()
	victims := n.e.Followers()
	victims = victims[:min(len(victims), 1+s.dice.IntN(n.net.members/2))]
	n.say("wipe %d of them while %d leads", len(victims), leader.ID)
	for _, m := range victims {
		n.away[m.ID] = true
	}
	n.e.Kill(victims...)
	var last int64
	for _, m := range n.e.Alive() {
		_, zxid := m.State()
		last = max(last, zxid)
	}
	for _, m := range n.e.Alive() {
		harness.Until(n.t, "all that are left have everything", m.Done(), func() bool {
			_, zxid := m.State()
			return zxid >= last
		})
	}
	for _, m := range victims {
		m.Wipe()
		m.Launch()
		n.away[m.ID] = false
	}
	for _, m := range slices.Concat(victims, n.e.Members()) {
		m.WaitServing()
	}
	n.say("the wiped ones serve again")
}
