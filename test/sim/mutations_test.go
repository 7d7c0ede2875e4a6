package sim

import (
	"errors"
	"flag"
	"testing"

	"zooid/test/sim/seeds"
)

var rewrite = flag.Bool("rewrite", false, "write MUTATIONS.md anew")

// Every mistake that a shell could make has to be found, and soon.
func TestMutations(t *testing.T) {
	var all []seeds.Mutation
	for _, m := range Mutants {
		all = append(all, seeds.Mutation{Name: m.Name, Does: m.Does, Run: func(seed uint64) (check, how string) {
			var f *Failure
			if _, err := Run(Options{Seed: seed, Mutant: m.Mutant}); errors.As(err, &f) {
				return f.Invariant, f.Text
			}
			return "", ""
		}})
	}
	seeds.Hunt(t, all, 150, mutationsPage, *rewrite)
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
