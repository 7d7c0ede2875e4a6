package differential

import (
	"flag"
	"fmt"
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
			f := run(t, profile, steps)
			if f == nil {
				return
			}
			t.Errorf("repeat with: ZOOID_INTEROP=1 go test ./test/interop/differential -run TestDifferential -seed=%d -steps=%d\n%s",
				seed, *stepsFlag, f.report(steps))
			if small, g := shrink(t, profile, steps, f); g != nil && len(small) < f.at+1 {
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
func run(t *testing.T, profile script.Profile, steps []script.Step) *failure {
	t.Helper()
	java := start(t, harness.Java, profile)
	ours := start(t, harness.UnderTest(), profile)
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

func start(t *testing.T, kind harness.Kind, profile script.Profile) *harness.Server {
	t.Helper()
	return harness.Start(t, harness.Options{Kind: kind,
		Lines: profile.ServerLines(), Properties: profile.ServerProperties()})
}

// shrink leaves out ever smaller parts of a failing script as long as what
// remains still fails, within a bounded number of runs.
func shrink(t *testing.T, profile script.Profile, steps []script.Step, f *failure) ([]script.Step, *failure) {
	steps = steps[:min(f.at+1, len(steps))]
	var best *failure
	left := *tries
	for size := len(steps) / 2; size > 0 && left > 0; {
		shrunk := false
		for from := 0; from < len(steps) && left > 0; {
			less := slices.Delete(slices.Clone(steps), from, min(from+size, len(steps)))
			left--
			if g := run(t, profile, less); g != nil {
				steps, best, shrunk = less[:min(g.at+1, len(less))], g, true
				continue
			}
			from += size
		}
		if !shrunk || size > len(steps) {
			size = min(size, len(steps)) / 2
		}
	}
	return steps, best
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
