package sim

import (
	"io"
	"testing"

	"zooid/test/sim/seeds"
)

var simulator = seeds.Simulator{
	Run: func(seed uint64, trace io.Writer) (seeds.Report, error) {
		return Run(Options{Seed: seed, Trace: trace})
	},
	Daily: 150,
	Edges: []string{
		"power off", "kill", "clean stop", "crash inside a call of storage", "crash during recovery",
		"torn log cut", "unacknowledged transactions lost", "unacknowledged transactions kept",
		"log rolled", "snapshot written", "snapshot given up", "file purged",
		"fault: sync", "fault: write", "fault: create", "server stopped by a failed log", "start failed on a bad disk",
		"snapshot rotten", "older snapshot used",
		"wall clock jumped", "machine stood still",
		"session expired", "session resumed", "resume refused", "session moved to another connection",
		"client fell silent", "client died", "client broke off behind a ping",
		"event", "event of setWatches", "read outside the loop", "list made in turns", "request throttled",
		"write refused", "container or TTL node removed",
	},
}

func TestMain(m *testing.M) { seeds.Main(m, 0) }

func TestSim(t *testing.T) { simulator.Test(t) }

func TestOneSeedIsOneRun(t *testing.T) { simulator.Repeats(t, 4) }
