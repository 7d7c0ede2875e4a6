package sim

import (
	"math"
	"math/rand/v2"

	"zooid/internal/replica"
	"zooid/internal/storage"
)

// profile is what one run is like. Each run draws its own, so that some are
// full of crashes and some have none, some have tiny logs and some large
// records: what hides one mistake lays another one open.
type profile struct {
	clients  int
	pipeline int // requests at a time
	breakOff int // a client breaks off once in so many actions
	large    int // bytes of a large value; 0 = none

	tick                                  int64
	snapCount, snapSize                   int64
	preAlloc, sizeLimit, syncEach         int64
	compression                           storage.Compression
	twoDirs, digest, closePaths, lastZxid bool
	retain, walkTurn                      int
	sweepEvery, sweepPerMinute, neverUsed int64
	limits                                replica.Limits

	// Weights of actions.
	diskWeight, snapWeight                int
	purge, jump, crash, kill, stop, fault int
	bootCrash                             int // once in so many starts; 0 = never
	rot                                   bool
}

func drawProfile(rng *rand.Rand) profile {
	pick := func(values ...int64) int64 { return values[rng.IntN(len(values))] }
	p := profile{
		clients: 1 + rng.IntN(6), pipeline: int(pick(1, 4, 12)), breakOff: int(pick(20, 100, 400)),
		tick:      pick(20, 100, 400),
		snapCount: pick(3, 10, 20, 40), snapSize: pick(0, 0, 2000, 20000),
		preAlloc: pick(0, 4096, 8192, 65536), sizeLimit: pick(0, 0, 1000, 5000), syncEach: pick(0, 1, 4096),
		compression: storage.Compression(pick(0, 0, 0, int64(storage.Gzip), int64(storage.Snappy))),
		twoDirs:     rng.IntN(2) == 0, digest: rng.IntN(5) > 0, closePaths: rng.IntN(4) > 0, lastZxid: rng.IntN(2) == 0,
		retain: 3 + rng.IntN(2), walkTurn: int(pick(1, 200, 1000, 64<<10)),
		sweepEvery: pick(50, 500, 5000), sweepPerMinute: pick(60, 60, 1000, 10000), neverUsed: pick(0, 0, 1000),
		diskWeight: int(pick(30, 100, 400)), snapWeight: int(pick(20, 80, 300)),
		purge: int(pick(0, 3, 10)), jump: int(pick(0, 0, 2)), crash: int(pick(0, 1, 2, 4)), kill: int(pick(0, 1, 2, 4)),
		stop: int(pick(0, 0, 2)), fault: int(pick(0, 0, 3)), bootCrash: int(pick(0, 2, 6)), rot: rng.IntN(3) == 0,
	}
	if rng.IntN(3) > 0 {
		p.limits = replica.Limits{
			List: 1 + rng.IntN(2), Replies: 1 + rng.IntN(200), Expire: 1 + rng.IntN(2),
			Sweep: 1 + rng.IntN(4), Chunk: 1 + rng.IntN(1000),
		}
	}
	// The model follows each request in the turn in which it comes; the ensembles
	// have those of many turns.
	p.limits.Turn, p.limits.Reads = math.MaxInt, math.MaxInt
	if rng.IntN(6) == 0 {
		p.large = 300 << 10
	}
	return p
}
