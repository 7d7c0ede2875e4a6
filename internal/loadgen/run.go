package loadgen

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"zooid/internal/wire"
)

// run is one call of Run on its way.
type run struct {
	opt    *Options
	result *Result
	root   string // the znode below which everything of this run is
}

// fillName is the child of --path that Fill makes and Reuse takes.
const fillName = "/fill"

// Run carries out one workload. A context that ends makes it stop early and
// clean up; the result then says so. Refused operations are counted in the
// result; an error means that there is none.
func Run(ctx context.Context, options Options) (*Result, error) {
	opt := &options
	if err := opt.settle(); err != nil {
		return nil, err
	}
	r := &run{opt: opt, result: newResult(opt)}
	var err error
	switch opt.Workload {
	case Clean:
		err = r.clean(ctx)
	case Fill:
		err = r.fill(ctx)
	case Connect, Idle:
		err = r.sessions(ctx)
	default:
		err = r.below(ctx)
	}
	if errors.Is(err, errInterrupted) {
		r.result.Interrupted, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	return r.result, nil
}

// say announces a phase.
func (r *run) say(format string, args ...any) {
	if r.opt.Progress != nil {
		r.opt.Progress(Progress{Text: fmt.Sprintf(format, args...)})
	}
}

// open makes an engine with n sessions.
func (r *run) open(ctx context.Context, n int) (*engine, error) {
	e, err := newEngine(ctx, r.opt)
	if err != nil {
		return nil, err
	}
	e.limit(0)
	if err := e.phase(ctx, func(*loop) job { return &opening{total: n} }); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// below carries out a workload that needs znodes, under a parent of its own
// that is gone afterwards.
func (r *run) below(ctx context.Context) error {
	var id [4]byte
	_, _ = rand.Read(id[:])
	r.root = r.opt.Path + "/run-" + hex.EncodeToString(id[:])
	if r.opt.Reuse {
		r.root = r.opt.Path + fillName
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	err := r.measure(ctx)
	if r.opt.Keep || r.opt.Reuse {
		return err
	}
	if swept := r.sweep(context.WithoutCancel(ctx), r.root); swept != nil && (err == nil || errors.Is(err, errInterrupted)) {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("could not clean up %s: %v; try: zooid bench clean --path %s", r.root, swept, r.opt.Path))
	}
	return err
}

// prepare makes the parents, and for Watch the watched znode. The keys follow
// over the load connections, which are faster.
func (r *run) prepare(ctx context.Context) error {
	c, err := dialControl(ctx, r.opt)
	if err != nil {
		return err
	}
	defer c.close()
	if r.opt.Reuse {
		return r.checkReuse(c)
	}
	if err := c.makeAll(r.root); err != nil {
		return err
	}
	switch {
	case r.opt.Workload == Watch:
		_, err = c.create(r.watched(), payload(r.opt.Size))
	case r.opt.steady():
		err = makeParents(c, r.layout())
	}
	return err
}

func (r *run) watched() string { return r.root + "/watched" }

func (r *run) layout() layout { return layout{r.root, r.opt.Keys} }

func makeParents(c *control, y layout) error {
	for i := range y.parents() {
		if _, err := c.create(y.parent(i), nil); err != nil {
			return err
		}
	}
	return nil
}

// checkReuse looks whether an earlier fill left enough.
func (r *run) checkReuse(c *control) error {
	for _, key := range []string{r.layout().key(0), r.layout().key(r.opt.Keys - 1)} {
		found, err := c.exists(key)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("--reuse: %s is not there; make it with: zooid bench fill --path %s --keys %d", key, r.opt.Path, r.opt.Keys)
		}
	}
	return nil
}

// measure opens the sessions, makes the keys, and runs the workload.
func (r *run) measure(ctx context.Context) error {
	n := r.opt.Connections
	switch r.opt.Workload {
	case Churn:
		n = 0
	case Watch:
		n++ // the one that changes the znode
	}
	if n > 0 {
		r.say("opening %d sessions", n)
	}
	e, err := r.open(ctx, n)
	if err != nil {
		return err
	}
	defer e.close()
	if r.opt.steady() && !r.opt.Reuse {
		if err := r.makeKeys(ctx, e); err != nil {
			return err
		}
	}
	e.limit(r.opt.Ops)
	r.say("%s", r.opt.headline())
	m := newMeter(e)
	err = m.run(ctx, func(l *loop) job { return r.job(l) })
	r.result.take(m)
	if err != nil && !errors.Is(err, errInterrupted) {
		return err
	}
	return errors.Join(err, e.leave())
}

// FillKey returns the path of the znode that the workload Fill makes as number
// i, counted from 0, below the option Path.
func FillKey(path string, i int) string { return layout{root: path + fillName}.key(i) }

// job makes the job of one loop.
func (r *run) job(l *loop) job {
	data := payload(r.opt.Size)
	switch r.opt.Workload {
	case Watch:
		return newFanout(r.watched(), data)
	case Churn:
		return &churning{root: r.root, data: data}
	}
	share := map[string]float64{Read: 1, Write: 0, Mixed: r.opt.ReadShare}[r.opt.Workload]
	src := newMix(r.layout(), data, share)
	if r.opt.Rate > 0 {
		return newPaced(l, src, r.opt.Depth, r.opt.Rate)
	}
	return &steady{depth: r.opt.Depth, source: src}
}

// makeKeys creates the znodes that the workload reads and writes.
func (r *run) makeKeys(ctx context.Context, e *engine) error {
	r.say("creating %d znodes of %d B below %s", r.opt.Keys, r.opt.Size, r.root)
	e.limit(int64(r.opt.Keys))
	src := &inTurn{engine: e, of: createTemplate(r.layout(), payload(r.opt.Size))}
	return r.quietly(ctx, e, src, wire.CodeNodeExists)
}

// fillDepth is how many creates or deletes a connection has in flight when they
// are not what is measured.
const fillDepth = 32

// quietly runs a phase that is not part of the result, and in which no
// operation may be refused.
func (r *run) quietly(ctx context.Context, e *engine, src source, tolerate wire.Code) error {
	m := newMeter(e)
	m.warm, m.left, m.expect = 0, 24*time.Hour, e.budget.Load()
	err := m.run(ctx, func(*loop) job { return &steady{depth: fillDepth, source: src, tolerate: tolerate} })
	for code, n := range m.total.errors {
		if err == nil {
			err = fmt.Errorf("%d of %d operations were refused: %w", n, r.opt.Keys, code)
		}
	}
	return err
}

// fill is the workload Fill.
func (r *run) fill(ctx context.Context) error {
	r.root = r.opt.Path + fillName
	c, err := dialControl(ctx, r.opt)
	if err != nil {
		return err
	}
	found, err := c.exists(r.layout().key(0))
	if err == nil && found {
		err = fmt.Errorf("%s is filled already; remove it with: zooid bench clean --path %s, or choose another --path", r.root, r.opt.Path)
	}
	if err == nil {
		err = c.makeAll(r.root)
	}
	if err == nil {
		err = makeParents(c, r.layout())
	}
	c.close()
	if err != nil {
		return err
	}
	e, err := r.open(ctx, r.opt.Connections)
	if err != nil {
		return err
	}
	defer e.close()
	e.limit(int64(r.opt.Keys))
	r.say("%s", r.opt.headline())
	src := &inTurn{engine: e, of: createTemplate(r.layout(), payload(r.opt.Size))}
	m := newMeter(e)
	m.left = 24 * time.Hour
	err = m.run(ctx, func(*loop) job { return &steady{depth: r.opt.Depth, source: src} })
	r.result.take(m)
	r.result.Notes = append(r.result.Notes, fmt.Sprintf("%s stays; remove it with: zooid bench clean --path %s", r.root, r.opt.Path))
	if err != nil && !errors.Is(err, errInterrupted) {
		return err
	}
	return errors.Join(err, e.leave())
}

// sessions is the workloads Connect and Idle, which need no znodes.
func (r *run) sessions(ctx context.Context) error {
	if r.opt.Workload == Idle {
		return r.idle(ctx)
	}
	e, err := newEngine(ctx, r.opt)
	if err != nil {
		return err
	}
	defer e.close()
	r.say("%s", r.opt.headline())
	m := newMeter(e)
	hold := int64(openFilesLeft(holdAtMost))
	for left := r.opt.Ops; m.left > 0 && (r.opt.Ops == 0 || left > 0) && err == nil; left -= hold {
		round := hold
		if r.opt.Ops > 0 {
			round = min(hold, left)
		}
		e.limit(round)
		err = m.run(ctx, func(*loop) job { return new(arriving) })
		if err == nil || errors.Is(err, errInterrupted) {
			err = errors.Join(err, e.leave())
		}
	}
	r.result.take(m)
	return err
}

// holdAtMost is how many sessions Connect has open before it closes them, off
// the clock, and goes on.
const holdAtMost = 4000

// idle is the workload Idle.
func (r *run) idle(ctx context.Context) error {
	memory := &Memory{Sessions: r.opt.Connections}
	var err error
	if r.opt.PID != 0 {
		if memory.Before, err = ResidentBytes(r.opt.PID); err != nil {
			return fmt.Errorf("--pid %d: %w", r.opt.PID, err)
		}
	}
	r.say("opening %d sessions", r.opt.Connections)
	began := time.Now()
	e, err := r.open(ctx, r.opt.Connections)
	if err != nil {
		return err
	}
	defer e.close()
	r.result.Notes = append(r.result.Notes, fmt.Sprintf("%d sessions were open after %.1f s", r.opt.Connections, time.Since(began).Seconds()))
	r.say("%s", r.opt.headline())
	m := newMeter(e)
	m.warm, m.holding = 0, r.opt.Connections
	e.limit(0)
	err = m.run(ctx, func(*loop) job { return holding{} })
	r.result.take(m)
	if err != nil && !errors.Is(err, errInterrupted) {
		return err
	}
	if r.opt.PID != 0 {
		after, failed := ResidentBytes(r.opt.PID)
		if failed != nil {
			return failed
		}
		memory.After = after
		memory.PerSession = float64(after-memory.Before) / float64(memory.Sessions)
		r.result.Memory = memory
	}
	r.say("closing %d sessions", r.opt.Connections)
	return errors.Join(err, e.leave())
}

// headline says what is about to be measured.
func (o *Options) headline() string {
	head := fmt.Sprintf("%s: %d connections", o.Workload, o.Connections)
	if o.steady() || o.Workload == Fill {
		head += fmt.Sprintf(", %d in flight each, %d znodes of %d B", o.Depth, o.Keys, o.Size)
	}
	if o.Workload == Mixed {
		head += fmt.Sprintf(", %.3g %% reads", o.ReadShare*100)
	}
	if o.Rate > 0 {
		head += fmt.Sprintf(", %.0f operations/s", o.Rate)
	}
	if o.Workload != Fill {
		head += fmt.Sprintf(", for %v", o.Duration)
	}
	if o.Warmup > 0 && o.Workload != Idle {
		head += fmt.Sprintf(" after %v of warm-up", o.Warmup)
	}
	return head
}
