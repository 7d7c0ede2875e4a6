package differential

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed only")
	seedsFlag = flag.Int("seeds", 40, "how many seeds to run")
	stepsFlag = flag.Int("steps", 300, "steps a seed")
	tries     = flag.Int("shrink", 40, "how many runs may be spent on making a failing script smaller")
)

// TestDifferential plays each seed on a fresh pair of servers.
func TestDifferential(t *testing.T) {
	harness.Ring(t)
	for _, k := range knownDifferences {
		t.Logf("deliberate difference, not generated: %s (%s)", k.request, k.reason)
	}
	first, last := uint64(1), uint64(*seedsFlag)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		profile := script.Profiles[seed%uint64(len(script.Profiles))]
		t.Run(fmt.Sprintf("seed=%d/%s", seed, profile.Name), func(t *testing.T) {
			t.Parallel()
			steps := script.Generate(seed, *stepsFlag, profile)
			f := run(t, profile, steps, false)
			if f == nil {
				return
			}
			t.Errorf("repeat with: ZOOID_INTEROP=1 go test ./test/interop/differential -run TestDifferential -seed=%d -steps=%d\n%s",
				seed, *stepsFlag, f.report(steps))
			if small, g := shrink(t, profile, steps, f); g != nil {
				t.Errorf("the same in %d steps:\n%s", len(small), g.story(small))
			}
		})
	}
}

// failure is where two servers part.
type failure struct {
	at   int // step; the number of steps for the state after the last
	diff string
}

func (f *failure) report(steps []script.Step) string {
	if f.at >= len(steps) {
		return "after the last step:\n" + f.diff
	}
	return fmt.Sprintf("step %d: %s\n%s%s", f.at, steps[f.at], steps[f.at].Hex(), f.diff)
}

// story tells a short script whole.
func (f *failure) story(steps []script.Step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%3d %s\n", i, s)
	}
	return b.String() + f.report(steps)
}

// run plays a script on two fresh servers in lock step.
func run(t *testing.T, profile script.Profile, steps []script.Step, quiet bool) *failure {
	t.Helper()
	java := start(t, harness.Java, profile, quiet)
	ours := start(t, harness.UnderTest(), profile, quiet)
	defer java.Kill()
	defer ours.Kill()
	a, b := script.NewPlayer(java.Addr()), script.NewPlayer(ours.Addr())
	defer a.Close()
	defer b.Close()
	nameB := string(ours.Kind())
	for i, s := range steps {
		began := time.Now()
		oa, ea := a.Play(s)
		ob, eb := b.Play(s)
		if took := time.Since(began); took > 5*time.Second {
			t.Logf("slow: %s: %s", took, s)
		}
		diff := script.Diff(oa, ob, "java", nameB)
		if ea != nil {
			diff += fmt.Sprintf("  java: %v\n", ea)
		}
		if eb != nil {
			diff += fmt.Sprintf("  %s: %v\n", nameB, eb)
		}
		if diff != "" || !java.Running() || !ours.Running() {
			return &failure{i, diff + died(java) + died(ours)}
		}
	}
	if diff := compareState(t, java, ours, a, b); diff != "" {
		return &failure{len(steps), diff}
	}
	return nil
}

func died(s *harness.Server) string {
	if s.Running() {
		return ""
	}
	return fmt.Sprintf("  the %s server died:\n%s\n", s.Kind(), lastLines(s.Output()))
}

func start(t *testing.T, kind harness.Kind, profile script.Profile, quiet bool) *harness.Server {
	t.Helper()
	return harness.Start(t, harness.Options{Kind: kind, Quiet: quiet,
		Lines: profile.ServerLines(), Properties: profile.ServerProperties()})
}

// shrink leaves out ever smaller parts of a failing script as long as what
// remains fails in the same way, within a bounded number of runs: first whole
// steps, then single requests of a pipeline.
func shrink(t *testing.T, profile script.Profile, steps []script.Step, f *failure) ([]script.Step, *failure) {
	steps = steps[:min(f.at+1, len(steps))]
	var best *failure
	left := *tries
	attempt := func(less []script.Step) bool {
		left--
		g := run(t, profile, less, true)
		if g == nil || g.kind() != f.kind() {
			return false
		}
		steps, best = less[:min(g.at+1, len(less))], g
		return true
	}
	for size := len(steps) / 2; size > 0 && left > 0; size /= 2 {
		for from := 0; from < len(steps) && left > 0; {
			if !attempt(slices.Delete(slices.Clone(steps), from, min(from+size, len(steps)))) {
				from += size
			}
		}
	}
	for i := len(steps) - 1; i >= 0; i-- {
		for j := 0; i < len(steps) && len(steps[i].Requests) > 1 && j < len(steps[i].Requests) && left > 0; {
			less := slices.Clone(steps)
			less[i].Requests = slices.Delete(slices.Clone(less[i].Requests), j, j+1)
			if !attempt(less) {
				j++
			}
		}
	}
	return steps, best
}

var changing = regexp.MustCompile(`[0-9]+|"[^"]*"|S#|0x[0-9a-f]+`)

// kind is what a failure looks like without its numbers and paths, so that a
// smaller script is known to fail in the same way.
func (f *failure) kind() string {
	lines := strings.SplitN(f.diff, "\n", 4)
	return changing.ReplaceAllString(strings.Join(lines[:min(3, len(lines))], "\n"), "#")
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
