package ensemble

import (
	"fmt"
	"math/rand/v2"

	"zooid/internal/replica"
)

// profile is what one run is like. Each run draws its own: what hides one
// mistake lays another one open.
type profile struct {
	voters, observers, clients int
	groups                     string // and weights, as they stand in a configuration; empty for majorities
	pipeline                   int    // requests at a time
	think                      int64

	tick, initLimit, syncLimit           int64
	minNotify, maxNotify, finalizeWait   int64
	hurry, leaderServes, forceSnap       bool
	logSync, reconfig                    bool
	commitLog                            int
	snapCount, snapSize                  int64
	preAlloc, sizeLimit, syncEach        int64
	walkTurn                             int
	closePaths, twoDirs, lastZxid        bool
	local, upgrade                       bool // new sessions are of one server; ephemerals make them the ensemble's
	latency, turnDelay, diskDelay, fsync int64
	drift                                int64 // of the clocks, at most, in permille
	limits                               replica.Limits

	harmFor int64 // ms
	harmGap int64 // ms between harms, at most; 0: no harm
	// Weights of harms.
	crash, kill, stop, handOver, fault, cut, unlink, pause, slow, blackout, purge int
	bootCrash                                                                     int // once in so many starts; 0 = never
}

func drawProfile(rng *rand.Rand) profile {
	pick := func(values ...int64) int64 { return values[rng.IntN(len(values))] }
	yes := func(n int) bool { return rng.IntN(n) == 0 }
	p := profile{
		voters: int(pick(1, 2, 3, 3, 3, 3, 4, 5, 5, 7)), observers: int(pick(0, 0, 0, 1, 2)), clients: 1 + rng.IntN(6),
		pipeline: int(pick(1, 4, 12)), tick: pick(20, 100, 200),
		hurry: yes(2), leaderServes: !yes(8), forceSnap: yes(8), logSync: !yes(3), reconfig: yes(4), commitLog: int(pick(1, 5, 20, 500)),
		snapCount: pick(10, 40, 200, 1000), snapSize: pick(0, 0, 0, 5000),
		preAlloc: pick(0, 4096, 65536), sizeLimit: pick(0, 0, 1000), syncEach: pick(0, 4096),
		walkTurn: int(pick(1, 200, 64<<10)), closePaths: !yes(4), twoDirs: yes(2), lastZxid: yes(2),
		drift: pick(0, 0, 10, 50),
		crash: int(pick(0, 1, 4)), kill: int(pick(0, 1, 4)), cut: int(pick(0, 2, 6)), unlink: int(pick(0, 2, 6)),
		stop: int(pick(0, 0, 2)), handOver: int(pick(0, 0, 2)), fault: int(pick(0, 0, 2)),
		bootCrash: int(pick(0, 3, 8)), pause: int(pick(0, 1, 4)), slow: int(pick(0, 1, 2)), blackout: int(pick(0, 0, 1)), purge: int(pick(0, 1)),
	}
	if p.voters+p.observers == 1 {
		p.leaderServes = true
	}
	if p.voters+p.observers > 7 {
		p.observers = 0
	}
	if p.voters >= 3 && yes(6) {
		p.groups = drawGroups(rng, p.voters)
	}
	t := p.tick
	p.think = t * pick(1, 2, 10) / 4
	p.initLimit, p.syncLimit = pick(5, 10)*t, pick(2, 5)*t
	p.minNotify, p.maxNotify, p.finalizeWait = pick(1, 2)*t, pick(10, 40)*t, pick(1, 2)*t
	p.latency, p.turnDelay = pick(0, t/20, t/8), pick(0, t/20)
	p.diskDelay, p.fsync = pick(0, t/20), pick(0, t/20, t/4)
	p.harmFor, p.harmGap = pick(60, 150, 300)*t, pick(0, 3, 10, 30)*t
	if p.crash+p.kill+p.stop+p.handOver+p.fault+p.cut+p.unlink+p.pause+p.slow+p.blackout+p.purge == 0 {
		p.harmGap = 0
	}
	if !yes(3) {
		p.limits = replica.Limits{
			List: 1 + rng.IntN(2), Replies: 1 + rng.IntN(200), Expire: 1 + rng.IntN(2),
			Sweep: 1 + rng.IntN(4), Chunk: 1 + rng.IntN(1000), Turn: 1 + rng.IntN(200), Reads: 1 + rng.IntN(8),
		}
	}
	if yes(6) {
		p.limits.Epoch = 10 + rng.Uint32N(200)
	}
	if yes(5) {
		p.local, p.upgrade = true, !yes(3)
	}
	return p
}

// drawGroups deals voters and weights over groups; the first voter has one.
func drawGroups(rng *rand.Rand, voters int) string {
	groups := make([]string, 1+rng.IntN(3))
	weights := ""
	for id := 1; id <= voters; id++ {
		g := &groups[rng.IntN(len(groups))]
		*g += fmt.Sprintf(":%d", id)
		weight := rng.IntN(4)
		if id == 1 {
			weight = max(weight, 1)
		}
		weights += fmt.Sprintf("weight.%d=%d\n", id, weight)
	}
	text := ""
	for i, g := range groups {
		if g != "" {
			text += fmt.Sprintf("group.%d=%s\n", i+1, g[1:])
		}
	}
	return text + weights
}

// turnOf is how many bytes of a snapshot are made at once: a snapshot takes 20
// turns at most, as a large one that fails by its size proves nothing.
func (p *profile) turnOf(s *replica.Snapshot) int { return max(p.walkTurn, s.Walk.Nodes()*150/20) }
