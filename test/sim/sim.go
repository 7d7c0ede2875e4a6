// Package sim runs one whole server, its core (internal/replica) and its
// storage, in one goroutine and from one seed, with clients, clocks and a disk
// of its own: requests come in any order and size, the machine loses its power
// between any two operations of the disk, writes tear, disks fill up, clocks
// jump, and clients break off, come back or never do.
//
// It takes the place of the shell (internal/node), the ports and the real file
// system, and must never use any of them. A model in lockstep (model.go) says
// what is right: what the server appends to its log, what it sends, what it
// writes into a snapshot, and what it is after a crash.
//
// A run that fails prints the line that repeats it.
package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"

	"zooid/test/sim/seeds"
)

// Options say which run.
type Options struct {
	Seed   uint64
	Steps  int       // actions before the run is brought to an end; 0: the default
	Mutant Mutant    // a shell with a mistake; 0: none
	Trace  io.Writer // nil: none
}

// defaultSteps makes a run that crashes several times.
const defaultSteps = 2000

// Failure is a promise that was broken.
type Failure struct {
	Seed      uint64
	Step      int
	Invariant string // I1 to I9 of ARCHITECTURE.md, or a word
	Text      string
}

// Error implements error. Its last line is the one that repeats the run.
func (f *Failure) Error() string {
	return fmt.Sprintf("step %d: %s: %s\nrepeat with: go test ./test/sim -run TestSim -seed %d", f.Step, f.Invariant, f.Text, f.Seed)
}

// world is one run.
type world struct {
	opt     Options
	rng     *rand.Rand
	prof    profile
	report  seeds.Report
	step    int
	mono    int64 // ms, never goes back
	skew    int64 // wall clock less mono
	disk    *disk
	srv     *server // nil while the machine is off
	model   *model
	clients []*client
	calm    bool // the end of the run: no more harm
	stopped bool // the last stop was a clean one
}

// Run runs one seed. The error is a *Failure.
func Run(opt Options) (rep seeds.Report, err error) {
	if opt.Steps == 0 {
		opt.Steps = defaultSteps
	}
	w := &world{opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0x7a6f6f69642d73))}
	w.report = seeds.Report{Seed: opt.Seed, Counts: map[string]int{}, Trail: 14695981039346656037}
	defer func() {
		rep = w.report
		switch x := recover().(type) {
		case nil:
		case *Failure:
			err = x
		default: // the server under test panicked
			err = &Failure{opt.Seed, w.step, "panic", fmt.Sprintf("%v\n%s", x, debug.Stack())}
		}
	}()
	w.begin()
	for w.step = 1; w.step <= opt.Steps; w.step++ {
		w.act()
	}
	w.heal()
	return w.report, nil
}

func (w *world) begin() {
	w.prof = drawProfile(w.rng)
	w.mono = 1 + w.rng.Int64N(1e6)
	w.skew = 1_700_000_000_000 + w.rng.Int64N(1e9)
	w.disk = newDisk(w)
	w.model = newModel(w.prof.digest, w.prof.closePaths)
	for i := range w.prof.clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.trace("profile %+v", w.prof)
}

// fail ends the run.
func (w *world) fail(invariant, format string, args ...any) {
	panic(&Failure{w.opt.Seed, w.step, invariant, fmt.Sprintf(format, args...)})
}

func (w *world) mutant(m Mutant) bool { return w.opt.Mutant == m }

// met counts something that the run came across.
func (w *world) met(what string) { w.count(what, 1) }

func (w *world) count(what string, n int) { w.report.Counts[what] += n }

func (w *world) trace(format string, args ...any) {
	if w.opt.Trace != nil {
		fmt.Fprintf(w.opt.Trace, "%5d %7d  %s\n", w.step, w.mono, fmt.Sprintf(format, args...))
	}
}

// trail adds bytes to the sum by which two runs are compared.
func (w *world) trail(b []byte) {
	for _, c := range b {
		w.report.Trail = (w.report.Trail ^ uint64(c)) * 1099511628211
	}
}

// chance is true once in n times.
func (w *world) chance(n int) bool { return n > 0 && w.rng.IntN(n) == 0 }

// action is something that may happen next.
type action struct {
	weight int
	do     func()
}

// act lets one thing happen.
func (w *world) act() {
	w.pass(w.rng.Int64N(4))
	if w.srv == nil {
		w.boot()
		return
	}
	actions := append(w.peaceful(), w.harmful()...)
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	n := w.rng.IntN(total)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			a.do()
			return
		}
	}
}

// peaceful lists what happens on a good day.
func (w *world) peaceful() []action {
	s := w.srv
	all := []action{
		{300, func() { w.clients[w.rng.IntN(len(w.clients))].act() }},
		{200, func() { s.readSockets() }},
		{250, func() { s.turn(1 + w.rng.IntN(4)) }},
		{40, func() { w.pass(w.rng.Int64N(w.prof.tick)) }},
		{3, func() { s.ask() }},
	}
	if len(s.queue)+len(s.batch) > 0 {
		all = append(all, action{w.prof.diskWeight, func() { w.guard(s.writeLog) }})
	}
	if s.job != nil {
		all = append(all, action{w.prof.snapWeight, func() { w.guard(s.writeSnapshot) }})
	}
	return all
}

// harmful lists what a server has to bear.
func (w *world) harmful() []action {
	p := &w.prof
	return []action{
		{p.purge, func() { w.guard(w.srv.purge) }},
		{p.jump, w.jump},
		{p.crash, func() { w.powerOff() }},
		{p.crash, func() { w.disk.cutIn = 1 + w.rng.IntN(30) }},
		{p.kill, func() { w.kill() }},
		{p.stop, func() { w.guard(w.srv.stop) }},
		{p.fault, func() { w.disk.breakDown(w.rng); w.trace("the disk goes bad") }},
	}
}

// pass lets time go by; the server's ticker rings meanwhile.
func (w *world) pass(ms int64) {
	w.mono += ms
	if w.srv != nil {
		w.srv.ring()
	}
}

// jump sets the wall clock, or holds the whole machine for a while.
func (w *world) jump() {
	if w.chance(3) {
		w.trace("the machine stands still")
		w.met("machine stood still")
		w.pass(w.rng.Int64N(30 * w.prof.tick))
		return
	}
	w.skew += w.rng.Int64N(7_200_000) - 3_600_000
	w.trace("the wall clock jumps")
	w.met("wall clock jumped")
}

// guard runs a call into storage, in which the power may go.
func (w *world) guard(call func()) {
	defer func() {
		if x := recover(); x != nil {
			if _, cut := x.(powerCut); !cut {
				panic(x)
			}
			w.met("crash inside a call of storage")
			if w.chance(3) {
				w.kill()
			} else {
				w.powerOff()
			}
		}
	}()
	call()
}

// powerOff crashes the machine: what was not synced is lost, or torn.
func (w *world) powerOff() {
	w.trace("power off, acked 0x%x applied 0x%x proposed 0x%x", w.model.acked, w.model.applied, w.model.last())
	w.met("power off")
	w.off(false)
	w.disk.use(w.disk.mem.CrashClone(w.rng.Uint64()))
}

// kill ends the process: files stay as they are, synced or not.
func (w *world) kill() {
	w.trace("kill, acked 0x%x applied 0x%x proposed 0x%x", w.model.acked, w.model.applied, w.model.last())
	w.met("kill")
	w.off(false)
	w.disk.use(w.disk.mem)
}

// off ends the server and every connection.
func (w *world) off(clean bool) {
	if w.srv == nil {
		return
	}
	if w.srv.dirs != nil {
		w.srv.dirs.Close()
	}
	for _, c := range w.srv.conns {
		if c != nil {
			c.broken = true
			c.stream.cut = true
		}
	}
	w.srv, w.stopped = nil, clean
}

// heal ends all harm, lets every client come back and every request be
// answered, and looks at what is left.
func (w *world) heal() {
	w.calm = true
	w.disk.fault, w.disk.cutIn = nil, 0
	w.trace("calm")
	for round := 0; ; round++ {
		w.step++
		switch {
		case w.srv == nil:
			w.boot()
			continue
		case round > 200:
			w.fail("progress", "after %d rounds of calm something is still waiting", round)
		}
		for _, c := range w.clients {
			c.act()
		}
		w.srv.settle()
		if !slices.ContainsFunc(w.clients, func(c *client) bool { return !c.content() }) {
			break
		}
		w.pass(1 + w.prof.tick/8)
	}
	w.srv.checkTree()
	w.fallSilent()
	last := w.model.last()
	w.powerOff()
	for w.srv == nil {
		w.boot()
	}
	if w.model.last() < last {
		w.fail("acked", "0x%x was answered and 0x%x is what the last recovery found", last, w.model.last())
	}
}

// fallSilent lets time pass without a word of any client, until every session
// has expired, every ephemeral is gone with its session, and nothing is left
// that the sweep of containers and TTL nodes may take.
func (w *world) fallSilent() {
	s, m := w.srv, w.model
	step := max(w.prof.tick, w.prof.sweepEvery, 2000)
	enough := 300 + 20*len(m.live(m.last())) // the sweep may be a slow one
	for round := 0; ; round++ {
		now := s.clock().Wall
		left := m.live(m.last())
		left = slices.DeleteFunc(left, func(p string) bool {
			n := m.get(p)
			return !ofSession(n.stat.EphemeralOwner) && !n.mayGo(now, w.prof.neverUsed)
		})
		sessions := len(m.sessionsAt(m.last()))
		if len(left)+sessions == 0 {
			return
		}
		if round > enough {
			w.fail("progress", "after %d ms of silence %d sessions are left, and %v", int64(round)*step, sessions, left)
		}
		w.pass(step)
		s.settle()
	}
}
