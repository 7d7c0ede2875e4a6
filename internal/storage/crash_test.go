package storage

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"zooid/internal/vfs"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "run the crash test of this seed only")
	crashSeeds = flag.Uint64("crash.seeds", 60, "number of seeds of the crash test")
)

// Power fails at any operation of the file system, many times over: whatever
// was acknowledged is there afterwards, and what else is there is a beginning
// of what had been appended.
func TestCrashes(t *testing.T) {
	first, last := uint64(1), *crashSeeds
	if testing.Short() {
		last = min(last, 10)
	}
	if *crashSeed != 0 {
		first, last = *crashSeed, *crashSeed
	}
	var boots, txns int
	for seed := first; seed <= last; seed++ {
		m := &machine{rng: rand.New(rand.NewPCG(seed, 0)), mem: vfs.NewMem(), sums: []uint64{0}}
		for range 12 {
			err := m.boot()
			for range 60 {
				if err != nil || m.crashed != nil {
					break
				}
				err = m.step()
			}
			if err != nil && !errors.Is(err, errPower) {
				t.Fatalf("%v\nrepeat with: go test ./internal/storage -run TestCrashes -crash.seed=%d", err, seed)
			}
			boots++
			if m.crashed == nil {
				m.crashed = m.mem.CrashClone(seed)
			}
			m.mem = m.crashed
		}
		txns += len(m.sums)
	}
	t.Logf("%d boots, %d transactions", boots, txns)
}
