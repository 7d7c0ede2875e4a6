package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// failover measures how long writes stand still when the leader is killed and
// when it is told to stop, with few znodes.
func (b *bench) failover(ctx context.Context, server string, rows map[string]*row) error {
	e, err := b.gather(ctx, server, filepath.Join(b.dir, "failover-"+server), ensembleServers, 0)
	if err != nil {
		return err
	}
	for _, end := range []struct {
		prefix string
		signal syscall.Signal
	}{{"e-kill", syscall.SIGKILL}, {"e-stop", syscall.SIGTERM}} {
		if rows[end.prefix] == nil {
			continue
		}
		if err := e.losses(ctx, end.prefix, end.signal, rows); err != nil {
			return err
		}
	}
	return nil
}

// losses ends the leader again and again and takes the rows whose names begin
// with the prefix.
func (e *ensemble) losses(ctx context.Context, prefix string, signal syscall.Signal, rows map[string]*row) error {
	var worst gaps
	for i := range e.b.kills {
		g, err := e.loseLeader(ctx, signal)
		if err != nil {
			return err
		}
		e.b.say("%s %d of %d, %s: no write for %s, %s after the end of the leader; clients of survivors %s, of the leader %s; before %s",
			prefix, i+1, e.b.kills, e.kind(), spent.format(us(g.any)), spent.format(us(g.since)),
			spent.format(us(g.stayed)), spent.format(us(g.moved)), spent.format(us(g.before)))
		worst.any = max(worst.any, g.any)
		for suffix, v := range map[string]time.Duration{"": g.any, "-stayed": g.stayed, "-moved": g.moved, "-before": g.before} {
			if r := rows[prefix+suffix]; r != nil {
				e.b.report.add(r, e.kind(), figure{Value: us(v)})
			}
		}
	}
	if r := rows[prefix+"-max"]; r != nil {
		e.b.report.add(r, e.kind(), figure{Value: us(worst.any)})
	}
	return nil
}

// gaps are the longest times without an acknowledged write.
type gaps struct {
	any    time.Duration // at any client
	since  time.Duration // from the end of the leader to the end of that gap
	before time.Duration // at any client, while nothing was lost: what disk and processors do to it
	stayed time.Duration // at the worst of the clients of servers that live on
	moved  time.Duration // at the worst of the clients of the leader that ended
}

// calmTime is how long writers write before the leader ends, and once all of
// them write again.
const calmTime = time.Second

// loseLeader ends the leader while clients write at all members, measures the
// gaps, and brings the member back.
func (e *ensemble) loseLeader(ctx context.Context, signal syscall.Signal) (gaps, error) {
	leader, err := e.leader()
	if err != nil {
		return gaps{}, err
	}
	writers, stop := startWriters(ctx, e)
	defer stop()
	if err := e.awaitWrites(ctx, writers, time.Now()); err != nil {
		return gaps{}, err
	}
	began := time.Now()
	pause(ctx, calmTime)
	at := time.Now()
	if err := leader.cmd.Process.Signal(signal); err != nil {
		return gaps{}, err
	}
	if err := e.others(leader).awaitWrites(ctx, writers, at.Add(10*time.Millisecond)); err != nil {
		return gaps{}, err
	}
	pause(ctx, calmTime) // a second election would come by then
	stop()
	select {
	case <-leader.ended:
	case <-time.After(time.Minute):
		return gaps{}, fmt.Errorf("the leader does not end a minute after signal %d", signal)
	}
	g := measureGaps(writers, slices.Index(e.members, leader), began, at)
	if err := e.b.launch(leader); err != nil {
		return gaps{}, err
	}
	return g, e.settle(ctx)
}

// writesEach is how many writes of each writer are waited for.
const writesEach = 200

// awaitWrites waits until every writer has had some acknowledgements after a
// moment, for as long as a server may take to start, while the members live.
func (e *ensemble) awaitWrites(ctx context.Context, writers []*writer, after time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if err := e.alive(); err != nil {
			return err
		}
		slow := slices.IndexFunc(writers, func(w *writer) bool { return w.since(after) < writesEach })
		if slow < 0 {
			return nil
		}
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			w := writers[slow]
			w.mu.Lock()
			defer w.mu.Unlock()
			return fmt.Errorf("a client of server %d writes no more, its last attempt to connect ended with: %v", w.home+1, w.last)
		}
	}
}

// measureGaps finds the longest times without an acknowledgement since the
// leader was ended, and the longest one from a moment before until then.
func measureGaps(writers []*writer, leader int, began, at time.Time) gaps {
	var g gaps
	var all []time.Time
	for _, w := range writers {
		all = append(all, w.acks...)
		own := &g.stayed
		if w.home == leader {
			own = &g.moved
		}
		gap, _ := longest(w.acks, at, time.Time{})
		*own = max(*own, gap)
	}
	slices.SortFunc(all, time.Time.Compare)
	var end time.Time
	g.any, end = longest(all, at, time.Time{})
	g.since = end.Sub(at)
	g.before, _ = longest(all, began, at)
	return g
}

// longest is the longest time between two neighbours of which the later one is
// after a moment and, unless that is zero, not after another one; and when it
// ended.
func longest(times []time.Time, after, until time.Time) (most time.Duration, end time.Time) {
	for i := 1; i < len(times); i++ {
		if !times[i].After(after) || !until.IsZero() && times[i].After(until) {
			continue
		}
		if gap := times[i].Sub(times[i-1]); gap > most {
			most, end = gap, times[i]
		}
	}
	return most, end
}
