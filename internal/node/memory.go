package node

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// cgroupLimits are where the kernel tells a container's memory limit, in bytes.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitShare is the part of the container's limit that the heap may take; the
// rest is for stacks, socket buffers and the page cache.
const limitShare = 0.85

// LimitMemory sets the soft memory limit from the container's, unless
// GOMEMLIMIT says otherwise.
func LimitMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, name := range cgroupLimits {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || limit <= 0 || limit > math.MaxInt64/4 {
			continue // "max", or version 1's way to say so
		}
		soft := int64(float64(limit) * limitShare)
		debug.SetMemoryLimit(soft)
		log.Info("memory limit taken from the container", "limit", limit, "heap_soft_limit", soft)
		return
	}
}

// The garbage collector's slack. The tree has next to no pointers, so a cycle
// costs little however large the tree is, and the path of a request makes no
// garbage: a heap that is mostly tree can be collected at a small fraction of
// growth, a small heap at a generous one.
const (
	slackBytes = 24 << 20 // growth until the next cycle that is always allowed
	slackMin   = 8        // percent
	slackMax   = 100
)

// collectorPace keeps the collector's percentage in step with the heap.
type collectorPace struct {
	percent int
}

func (p *collectorPace) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	live := int64(sample[0].Value.Uint64())
	percent := slackMax
	if live > 0 {
		percent = int(min(max(slackBytes*100/live, slackMin), slackMax))
	}
	if p.percent != percent {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

// PaceCollector keeps the garbage collector's slack in proportion to the heap
// until done is closed, unless GOGC says otherwise. It concerns the whole
// process, so the program calls it and not a node.
func PaceCollector(done <-chan struct{}) {
	if os.Getenv("GOGC") != "" {
		return
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var p collectorPace
	for {
		p.adjust()
		select {
		case <-t.C:
		case <-done:
			return
		}
	}
}
