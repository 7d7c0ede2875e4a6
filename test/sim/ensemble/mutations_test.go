package ensemble

import (
	"errors"
	"flag"
	"testing"

	"zooid/test/sim/seeds"
)

var mutants = flag.Bool("mutants", false, "hunt for the mutants, which takes minutes; make sim does")

// rewrite says whether what comes out is to be taken for what should; the flag
// is that of the scenarios' package.
func rewrite() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// Every mistake that a shell could make has to be found.
func TestMutations(t *testing.T) {
	if !*mutants && !rewrite() {
		t.Skip("hunts take minutes: make sim, or -mutants")
	}
	var all []seeds.Mutation
	for _, m := range Mutants {
		all = append(all, seeds.Mutation{Name: m.Name, Does: m.Does, Story: m.Story, Run: func(seed uint64) (check, how string) {
			var f *Failure
			if _, err := Run(Options{Seed: seed, Mutant: m.Mutant}); errors.As(err, &f) {
				return f.Check, f.Text
			}
			return "", ""
		}})
	}
	seeds.Hunt(t, all, 400, mutationsPage, rewrite())
}

const mutationsPage = `# Mistakes that the simulator of ensembles finds

Written by ` + "`go test ./test/sim/ensemble -run TestMutations -rewrite`" + `. Each row is a shell with one mistake in it
(mutants.go); the number is that of the seeds, from 1 on, that it took to notice (none for one that only a story shows), and the last column says which check did:
an invariant of [ARCHITECTURE.md](../../../ARCHITECTURE.md#invariants), or *one leader* (an epoch has one), *one history* (every
log is a beginning of it), *committed* (what was committed stays, what an epoch left out stays out), *durable* (what is shown is
on the disks of a quorum), *equal trees* and *equal sessions* (at equal zxids), *once* (a request becomes one transaction), *reply*,
*read*, *sync*, *zxid* (what clients are told), *log*, *disk*, *recovery*, *stream* (what storage makes of it), *progress*,
*stable* and *sessions* (the calm at the end).

| mistake | what it does | seeds | noticed by |
|---|---|---|---|
%s`
