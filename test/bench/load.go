package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"zooid/internal/loadgen"
)

// site is what a load is put on: a server or an ensemble.
type site interface {
	kind() string // the name among serverNames
	addrs() []string
	alive() error
}

// singles measures the rows that put load on running single servers.
func (b *bench) singles(ctx context.Context) error {
	return b.loads(ctx, b.ordered("load"), b.servers, func(name string) (site, error) {
		p, _, err := b.start(ctx, name, filepath.Join(b.dir, "load-"+name), "/")
		return p, err
	})
}

// loads measures the rows that put load on running servers. All servers run at
// once, but only one is under load at a time; an idle one costs nothing.
func (b *bench) loads(ctx context.Context, rows []*row, names []string, start func(name string) (site, error)) error {
	if len(rows) == 0 {
		return nil
	}
	defer b.stopAll()
	servers := map[string]site{}
	for _, name := range names {
		b.say("starting %s", name)
		s, err := start(name)
		if err == nil {
			err = b.warm(ctx, s)
		}
		if err != nil {
			b.fail(rows[0].group, name, err)
			continue
		}
		servers[name] = s
	}
	step, steps := 0, len(rows)*b.rounds*len(servers)
	for _, r := range rows {
		for round := range b.rounds {
			for _, name := range names {
				s := servers[name]
				if s == nil {
					continue
				}
				step++
				f, err := b.measure(ctx, r, s)
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
func (b *bench) options(workload string, s site) loadgen.Options {
	o := loadgen.NewOptions(workload)
	o.Servers = s.addrs()
	if len(o.Servers) > 1 {
		o.Connections = ensembleConnections
	}
	o.Duration, o.Warmup = b.seconds, b.warmup
	o.Progress = b.relay
	o.Keep = s.kind() == bareServer // it has no znodes to list and delete
	return o
}

// runIn is how long servers take requests of each kind before the first
// measurement, however short those are: Java's compiler takes ten thousand
// requests, and each of three servers must get them.
const runIn = 3 * time.Second

// warm lets a server run in.
func (b *bench) warm(ctx context.Context, s site) error {
	for _, workload := range []string{loadgen.Mixed, loadgen.Churn} {
		o := b.options(workload, s)
		o.Warmup = 0
		o.ReadShare = 0.5
		o.Duration = runIn * time.Duration(len(s.addrs()))
		if _, err := loadgen.Run(ctx, o); err != nil {
			return fmt.Errorf("running in: %w", err)
		}
	}
	return nil
}

// measure carries out one load row once.
func (b *bench) measure(ctx context.Context, r *row, s site) (figure, error) {
	o := b.options(r.workload, s)
	o.Depth = max(1, r.depth)
	if r.workload == loadgen.Watch {
		o.Connections = b.watchers
	}
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return figure{}, err
	}
	if err := s.alive(); err != nil {
		return figure{}, err
	}
	if len(result.Errors) > 0 {
		return figure{}, fmt.Errorf("operations were refused: %v", result.Errors)
	}
	all := result.Overall()
	f := figure{Value: result.PerSecond, P99: all.P99, P999: all.P999}
	if r.unit == spent {
		f.Value = all.P50
	}
	return f, nil
}
