package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ShareProcessors keeps the process's threads from interrupting others when they
// wake up, until done is closed: they are of the kernel's policy for batch work
// (SCHED_BATCH of sched(7)). Who has just sent a request goes on to send more
// then, and the server finds more of them at a time. Where something else wants
// all processors for long, that would cost milliseconds a wake-up; so the
// threads' waiting is watched, and they are ordinary ones while it is long. A
// process that was started with another policy than the ordinary one keeps it.
// This concerns the whole process, so the program calls it and not a node.
func ShareProcessors(done <-chan struct{}, log *slog.Logger) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return
	}
	var p threadPolicy
	s := threadShare{policy: unix.SCHED_NORMAL}
	waited, err := s.look(unix.SCHED_NORMAL)
	if err == nil && waited.turns == 0 {
		err = errors.New("the kernel keeps no account of it")
	}
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for err == nil {
		select {
		case <-done:
			return
		case now := <-t.C:
			waited, err = s.look(p.at(now))
			if p.judge(now, waited) {
				log.Debug("other processes keep the processors busy: threads that wake up interrupt them",
					"wait", waited.each(waited.wait), "run", waited.each(waited.run), "for", p.pause)
			}
		}
	}
	log.Debug("how long threads wait for a processor is not known: they interrupt others", "error", err)
	_, _ = s.look(unix.SCHED_NORMAL)
}

// lookEvery is how long threads may wait before it is noticed.
const lookEvery = 200 * time.Millisecond

// threadTimes are the kernel's account of what a thread, or several, did: how
// long it ran, how long it was ready to and waited for a processor, and how
// often it got one.
type threadTimes struct {
	run, wait time.Duration
	turns     int64
}

func (t threadTimes) each(d time.Duration) time.Duration {
	return d / time.Duration(max(t.turns, 1))
}

// threadPolicy decides which policy the threads have.
type threadPolicy struct {
	ordinary time.Time     // until then they interrupt others
	pause    time.Duration // how long they did so the last time
}

// Threads wait too long if their turns begin longWait late and they wait
// longShare times as long as they run. Among threads that take turns, even those
// of several servers and a load generator, neither is so: with three servers
// and 48 busy clients on two processors a turn of 40 us began 180 us late, and
// 250 us late where it lasted 140 us; beside a process that always computes it
// was 800 to 2,400 us with turns of 20 to 80 us.
const (
	longWait  = 300 * time.Microsecond
	longShare = 8
	fewTurns  = 20 // in lookEvery, of which nothing can be told
)

// How long the threads are ordinary ones after a long wait, before it is seen
// whether the others are still there.
const (
	shortPause = 10 * time.Second
	longPause  = 5 * time.Minute
)

func (p *threadPolicy) at(now time.Time) uint32 {
	if now.Before(p.ordinary) {
		return unix.SCHED_NORMAL
	}
	return unix.SCHED_BATCH
}

// judge takes what the threads did since the last look, and reports whether they
// waited so long that they are to be ordinary ones for a while.
func (p *threadPolicy) judge(now time.Time, t threadTimes) bool {
	if now.Before(p.ordinary) || t.turns < fewTurns {
		return false
	}
	if t.each(t.wait) < longWait || t.wait < longShare*t.run {
		return false
	}
	if now.Sub(p.ordinary) > p.pause { // they were well for as long as that
		p.pause = 0
	}
	p.pause = min(max(2*p.pause, shortPause), longPause)
	p.ordinary = now.Add(p.pause)
	return true
}

// threadShare looks after the threads of the process.
type threadShare struct {
	policy  uint32 // that all of threads have
	threads map[string]threadTimes
}

// look gives the threads a policy and returns what they did since the last look.
func (s *threadShare) look(policy uint32) (sum threadTimes, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return sum, err
	}
	before := s.threads
	s.threads = make(map[string]threadTimes, len(tasks))
	for _, task := range tasks {
		id := task.Name()
		now, err := readThreadTimes(id)
		was, known := before[id]
		if err == nil && (!known || policy != s.policy) {
			err = setPolicy(id, policy)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
			continue // it has ended
		case err != nil:
			return sum, err
		}
		s.threads[id] = now
		sum.run += now.run - was.run
		sum.wait += now.wait - was.wait
		sum.turns += now.turns - was.turns
	}
	s.policy = policy
	return sum, nil
}

// readThreadTimes reads proc_pid_schedstat(5) of a thread.
func readThreadTimes(id string) (t threadTimes, err error) {
	text, err := os.ReadFile("/proc/self/task/" + id + "/schedstat")
	if err != nil {
		return t, err
	}
	if _, err := fmt.Sscan(string(text), (*int64)(&t.run), (*int64)(&t.wait), &t.turns); err != nil {
		return t, fmt.Errorf("schedstat of thread %s says %q: %w", id, text, err)
	}
	return t, nil
}

// setPolicy changes the policy of a thread and leaves its niceness.
func setPolicy(id string, policy uint32) error {
	tid, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return err
	}
	if attr.Policy == policy {
		return nil
	}
	attr.Policy = policy
	return unix.SchedSetAttr(tid, attr, 0)
}
