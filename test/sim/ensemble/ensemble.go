// Package ensemble runs whole ensembles, each server the core
// (internal/replica) and the storage that a real one has, in one goroutine and
// from one seed: with clients, a network, clocks and disks of its own. Servers
// die and lose what they had not synced, connections break, networks part in
// any shape, disks and whole servers become slow or stand still.
//
// It takes the place of the shell (internal/node), the ports and the real file
// system, and must never use any of them. What is right is not predicted: it
// is read off all servers together (truth.go). There is one history, of which
// every server has a beginning; what somebody was told stays in it; and when
// the harm ends, the ensemble serves again.
//
// A run that fails prints the line that repeats it.
package ensemble

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	members "zooid/internal/ensemble"
	"zooid/internal/zab"
	"zooid/test/sim/seeds"
)

// Options say which run.
type Options struct {
	Seed   uint64
	Mutant Mutant    // a shell with a mistake; 0: none
	Trace  io.Writer // nil: none
}

// Failure is a promise that was broken.
type Failure struct {
	Seed  uint64
	At    int64 // ms since the beginning of the run
	Check string
	Text  string
}

// Error implements error. Its last line is the one that repeats the run.
func (f *Failure) Error() string {
	return fmt.Sprintf("at %d ms: %s: %s\nrepeat with: go test ./test/sim/ensemble -run TestEnsembles -seed %d",
		f.At, f.Check, f.Text, f.Seed)
}

// world is one run.
type world struct {
	opt      Options
	rng      *rand.Rand
	prof     profile
	report   seeds.Report
	now      int64 // ms
	busy     int   // what has happened in this one
	agenda   agenda
	members  *members.Membership
	quorum   *zab.Quorum
	servers  []*server // by id, from 1 on
	clients  []*client
	truth    *truth
	cuts     map[[2]int64]bool // from server to server: nothing passes
	pipes    []*pipe
	channels map[[2]int64]*channel
	harmEnds int64
	calm     bool // no more harm
	silent   bool // clients say nothing any more
	script   *script
}

func newWorld(opt Options, rng *rand.Rand) *world {
	w := &world{opt: opt, rng: rng, cuts: map[[2]int64]bool{}, channels: map[[2]int64]*channel{}}
	w.report = seeds.Report{Seed: opt.Seed, Counts: map[string]int{}, Trail: 14695981039346656037}
	w.truth = newTruth(w)
	return w
}

// Run runs one seed. The error is a *Failure.
func Run(opt Options) (rep seeds.Report, err error) {
	w := newWorld(opt, rand.New(rand.NewPCG(opt.Seed, 0x7a6f6f69642d65)))
	defer func() {
		rep = w.report
		switch x := recover().(type) {
		case nil:
		case *Failure:
			err = x
		default: // a server under test panicked
			err = &Failure{opt.Seed, w.now, "panic", fmt.Sprintf("%v\n%s", x, debug.Stack())}
		}
	}()
	w.begin()
	w.harm()
	w.heal()
	return w.report, nil
}

func (w *world) begin() {
	w.prof = drawProfile(w.rng)
	p := &w.prof
	w.found(p.voters, p.observers, p.groups)
	for _, one := range w.members.Members {
		s := newServer(w, one.ID)
		w.servers = append(w.servers, s)
		w.after(w.rng.Int64N(4*p.tick), func() { w.start(s) })
	}
	for i := range p.clients {
		c := newClient(w, i)
		w.clients = append(w.clients, c)
		w.after(w.rng.Int64N(20*p.tick), c.act)
	}
	w.trace("profile %+v", w.prof)
}

// found writes the configuration that the operator begins with.
func (w *world) found(voters, observers int, groups string) {
	m, err := members.Parse([]byte(configText(voters, observers, groups)))
	if err != nil {
		w.fail("setup", "%v", err)
	}
	w.members, w.quorum = m, zab.NewQuorum(m)
}

func configText(voters, observers int, groups string) string {
	var text strings.Builder
	for id := int64(1); id <= int64(voters+observers); id++ {
		text.WriteString(memberLine(id, id > int64(voters)) + "\n")
	}
	return text.String() + groups + "version=0"
}

// fail ends the run.
func (w *world) fail(check, format string, args ...any) {
	panic(&Failure{w.opt.Seed, w.now, check, fmt.Sprintf(format, args...)})
}

func (w *world) mutant(m Mutant) bool { return w.opt.Mutant == m }

// met counts something that the run came across.
func (w *world) met(what string) { w.report.Counts[what]++ }

func (w *world) trace(format string, args ...any) {
	if w.opt.Trace != nil {
		fmt.Fprintf(w.opt.Trace, "%7d  %s\n", w.now, fmt.Sprintf(format, args...))
	}
}

// trail adds bytes to the sum by which two runs are compared.
func (w *world) trail(b []byte) {
	for _, c := range b {
		w.report.Trail = (w.report.Trail ^ uint64(c)) * 1099511628211
	}
}

// chance is true once in n times, never for 0.
func (w *world) chance(n int) bool { return n > 0 && w.rng.IntN(n) == 0 }

// upTo is a number of milliseconds from 0 to ms.
func (w *world) upTo(ms int64) int64 { return w.rng.Int64N(max(ms, 0) + 1) }

func (w *world) server(id int64) *server { return w.servers[id-1] }
