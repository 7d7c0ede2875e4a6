package ensemble

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var (
	mutants = flag.Bool("mutants", false, "hunt for the mutants, which takes minutes; make sim does")
)

// rewrite says whether what comes out is to be taken for what should; the flag
// is that of the scenarios' package.
func rewrite() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// mutantSeeds is how many seeds a mutant may live.
const mutantSeeds = 400

// Every mistake that a shell could make has to be found: a simulator that finds
// nothing may only be blind.
func TestMutations(t *testing.T) {
	if !*mutants && !rewrite() {
		t.Skip("hunts take minutes: make sim, or -mutants")
	}
	var rows strings.Builder
	for _, m := range Mutants {
		failure, n := hunt(m.Mutant)
		switch {
		case failure == nil && m.Unnoticed:
			t.Logf("%-30s not found within %d seeds", m.Name, mutantSeeds)
			fmt.Fprintf(&rows, "| %s | the shell %s | more than %d | nothing yet |\n", m.Name, m.Does, mutantSeeds)
			continue
		case failure == nil:
			t.Errorf("%q is not found within %d seeds: the shell %s", m.Name, mutantSeeds, m.Does)
			continue
		}
		t.Logf("%-30s seed %3d  %s: %.150s", m.Name, n, failure.Check, strings.SplitN(failure.Text, "\n", 2)[0])
		fmt.Fprintf(&rows, "| %s | the shell %s | %d | %s |\n", m.Name, m.Does, n, failure.Check)
	}
	page := []byte(fmt.Sprintf(mutationsPage, rows.String()))
	if rewrite() {
		if err := os.WriteFile("MUTATIONS.md", page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile("MUTATIONS.md"); err != nil || !bytes.Equal(have, page) {
		t.Log("MUTATIONS.md is not what this run found; go test ./test/sim/ensemble -run TestMutations -rewrite writes it")
	}
}

// hunt runs seeds until one fails and returns how many that took.
func hunt(m Mutant) (*Failure, int) {
	for seed := uint64(1); seed <= mutantSeeds; seed++ {
		var f *Failure
		if _, err := Run(Options{Seed: seed, Mutant: m}); errors.As(err, &f) {
			return f, int(seed)
		}
	}
	return nil, mutantSeeds
}

const mutationsPage = `# Mistakes that the simulator of ensembles finds

Written by ` + "`go test ./test/sim/ensemble -run TestMutations -rewrite`" + `. Each row is a shell with one mistake in it
(mutants.go); the number is that of the seeds, from 1 on, that it took to notice, and the last column says which check did:
an invariant of [ARCHITECTURE.md](../../../ARCHITECTURE.md#invariants), or *one leader* (an epoch has one), *one history* (every
log is a beginning of it), *committed* (what was committed stays, what an epoch left out stays out), *durable* (what is shown is
on the disks of a quorum), *equal trees* and *equal sessions* (at equal zxids), *once* (a request becomes one transaction), *reply*,
*read*, *sync*, *zxid* (what clients are told), *log*, *disk*, *recovery*, *stream* (what storage makes of it), *progress*,
*stable* and *sessions* (the calm at the end).

| mistake | what it does | seeds | noticed by |
|---|---|---|---|
%s`
