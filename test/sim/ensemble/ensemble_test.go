package ensemble

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
	trace   = flag.Bool("tell", false, "with -seed: tell what happens")
)

// dailySeeds is how many seeds TestEnsembles runs by default: some seconds'
// worth.
const dailySeeds = 200

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(1000) // runs are short and throw everything away
	debug.SetMemoryLimit(2 << 30)
	os.Exit(m.Run())
}

func TestEnsembles(t *testing.T) {
	if *oneSeed != 0 {
		opt := Options{Seed: *oneSeed}
		if *trace {
			opt.Trace = os.Stdout
		}
		rep, err := Run(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(rep.Counts)
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

// edges are what a simulator is for: if none of the seeds meets one of them, it
// has gone blind.
var edges = []string{
	"leader established", "serving as LEADING", "serving as FOLLOWING", "serving as OBSERVING",
	"power off", "kill", "clean stop", "blackout", "crash inside a call of storage", "torn log cut",
	"server stopped by its disk", "slow disk", "pause", "server stood still",
	"network cut in two", "network cut one way", "network with a bridge", "one way cut", "leader cut off", "link broken",
	"snapshot sent", "log sent", "log cut", "log dropped", "snapshot written", "files purged",
	"epoch used up",
	"session begun", "session resumed", "session lost", "client died",
	"event", "watches set again", "sync", "read", "read outside the loop", "write", "write refused",
}

// One seed is one run: everything that is said and logged is the same the second
// time.
func TestOneSeedIsOneRun(t *testing.T) {
	n := max(*seeds/8, 4)
	a, b := runMany(*first, n, noMutant), runMany(*first, n, noMutant)
	for i := range a {
		if a[i].Trail != b[i].Trail || !maps.Equal(a[i].Counts, b[i].Counts) {
			t.Errorf("seed %d: two runs differ:\n%v\n%v", a[i].Seed, a[i].Counts, b[i].Counts)
		}
	}
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
