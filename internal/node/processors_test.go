package node

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestThreadPolicy tells a story of looks, some beside a process that always
// computes, with the figures that were seen.
func TestThreadPolicy(t *testing.T) {
	times := func(run, wait time.Duration, turns int64) threadTimes {
		return threadTimes{run: run * time.Duration(turns), wait: wait * time.Duration(turns), turns: turns}
	}
	var (
		calm    = times(24*time.Microsecond, 15*time.Microsecond, 4400)
		crowded = times(41*time.Microsecond, 183*time.Microsecond, 1900)
		long    = times(147*time.Microsecond, 256*time.Microsecond, 430)
		hogs    = times(61*time.Microsecond, 775*time.Microsecond, 490)
		hog1    = times(38*time.Microsecond, 2173*time.Microsecond, 105)
		idle    = times(40*time.Microsecond, 3000*time.Microsecond, 5)
		big     = times(2*time.Millisecond, 4*time.Millisecond, 50) // few, but large requests
	)
	start := time.Unix(1000, 0)
	var p threadPolicy
	for i, step := range []struct {
		at    time.Duration
		seen  threadTimes
		batch bool // from here on
	}{
		{0, calm, true},
		{1 * time.Second, crowded, true},
		{2 * time.Second, long, true},
		{3 * time.Second, idle, true},
		{4 * time.Second, big, true},
		{5 * time.Second, hogs, false},
		{6 * time.Second, hog1, false}, // ordinary threads are not judged
		{14 * time.Second, calm, false},
		{15 * time.Second, calm, true},
		{16 * time.Second, hog1, false}, // soon again: twice as long
		{35 * time.Second, hog1, false},
		{36 * time.Second, calm, true},
		{37 * time.Second, calm, true},
		{60 * time.Second, hogs, false}, // well for longer than the pause: a short one
		{70 * time.Second, calm, true},
	} {
		now := start.Add(step.at)
		p.judge(now, step.seen)
		if got := p.at(now) == unix.SCHED_BATCH; got != step.batch {
			t.Errorf("look %d after %v: batch %v, want %v", i, step.at, got, step.batch)
		}
	}
	for range 20 {
		p.judge(p.ordinary, hogs)
	}
	if p.pause != longPause {
		t.Errorf("others that never go are looked for every %v, want %v", p.pause, longPause)
	}
}

// TestThreadShare changes the policy of this process's threads and back.
func TestThreadShare(t *testing.T) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var s threadShare
	if _, err := s.look(attr.Policy); err != nil {
		t.Fatal(err)
	}
	defer s.look(attr.Policy)
	for _, policy := range []uint32{unix.SCHED_BATCH, unix.SCHED_NORMAL} {
		sum, err := s.look(policy)
		if err != nil {
			t.Fatal(err)
		}
		if sum.run < 0 || sum.wait < 0 || sum.turns < 0 {
			t.Errorf("threads went back in time: %+v", sum)
		}
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			if _, known := s.threads[task.Name()]; !known {
				continue // came after the look
			}
			if got, alive := policyOf(t, task.Name()); alive && got != policy {
				t.Errorf("thread %s has policy %d, want %d", task.Name(), got, policy)
			}
		}
	}
}

// policyOf reads the policy, the 41st field of proc_pid_stat(5).
func policyOf(t *testing.T, id string) (policy uint32, alive bool) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/task/" + id + "/stat")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the third on
	n, err := strconv.ParseUint(fields[41-3], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n), true
}
