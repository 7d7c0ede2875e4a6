// Package metrics is what a running server counts and measures, under the
// names that Apache ZooKeeper gives its metrics.
//
// It stands beside the way of a request, not on it: the client port, the
// loop, the disk writer and the storage add to the fields of Server as they
// pass, and package admin reads them for mntr, srvr and srst. Recording is one
// or two atomic additions to a field whose address is known when the program
// is compiled; there is no lock, no allocation and no look-up by name. Whoever
// handles requests in batches records the whole batch at once (AddN,
// ObserveN, Tally).
//
// It must never block its caller, never read a clock (durations come in as
// numbers of milliseconds) and never let a metric decide what the server does.
package metrics

import (
	"math"
	"sync/atomic"
)

// cacheLine is the size in bytes up to which a metric is padded, so that two
// goroutines that count different things do not fight for one line.
const cacheLine = 64

// Counter is a number that only grows, until srst sets it back to 0. The zero
// value is ready for use, by any number of goroutines.
type Counter struct {
	value atomic.Int64
	_     [cacheLine - 8]byte
}

// Inc adds one.
func (c *Counter) Inc() { c.value.Add(1) }

// AddN adds n, the events of a whole batch.
func (c *Counter) AddN(n int64) { c.value.Add(n) }

// Value returns the events counted since the start or the last srst.
func (c *Counter) Value() int64 { return c.value.Load() }

func (c *Counter) reset() { c.value.Store(0) }

func (c *Counter) samples(name string, to []Sample) []Sample {
	return append(to, whole(name, c.Value()))
}

// Gauge is a number that goes up and down and that srst leaves alone. It is
// either kept up to date by Set and Add, or asked for by From.
type Gauge struct {
	value atomic.Int64
	from  func() int64
	_     [cacheLine - 16]byte
}

// Set replaces the value.
func (g *Gauge) Set(v int64) { g.value.Store(v) }

// Add changes the value by n.
func (g *Gauge) Add(n int64) { g.value.Add(n) }

// From makes Value call f. It is called while the server is wired together,
// before anybody reads; f is called by goroutines that serve an operator, must
// be safe for that and must not wait for long.
func (g *Gauge) From(f func() int64) { g.from = f }

// Value returns the present value.
func (g *Gauge) Value() int64 {
	if g.from != nil {
		return g.from()
	}
	return g.value.Load()
}

func (g *Gauge) reset() {}

func (g *Gauge) samples(name string, to []Sample) []Sample {
	return append(to, whole(name, g.Value()))
}

// FloatGauge is a Gauge whose value is a fraction.
type FloatGauge struct {
	bits atomic.Uint64
	from func() float64
}

// Set replaces the value.
func (g *FloatGauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// From makes Value call f, under the rules of Gauge.From.
func (g *FloatGauge) From(f func() float64) { g.from = f }

// Value returns the present value.
func (g *FloatGauge) Value() float64 {
	if g.from != nil {
		return g.from()
	}
	return math.Float64frombits(g.bits.Load())
}

func (g *FloatGauge) reset() {}

func (g *FloatGauge) samples(name string, to []Sample) []Sample {
	return append(to, fraction(name, g.Value()))
}

// Sizes keeps the last, the smallest and the largest of a run of sizes in
// bytes, each -1 until there was one (Java's BufferStats). srst starts it anew.
type Sizes struct {
	// Each holds the size plus one, so that the zero value means none.
	last, low, high atomic.Int64
	_               [cacheLine - 24]byte
}

// Observe records one size.
func (s *Sizes) Observe(size int64) { s.ObserveBatch(size, size, size) }

// ObserveBatch records a whole batch by its last, smallest and largest size.
func (s *Sizes) ObserveBatch(last, low, high int64) {
	s.last.Store(last + 1)
	lower(&s.low, low)
	raise(&s.high, high)
}

// Last returns the size observed last, or -1.
func (s *Sizes) Last() int64 { return s.last.Load() - 1 }

// Min returns the smallest size, or -1.
func (s *Sizes) Min() int64 { return s.low.Load() - 1 }

// Max returns the largest size, or -1.
func (s *Sizes) Max() int64 { return s.high.Load() - 1 }

// Reset forgets all sizes.
func (s *Sizes) Reset() {
	s.last.Store(0)
	s.low.Store(0)
	s.high.Store(0)
}

// lower and raise move an extreme that is stored as the value plus one, with 0
// for none. Nearly every call ends after the first load.
func lower(extreme *atomic.Int64, v int64) {
	for {
		now := extreme.Load()
		if now != 0 && now <= v+1 || extreme.CompareAndSwap(now, v+1) {
			return
		}
	}
}

func raise(extreme *atomic.Int64, v int64) {
	for {
		now := extreme.Load()
		if now > v || extreme.CompareAndSwap(now, v+1) {
			return
		}
	}
}
