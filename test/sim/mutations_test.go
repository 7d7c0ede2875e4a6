package sim

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write MUTATIONS.md anew")

// mutantSeeds is how many seeds a mutant may live.
const mutantSeeds = 150

// Every mistake that a shell could make has to be found, and soon: a simulator
// that finds nothing may only be blind.
func TestMutations(t *testing.T) {
	var rows strings.Builder
	for _, m := range Mutants {
		failure, n := hunt(m.Mutant)
		if failure == nil {
			t.Errorf("%q is not found within %d seeds: the shell %s", m.Name, mutantSeeds, m.Does)
			continue
		}
		t.Logf("%-30s seed %3d  %s: %s", m.Name, n, failure.Invariant, strings.SplitN(failure.Text, "\n", 2)[0])
		fmt.Fprintf(&rows, "| %s | the shell %s | %d | %s |\n", m.Name, m.Does, n, failure.Invariant)
	}
	page := []byte(fmt.Sprintf(mutationsPage, rows.String()))
	if *rewrite {
		if err := os.WriteFile("MUTATIONS.md", page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile("MUTATIONS.md"); err != nil || !bytes.Equal(have, page) {
		t.Log("MUTATIONS.md is not what this run found; go test ./test/sim -run TestMutations -rewrite writes it")
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

const mutationsPage = `# Mistakes that the simulator finds

Written by ` + "`go test ./test/sim -run TestMutations -rewrite`" + `. Each row is a shell with one mistake in it
(mutants.go); the number is that of the seeds, from 1 on, that it took to notice, and the last column says
which invariant of [ARCHITECTURE.md](../../ARCHITECTURE.md#invariants), or which check, did: *acked* (what a client
has seen is there after a crash), *recovery* (the server starts, as the model says it was), *reply* (transactions and
replies are those of the model), *state* (znodes too, while it serves), *session* (sessions live as long as they should),
*sweep* (so do containers and TTL nodes), *close* (so do connections), *purge*, *progress* (what is calm comes to an end).

| mistake | what it does | seeds | noticed by |
|---|---|---|---|
%s`
