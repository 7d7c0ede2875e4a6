package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"zooid/internal/loadgen"
)

// ensembleMillion measures the rows that need an ensemble with a big tree,
// which is filled once.
func (b *bench) ensembleMillion(ctx context.Context, server string, rows map[string]*row) error {
	e, err := b.gather(ctx, server, filepath.Join(b.dir, "e-million-"+server), ensembleServers, 0)
	if err != nil {
		return err
	}
	if err := b.create(ctx, e, b.znodes); err != nil {
		return err
	}
	if rows["e-leader"] != nil {
		if err := e.memory(ctx, rows); err != nil {
			return err
		}
	}
	if rows["e-wiped"] != nil {
		for range b.rounds {
			if err := e.rejoin(ctx, rows); err != nil {
				return err
			}
		}
	}
	if rows["e-big-kill"] != nil {
		return e.losses(ctx, "e-big-kill", syscall.SIGKILL, rows)
	}
	return nil
}

// memory takes the rows about the resident memory of leader and follower.
func (e *ensemble) memory(ctx context.Context, rows map[string]*row) error {
	leader, err := e.leader()
	if err != nil {
		return err
	}
	e.b.say("waiting for the memory to settle")
	for name, m := range map[string]*process{"e-leader": leader, "e-follower": e.others(leader).members[0]} {
		rss, err := m.resident(ctx)
		if err != nil {
			return err
		}
		e.b.report.add(rows[name], e.kind(), figure{Value: float64(rss)})
		e.b.say("memory, %s, %s: %s, %.0f B for each znode", e.kind(), rows[name].title, sizeText(rss), float64(rss)/float64(e.b.znodes))
	}
	return nil
}

// rejoin wipes a follower, lets it come back while the other members are
// written to at a fixed rate, and compares p99 of the writes during that with
// p99 before.
func (e *ensemble) rejoin(ctx context.Context, rows map[string]*row) error {
	leader, err := e.leader()
	if err != nil {
		return err
	}
	lost := e.others(leader).members[0]
	if err := lost.stop(); err != nil {
		return err
	}
	if err := e.wipe(lost); err != nil {
		return err
	}
	o := e.b.options(loadgen.Write, e.others(lost))
	o.Depth, o.Rate, o.Warmup, o.Duration, o.Slice = 4, e.b.rate, 2*time.Second, time.Hour, 50*time.Millisecond
	loaded, enough := context.WithCancel(ctx)
	defer enough()
	type outcome struct {
		result *loadgen.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := loadgen.Run(loaded, o)
		done <- outcome{result, err}
	}()
	pause(ctx, o.Warmup+max(5*time.Second, 2*e.b.seconds))
	if err := e.b.launch(lost); err != nil {
		return err
	}
	last := loadgen.FillKey(o.Path, e.b.znodes-1)
	served, failed := lost.await(ctx, last)
	pause(ctx, time.Second)
	enough()
	load := <-done
	switch {
	case failed != nil:
		return failed
	case load.err != nil:
		return load.err
	case len(load.result.Errors) > 0:
		return fmt.Errorf("writes were refused: %v", load.result.Errors)
	}
	calm, busy, _ := split(load.result.Sent, []spell{{lost.started, served}})
	with, without := float64(busy.Quantile(0.99))/1e3, float64(calm.Quantile(0.99))/1e3
	took := served.Sub(lost.started)
	for name, v := range map[string]float64{"e-wiped": us(took), "e-wiped-calm": without, "e-wiped-p99": with, "e-wiped-stall": with / without} {
		e.b.report.add(rows[name], e.kind(), figure{Value: v})
	}
	e.b.note("A wiped follower of %s with %d znodes served after %.2f s at %.0f writes/s; p99 of writes %s without, %s meanwhile, p99.9 %s and %s, longest %s; the generator itself was late by p99 %s.",
		e.kind(), e.b.znodes, took.Seconds(), o.Rate, spent.format(without), spent.format(with),
		spent.format(float64(calm.Quantile(0.999))/1e3), spent.format(float64(busy.Quantile(0.999))/1e3),
		spent.format(float64(busy.Max())/1e3), spent.format(load.result.Late.P99))
	return e.settle(ctx)
}
