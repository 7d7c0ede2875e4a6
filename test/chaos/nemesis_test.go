package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zooid/test/interop/harness"
)

// step is one strike of the nemesis as the seed draws it: what, when, for how
// long, and dice for whom it meets.
type step struct {
	at, hold time.Duration
	fault    fault
	dice     *rand.Rand
}

// draw is the plan of a seed, of faults of these names only if there are any.
func draw(t *testing.T, seed uint64, lasts time.Duration, names string) []step {
	rng := rand.New(rand.NewPCG(seed, 1))
	faults, total := slices.Clone(faults), 0
	if names != "" {
		only := strings.Split(names, ",")
		faults = slices.DeleteFunc(faults, func(f fault) bool { return !slices.Contains(only, f.name) })
		if len(faults) != len(only) {
			t.Fatalf("-faults %q names a fault that there is not", names)
		}
	}
	for _, f := range faults {
		total += f.weight
	}
	var plan []step
	for at := time.Second; at < lasts; at += 100*time.Millisecond + time.Duration(rng.Int64N(int64(2500*time.Millisecond))) {
		s := step{at: at, hold: 100*time.Millisecond + time.Duration(rng.Int64N(int64(longest(rng)))), dice: rand.New(rand.NewPCG(seed, rng.Uint64()))}
		die := rng.IntN(total)
		for _, f := range faults {
			if die -= f.weight; die < 0 {
				s.fault = f
				break
			}
		}
		plan = append(plan, s)
	}
	return plan
}

// longest is how long a strike may last: most are shorter than a leader's
// patience or about as long, and some outlive sessions.
func longest(rng *rand.Rand) time.Duration {
	return []time.Duration{400 * time.Millisecond, 2 * time.Second, 2 * time.Second, 7 * time.Second}[rng.IntN(4)]
}

// nemesis plays a plan. All it does happens on the test's goroutine.
type nemesis struct {
	t       *testing.T
	e       *harness.Ensemble
	net     *network
	leader  *atomic.Int64 // id of the member that was last seen to lead; 0: none yet
	began   time.Time
	agenda  []event
	cuts    map[int]map[way]bool // by number of the strike that made them
	strikes int
	away    map[int]bool // members that were ended on purpose
	narrow  map[int]bool
	mortal  bool // members that end by themselves are no failure
}

// event is what is to be done at a time.
type event struct {
	at time.Duration
	do func()
}

func (n *nemesis) now() time.Duration { return time.Since(n.began) }

func (n *nemesis) say(format string, args ...any) {
	n.t.Logf("%6.2fs %s", n.now().Seconds(), fmt.Sprintf(format, args...))
}

// later has something done after a while.
func (n *nemesis) later(after time.Duration, do func()) {
	n.agenda = append(n.agenda, event{n.now() + after, do})
	slices.SortStableFunc(n.agenda, func(a, b event) int { return int(a.at - b.at) })
}

// play strikes as planned, then heals everything.
func (n *nemesis) play(plan []step, lasts time.Duration) {
	n.began = time.Now()
	for _, s := range plan {
		n.await(s.at)
		before := n.now()
		s.fault.strike(n, s)
		if s.fault.alone {
			// It has taken its own time: the rest of the plan follows it.
			n.began = n.began.Add(n.now() - before)
		}
	}
	n.await(lasts)
	n.heal()
}

// await does what is to be done until a time.
func (n *nemesis) await(until time.Duration) {
	for {
		n.lookAfter()
		next := until
		if len(n.agenda) > 0 {
			next = min(next, n.agenda[0].at)
		}
		<-time.After(max(0, next-n.now()))
		if len(n.agenda) == 0 || n.agenda[0].at > until {
			return
		}
		do := n.agenda[0].do
		n.agenda = n.agenda[1:]
		do()
	}
}

// lookAfter finds members that have ended though nobody ended them.
func (n *nemesis) lookAfter() {
	for _, m := range n.e.Members() {
		if n.away[m.ID] || m.Running() {
			continue
		}
		n.say("member %d has ended by itself with exit code %d", m.ID, m.ExitCode())
		if !n.mortal {
			n.t.Errorf("member %d ended by itself with exit code %d", m.ID, m.ExitCode())
		}
		m.Launch()
	}
}

// heal undoes whatever is still done.
func (n *nemesis) heal() {
	for len(n.agenda) > 0 {
		do := n.agenda[0].do
		n.agenda = n.agenda[1:]
		do()
	}
	n.cuts = map[int]map[way]bool{}
	n.net.set(nil)
	n.lookAfter()
	n.say("healed")
}

// target is the member that a strike meets: the leader at every second time.
func (n *nemesis) target(s step) *harness.Member {
	id := 1 + s.dice.IntN(n.net.members)
	if leader := int(n.leader.Load()); s.dice.IntN(2) == 0 && leader > 0 {
		id = leader
	}
	return n.e.Member(id)
}

// end ends a member for the time of a strike.
func (n *nemesis) end(s step, how string, members ...*harness.Member) {
	members = slices.DeleteFunc(members, func(m *harness.Member) bool { return !m.Running() })
	if len(members) == 0 {
		return
	}
	ids := make([]string, 0, len(members))
	for _, m := range members {
		n.away[m.ID] = true
		ids = append(ids, fmt.Sprint(m.ID))
	}
	n.say("%s %s for %v", how, strings.Join(ids, " "), s.hold.Round(time.Millisecond))
	if how == "stop" {
		for _, m := range members {
			m.Stop()
		}
	} else {
		n.e.Kill(members...)
	}
	n.later(s.hold, func() {
		for _, m := range members {
			n.say("start %d", m.ID)
			m.Launch()
			n.away[m.ID] = false
		}
	})
}

// sever cuts ways for the time of a strike, beside those that are cut already.
func (n *nemesis) sever(s step, what string, cut map[way]bool) {
	n.strikes++
	strike := n.strikes
	n.cuts[strike] = cut
	n.say("%s for %v: %s", what, s.hold.Round(time.Millisecond), text(cut, n.net.members))
	n.apply()
	n.later(s.hold, func() {
		delete(n.cuts, strike)
		n.say("%s: over", what)
		n.apply()
	})
}

func (n *nemesis) apply() {
	all := map[way]bool{}
	for _, cut := range n.cuts {
		maps.Copy(all, cut)
	}
	n.net.set(all)
}

// ways are those between machines for which cut says so; both ends differ.
func (n *nemesis) ways(cut func(from, to int) bool) map[way]bool {
	out := map[way]bool{}
	for from := 0; from <= n.net.members; from++ {
		for to := 0; to <= n.net.members; to++ {
			if from != to && cut(from, to) {
				out[way{from, to}] = true
			}
		}
	}
	return out
}
