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
