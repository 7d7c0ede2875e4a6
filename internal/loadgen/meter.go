package loadgen

import (
	"context"
	"time"
)

// Sample is one slice of a run's time line.
type Sample struct {
	At      float64 `json:"at_s"` // end of the slice, s since the measurement began
	Seconds float64 `json:"length_s"`
	Ops     int64   `json:"ops"`
	Errors  int64   `json:"errors,omitempty"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Max     float64 `json:"max_us"`
}

// SendSlice is one slice of a run's time line, of the operations that were sent
// in it (in an open loop: should have been), whenever they were answered. Only
// runs with a Slice below a second keep them.
type SendSlice struct {
	From, To  time.Time
	Latencies *Histogram
}

// sendTimes sorts latencies by the time at which operations were sent.
type sendTimes struct {
	length int64 // of a slice, ns; 0: off
	first  int64 // number of the first slice, counted from the start of time (see now)
	slices []*Histogram
}

func (s *sendTimes) record(start, latency int64) {
	n := start / s.length
	if len(s.slices) == 0 {
		s.first = n
	}
	i := n - s.first
	if i < 0 {
		return // sent before the slice that answered first: only at the very beginning
	}
	for int(i) >= len(s.slices) {
		s.slices = append(s.slices, new(Histogram))
	}
	s.slices[i].Record(latency)
}

// Progress is a word to those who wait: a new phase, or one slice of it.
type Progress struct {
	Text   string        // a new phase; empty for a slice
	Warmup bool          // the slice is not counted
	Since  time.Duration // since the phase began
	Done   int64         // operations of the phase so far
	Total  int64         // operations that the phase will have; 0 when time ends it
	Sample Sample

	Holding int // sessions that the workload Idle holds
}

// meter runs phases and measures them. Between two of its phases the clock
// stands still.
type meter struct {
	engine  *engine
	warm    time.Duration // warm-up that is left
	left    time.Duration // measured time that is left
	total   interval
	samples []Sample
	active  time.Duration // measured so far
	lately  interval      // of the last slice
	spare   []*interval
	warming time.Duration
	counted int64
	began   int64 // of the first measured slice; see now
	ended   int64 // of the last one
	holding int   // for Progress
	expect  int64 // operations that the phases have; 0 when time ends them
}

func newMeter(e *engine) *meter {
	m := &meter{engine: e, warm: e.opt.Warmup, left: e.opt.Duration, expect: e.opt.Ops}
	for range e.loops {
		m.spare = append(m.spare, new(interval))
	}
	return m
}

// run carries out one phase, until it is done by itself, or the time is up, or
// the context ends, which is errInterrupted but leaves what was measured.
func (m *meter) run(ctx context.Context, assign func(l *loop) job) error {
	finished := make(chan error, 1)
	m.collect()
	go func() { finished <- m.engine.phase(ctx, assign) }()
	last := time.Now()
	timer := time.NewTimer(m.next())
	defer timer.Stop()
	for {
		select {
		case err := <-finished:
			m.slice(last, time.Now())
			return err
		case <-timer.C:
			t := time.Now()
			m.slice(last, t)
			last = t
			if m.left <= 0 {
				m.engine.stop()
				return <-finished
			}
			timer.Reset(m.next())
		}
	}
}

// next is how long the slice that begins may be.
func (m *meter) next() time.Duration {
	rest := m.left
	if m.warm > 0 {
		rest = m.warm
	}
	return max(0, min(m.engine.opt.Slice, rest))
}

// slice closes the slice from one time to another.
func (m *meter) slice(from, to time.Time) {
	m.collect()
	length := to.Sub(from)
	if m.warm > 0 {
		m.warm -= length
		m.warming += length
		m.tell(Progress{Warmup: true, Since: m.warming, Sample: m.sample(length)})
		return
	}
	m.ended = int64(to.Sub(base))
	if m.active == 0 {
		m.began = int64(from.Sub(base))
	}
	m.left -= length
	m.active += length
	m.total.merge(&m.lately)
	s := m.sample(length)
	m.counted += s.Ops + s.Errors
	m.samples = append(m.samples, s)
	p := Progress{Holding: m.holding, Since: m.active, Done: m.counted, Total: m.expect, Sample: s}
	if length >= m.engine.opt.Slice/2 {
		m.tell(p)
	}
}

func (m *meter) tell(p Progress) {
	if m.engine.opt.Progress != nil {
		m.engine.opt.Progress(p)
	}
}

// collect takes from every loop what it measured since the last time.
func (m *meter) collect() {
	m.lately = interval{}
	for i, l := range m.engine.loops {
		l.mu.Lock()
		l.cur, m.spare[i] = m.spare[i], l.cur
		l.mu.Unlock()
		m.lately.merge(m.spare[i])
		*m.spare[i] = interval{}
	}
}

// sample sums the last slice up.
func (m *meter) sample(length time.Duration) Sample {
	h := m.lately.main(m.engine.opt.Workload)
	s := Sample{
		At: m.active.Seconds(), Seconds: length.Seconds(), Ops: h.Count(),
		P50: micros(h.Quantile(0.5)), P99: micros(h.Quantile(0.99)), Max: micros(h.Max()),
	}
	for _, n := range m.lately.errors {
		s.Errors += n
	}
	return s
}

// sent returns the measured operations by the time at which they were sent.
func (m *meter) sent() []SendSlice {
	var all []SendSlice
	length := int64(m.engine.opt.Slice)
	for n := m.began/length + 1; n < m.ended/length; n++ {
		h := new(Histogram)
		for _, l := range m.engine.loops {
			if i := n - l.bySend.first; i >= 0 && int(i) < len(l.bySend.slices) {
				h.Merge(l.bySend.slices[i])
			}
		}
		from := base.Add(time.Duration(n * length))
		all = append(all, SendSlice{from, from.Add(time.Duration(length)), h})
	}
	return all
}

// main is one histogram of what a workload counts as its operations.
func (v *interval) main(workload string) *Histogram {
	h := new(Histogram)
	h.Merge(&v.kinds[0])
	if workload != Watch {
		h.Merge(&v.kinds[1])
	}
	return h
}

func micros(ns int64) float64 { return float64(ns/100) / 10 }
