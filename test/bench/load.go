package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"zooid/internal/loadgen"
)

// loads measures the rows that put load on running servers. All servers run at
// once, but only one is under load at a time; an idle one costs nothing.
func (b *bench) loads(ctx context.Context) error {
	rows := b.ordered("load")
	if len(rows) == 0 {
		return nil
	}
	defer b.stopAll()
	servers := map[string]*process{}
	for _, name := range b.servers {
		b.say("starting %s", name)
		p, _, err := b.start(ctx, name, filepath.Join(b.dir, "load-"+name), "/")
		if err != nil {
			b.fail("load", name, err)
			continue
		}
		if err := b.warm(ctx, p); err != nil {
			b.fail("load", name, err)
			continue
		}
		servers[name] = p
	}
	step, steps := 0, len(rows)*b.rounds*len(servers)
	for _, r := range rows {
		for round := range b.rounds {
			for _, name := range b.servers {
				p := servers[name]
				if p == nil {
					continue
				}
				step++
				f, err := b.measure(ctx, r, p)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					b.fail(r.name, name, err)
					continue
				}
				b.report.add(r, name, f)
				b.say("[%d/%d] %s, round %d of %d, %s: %s", step, steps, r.name, round+1, b.rounds, name, f.text(r))
			}
		}
	}
	return nil
}

// ordered are the chosen rows of a group in the order of the table.
func (b *bench) ordered(group string) []*row {
	var rows []*row
	for _, r := range b.rows {
		if r.group == group {
			rows = append(rows, r)
		}
	}
	return rows
}

// options is what all loads have in common.
func (b *bench) options(workload string, p *process) loadgen.Options {
	o := loadgen.NewOptions(workload)
	o.Servers = []string{p.addr}
	o.Duration, o.Warmup = b.seconds, b.warmup
	o.Progress = b.relay
	o.Keep = p.name == bareServer // it has no znodes to list and delete
	return o
}

// warm lets a server run in: Java's compiler takes some ten thousand requests
// of each kind.
func (b *bench) warm(ctx context.Context, p *process) error {
	for _, workload := range []string{loadgen.Mixed, loadgen.Churn} {
		o := b.options(workload, p)
		o.Warmup = 0
		o.ReadShare = 0.5
		o.Duration = min(b.seconds, 3*time.Second)
		if _, err := loadgen.Run(ctx, o); err != nil {
			return fmt.Errorf("running in: %w", err)
		}
	}
	return nil
}

// measure carries out one load row once.
func (b *bench) measure(ctx context.Context, r *row, p *process) (figure, error) {
	o := b.options(r.workload, p)
	o.Depth = max(1, r.depth)
	if r.workload == loadgen.Watch {
		if p.name == bareServer {
			return figure{None: true}, nil
		}
		o.Connections = b.watchers
	}
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return figure{}, err
	}
	if err := p.alive(); err != nil {
		return figure{}, err
	}
	if len(result.Errors) > 0 {
		return figure{}, fmt.Errorf("operations were refused: %v", result.Errors)
	}
	all := result.Overall()
	f := figure{Value: result.PerSecond, P99: all.P99}
	if r.unit == spent {
		f.Value = all.P50
	}
	return f, nil
}
