package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"zooid/internal/loadgen"
)

// emptyStarts measures the row start: how long from the process's start to its
// first answer, over an empty data directory.
func (b *bench) emptyStarts(ctx context.Context, server string, rows map[string]*row) error {
	for i := range 2*b.rounds + 1 {
		dir := filepath.Join(b.dir, fmt.Sprintf("start-%s-%d", server, i))
		_, took, err := b.start(ctx, server, dir, "/")
		if err != nil {
			return err
		}
		b.stopAll()
		f := figure{Value: us(took)}
		b.report.add(rows["start"], server, f)
		b.say("start, %s: %s", server, f.text(rows["start"]))
		_ = os.RemoveAll(dir)
	}
	return nil
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// idleSessions measures the row idle: what a session costs that does nothing.
func (b *bench) idleSessions(ctx context.Context, server string, rows map[string]*row) error {
	p, _, err := b.start(ctx, server, filepath.Join(b.dir, "idle-"+server), "/")
	if err != nil {
		return err
	}
	b.say("idle, %s: opening %d sessions", server, b.sessions)
	o := b.options(loadgen.Idle, p)
	o.Connections, o.PID = b.sessions, p.cmd.Process.Pid
	o.Duration = max(b.seconds, 5*time.Second)
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	f := figure{Value: max(0, result.Memory.PerSession)}
	b.report.add(rows["idle"], server, f)
	b.say("idle, %s: %s", server, f.text(rows["idle"]))
	return p.alive()
}

// million measures the rows that need a big tree: fill once, then use the data
// directory for all of them.
func (b *bench) million(ctx context.Context, server string, rows map[string]*row) error {
	dir := filepath.Join(b.dir, "million-"+server)
	defer os.RemoveAll(dir)
	p, _, err := b.start(ctx, server, dir, "/")
	if err != nil {
		return err
	}
	if err := b.fill(ctx, p, rows); err != nil {
		return err
	}
	b.stopAll()
	last := loadgen.FillKey(loadgen.NewOptions(loadgen.Fill).Path, b.znodes-1)
	if r := rows["restart"]; r != nil {
		for range b.rounds {
			_, took, err := b.start(ctx, server, dir, last)
			if err != nil {
				return err
			}
			b.stopAll()
			f := figure{Value: us(took)}
			b.report.add(r, server, f)
			b.say("restart, %s: %s", server, f.text(r))
		}
	}
	if rows["stall"] != nil {
		return b.snapshots(ctx, server, dir, last, rows)
	}
	return nil
}

// create puts the znodes in.
func (b *bench) create(ctx context.Context, s site, znodes int) error {
	o := b.options(loadgen.Fill, s)
	o.Keys, o.Depth = znodes, 32
	b.say("fill, %s: creating %d znodes", s.kind(), znodes)
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	if len(result.Errors) > 0 || result.Ops != int64(znodes) {
		return fmt.Errorf("only %d of %d znodes were created: %v", result.Ops, znodes, result.Errors)
	}
	b.note("Filling %d znodes took %s %.1f s (%.0f/s, %d servers).", znodes, s.kind(), result.Seconds, result.PerSecond, len(s.addrs()))
	return nil
}

// fill puts the znodes in and takes the rows about memory.
func (b *bench) fill(ctx context.Context, p *process, rows map[string]*row) error {
	if err := b.create(ctx, p, b.znodes); err != nil {
		return err
	}
	if rows["memory"] == nil {
		return nil
	}
	b.say("waiting for the memory to settle")
	rss, err := p.resident(ctx)
	if err != nil {
		return err
	}
	b.report.add(rows["memory"], p.name, figure{Value: float64(rss)})
	b.report.add(rows["znode"], p.name, figure{Value: float64(rss) / float64(b.znodes)})
	b.say("memory, %s: %s, %.0f B for each znode", p.name, size.format(float64(rss)), float64(rss)/float64(b.znodes))
	return nil
}

// snapshots compares p99 at half load while a snapshot is written with p99 in
// the same run while none is. The load itself triggers them: snapCount is set
// so that they come every few seconds, some of the time, on any server.
func (b *bench) snapshots(ctx context.Context, server, dir, znode string, rows map[string]*row) error {
	p, _, err := b.start(ctx, server, dir, znode)
	if err != nil {
		return err
	}
	o := b.options(loadgen.Mixed, p)
	full, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	b.stopAll()
	rate := full.PerSecond / 2
	period := max(8*time.Second, 2*b.seconds)
	writes := int(rate * (1 - o.ReadShare) * period.Seconds())
	b.say("snapshot, %s: full load %s, half load %s, a snapshot after %d to %d writes",
		server, perSecond.format(full.PerSecond), perSecond.format(rate), writes/2, writes)
	if p, _, err = b.start(ctx, server, dir, znode, fmt.Sprintf("snapCount=%d", max(2, writes))); err != nil {
		return err
	}
	o = b.options(loadgen.Mixed, p)
	o.Rate, o.Warmup, o.Duration = rate, 3*time.Second, 4*period
	o.Slice = 50 * time.Millisecond
	watched, stop := context.WithCancel(ctx)
	defer stop()
	seen := watchSnapshots(watched, filepath.Join(dir, "data", "version-2"))
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	stop()
	spans := <-seen
	calm, busy, count := split(result.Sent, spans)
	if count == 0 {
		return fmt.Errorf("no snapshot was written in %v at %s", o.Duration, perSecond.format(rate))
	}
	with, without := float64(busy.Quantile(0.99))/1e3, float64(calm.Quantile(0.99))/1e3
	b.report.add(rows["calm"], server, figure{Value: without})
	b.report.add(rows["snapshot"], server, figure{Value: with})
	b.report.add(rows["stall"], server, figure{Value: with / without})
	b.note("%s at half load (%s): %d snapshots of %s in %v; p99 %s without, %s while one is written; the generator itself was late by p99 %s.",
		server, perSecond.format(rate), count, lengths(spans), o.Duration, spent.format(without), spent.format(with), spent.format(result.Late.P99))
	return p.alive()
}

// spell is the time during which a snapshot was written.
type spell struct{ from, to time.Time }

func lengths(spans []spell) string {
	var all []string
	for _, s := range spans {
		all = append(all, fmt.Sprintf("%.1f", s.to.Sub(s.from).Seconds()))
	}
	return strings.Join(all, ", ") + " s"
}

// fileState is what a directory says about a file, by its inode: a snapshot may
// be renamed once it is whole.
type fileState struct {
	name string
	size int64
}

// watchSnapshots looks at a data directory until the context ends, and then
// says when each new file that is no log appeared and when it last changed.
func watchSnapshots(ctx context.Context, dir string) <-chan []spell {
	return watchFiles(ctx, func() map[uint64]fileState { return snapshotFiles(dir) })
}

func watchFiles(ctx context.Context, list func() map[uint64]fileState) <-chan []spell {
	const every = 10 * time.Millisecond
	done := make(chan []spell, 1)
	last := list()
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		var spans []spell
		which := map[uint64]int{} // inode to index in spans
		for {
			select {
			case <-ctx.Done():
				done <- spans
				return
			case at := <-ticker.C:
				files := list()
				for inode, state := range files {
					before, known := last[inode]
					if known && before == state {
						continue
					}
					i, watched := which[inode]
					if !known && !watched {
						i, watched = len(spans), true
						which[inode] = i
						spans = append(spans, spell{from: at.Add(-every)})
					}
					if watched {
						spans[i].to = at
					}
				}
				last = files
			}
		}
	}()
	return done
}

// snapshotFiles lists everything in a data directory that is no log: snapshots,
// and whatever a server calls them before they are whole.
func snapshotFiles(dir string) map[uint64]fileState {
	files := map[uint64]fileState{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return files
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "log.") {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			files[stat.Ino] = fileState{e.Name(), info.Size()}
		}
	}
	return files
}

// split sorts the operations of a run by whether a snapshot was written when
// they were due, and counts the snapshots that it covers.
func split(sent []loadgen.SendSlice, spans []spell) (calm, busy *loadgen.Histogram, count int) {
	calm, busy = new(loadgen.Histogram), new(loadgen.Histogram)
	touched := map[int]bool{}
	for _, s := range sent {
		into := calm
		for i, span := range spans {
			if s.From.Before(span.to) && span.from.Before(s.To) {
				into, touched[i] = busy, true
			}
		}
		into.Merge(s.Latencies)
	}
	return calm, busy, len(touched)
}
