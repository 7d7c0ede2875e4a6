package ensemble

import (
	"io"
	"testing"

	"zooid/test/sim/seeds"
)

var simulator = seeds.Simulator{
	Run: func(seed uint64, trace io.Writer) (seeds.Report, error) {
		return Run(Options{Seed: seed, Trace: trace})
	},
	Daily: 200,
	Edges: []string{
		"leader established", "serving as LEADING", "serving as FOLLOWING", "serving as OBSERVING",
		"power off", "kill", "clean stop", "blackout", "crash inside a call of storage", "torn log cut",
		"server stopped by its disk", "slow disk", "pause", "server stood still",
		"network cut in two", "network cut one way", "network with a bridge", "one way cut", "leader cut off", "link broken",
		"snapshot sent", "log sent", "log cut", "log dropped", "snapshot written", "files purged",
		"epoch used up",
		"session begun", "session resumed", "session lost", "client died", "local session upgraded", "local session closed",
		"event", "watches set again", "sync", "read", "read outside the loop", "write", "write refused",
	},
}

func TestMain(m *testing.M) { seeds.Main(m, 2<<30) }

func TestEnsembles(t *testing.T) { simulator.Test(t) }

func TestOneSeedIsOneRun(t *testing.T) { simulator.Repeats(t, 4) }
