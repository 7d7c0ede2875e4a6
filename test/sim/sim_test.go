package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run only this seed")
	seeds   = flag.Int("seeds", 0, "run a campaign of so many seeds")
	first   = flag.Uint64("first", 1, "the first seed of a campaign")
	trace   = flag.Bool("trace", false, "with -seed: tell what happens")
)

// dailySeeds is how many seeds TestSim runs by default: some seconds' worth.
const dailySeeds = 150

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(1000) // runs are short and throw everything away
	os.Exit(m.Run())
}

func TestSim(t *testing.T) {
	if *oneSeed != 0 {
		runOne(t, *oneSeed)
		return
	}
	n := dailySeeds
	if *seeds > 0 {
		n = *seeds
	}
	total := map[string]int{}
	for _, r := range runMany(*first, n, noMutant) {
		if r.err != nil {
			t.Error(r.err)
		}
		for what, count := range r.Counts {
			total[what] += count
		}
	}
	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%8d  %s", total[what], what)
	}
	for _, what := range edges {
		if total[what] == 0 && n >= dailySeeds {
			t.Errorf("%d seeds never met: %s", n, what)
		}
	}
}

func runOne(t *testing.T, seed uint64) {
	opt := Options{Seed: seed}
	if *trace {
		opt.Trace = os.Stdout
	}
	rep, err := Run(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(rep.Counts)
}

// outcome is what came of one seed.
type outcome struct {
	Report
	err error
}

// runMany runs n seeds from first on, as many at a time as there are
// processors, and returns what came of them in order.
func runMany(first uint64, n int, m Mutant) []outcome {
	all := make([]outcome, n)
	var next, workers = 0, sync.WaitGroup{}
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				rep, err := Run(Options{Seed: first + uint64(i), Mutant: m})
				if err != nil && *seeds > 0 {
					fmt.Fprintln(os.Stderr, err) // campaigns are long
				}
				all[i] = outcome{rep, err}
			}
		})
	}
	workers.Wait()
	return all
}

// edges are what a simulator is for: if none of the seeds meets one of them, it
// has gone blind.
var edges = []string{
	"power off", "kill", "clean stop", "crash inside a call of storage", "crash during recovery",
	"torn log cut", "unacknowledged transactions lost", "unacknowledged transactions kept",
	"log rolled", "snapshot written", "snapshot given up", "file purged",
	"fault: sync", "fault: write", "fault: create", "server stopped by a failed log", "start failed on a bad disk",
	"snapshot rotten", "older snapshot used",
	"wall clock jumped", "machine stood still",
	"session expired", "session resumed", "resume refused", "session moved to another connection",
	"client fell silent", "client died", "client broke off behind a ping",
	"event", "event of setWatches", "read outside the loop", "list made in turns", "request throttled",
	"write refused", "container or TTL node removed",
}

// One seed is one run: everything that the server sends, logs and recovers is
// the same the second time.
func TestOneSeedIsOneRun(t *testing.T) {
	n := max(*seeds/4, 4)
	a, b := runMany(*first, n, noMutant), runMany(*first, n, noMutant)
	for i := range a {
		if a[i].Trail != b[i].Trail || !maps.Equal(a[i].Counts, b[i].Counts) {
			t.Errorf("seed %d: two runs differ:\n%v\n%v", a[i].Seed, a[i].Counts, b[i].Counts)
		}
	}
}
