// Package seeds plays simulations over many seeds and tells what came of it: a
// bounded share every day, a campaign on demand, and the hunt for mistakes that
// were made on purpose. The simulators (test/sim, test/sim/ensemble) say what
// one run is.
package seeds

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
)

// The flags of every simulator.
var (
	one   = flag.Uint64("seed", 0, "run only this seed")
	count = flag.Int("seeds", 0, "run a campaign of so many seeds")
	first = flag.Uint64("first", 1, "the first seed of a campaign")
	tell  = flag.Bool("tell", false, "tell what happens in the run of -seed")
)

// Report is what came of one run that broke no promise.
type Report struct {
	Seed   uint64
	Counts map[string]int
	// Trail is a sum over everything that was said and logged: two runs of one
	// seed have the same.
	Trail uint64
}

// Simulator is one simulation. Run plays a seed, tells it to trace unless that
// is nil, and returns the promise that was broken as the error.
type Simulator struct {
	Run func(seed uint64, trace io.Writer) (Report, error)
	// Daily is how many seeds are played without a flag: some seconds' worth.
	Daily int
	// Edges are what a simulator is for: if none of the seeds meets one of
	// them, it has gone blind.
	Edges []string
}

// Main runs the tests of a simulator. Runs are short and throw everything away:
// memory up to limit bytes, 0 for any, is traded for time.
func Main(m *testing.M, limit int64) {
	flag.Parse()
	debug.SetGCPercent(1000)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	os.Exit(m.Run())
}

// Trace is where what happens is told, nil for nowhere.
func Trace() io.Writer {
	if *tell {
		return os.Stdout
	}
	return nil
}

// Test plays the seeds that the flags ask for.
func (s *Simulator) Test(t *testing.T) {
	t.Helper()
	if *one != 0 {
		report, err := s.Run(*one, Trace())
		if err != nil {
			t.Fatal(err)
		}
		t.Log(report.Counts)
		return
	}
	n := s.Daily
	if *count > 0 {
		n = *count
	}
	total := map[string]int{}
	reports, errs := s.play(n)
	for i, r := range reports {
		if errs[i] != nil {
			t.Error(errs[i])
		}
		for what, times := range r.Counts {
			total[what] += times
		}
	}
	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%8d  %s", total[what], what)
	}
	for _, what := range s.Edges {
		if total[what] == 0 && n >= s.Daily {
			t.Errorf("%d seeds never met: %s", n, what)
		}
	}
}

// Repeats checks that one seed is one run: everything that is said and logged is
// the same the second time. It plays atLeast seeds, more in a campaign.
func (s *Simulator) Repeats(t *testing.T, atLeast int) {
	t.Helper()
	n := max(*count/8, atLeast)
	a, _ := s.play(n)
	b, _ := s.play(n)
	for i := range a {
		if a[i].Trail != b[i].Trail || !maps.Equal(a[i].Counts, b[i].Counts) {
			t.Errorf("seed %d: two runs differ:\n%v\n%v", a[i].Seed, a[i].Counts, b[i].Counts)
		}
	}
}

// play runs n seeds, as many at a time as there are processors, and returns what
// came of them in order. Campaigns are long: what fails in one is told at once.
func (s *Simulator) play(n int) ([]Report, []error) {
	reports, errs := make([]Report, n), make([]error, n)
	var next int
	var mu sync.Mutex
	var workers sync.WaitGroup
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
				reports[i], errs[i] = s.Run(*first+uint64(i), nil)
				if errs[i] != nil && *count > 0 {
					fmt.Fprintln(os.Stderr, errs[i])
				}
			}
		})
	}
	workers.Wait()
	return reports, errs
}
