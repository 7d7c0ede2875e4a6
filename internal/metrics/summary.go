package metrics

import (
	"math/bits"
	"sync/atomic"
)

// Summary keeps the average, smallest, largest, number and sum of the values
// that it is given (ZooKeeper's "basic" summary). A value is a count or a
// number of milliseconds; one below 0 counts as 0. The zero value is ready for
// use, by any number of goroutines.
type Summary struct {
	count, sum atomic.Int64
	low, high  atomic.Int64
	_          [cacheLine - 32]byte
}

// Observe records one value.
func (s *Summary) Observe(v int64) { s.ObserveN(v, 1) }

// ObserveN records the value v for each of n events, as a batch whose members
// took equally long.
func (s *Summary) ObserveN(v, n int64) {
	if n <= 0 {
		return
	}
	v = max(v, 0)
	s.merge(n, v*n, v, v)
}

// ObserveBatch records n values at once by their sum and extremes.
func (s *Summary) ObserveBatch(n, sum, low, high int64) {
	if n > 0 {
		s.merge(n, sum, low, high)
	}
}

// merge records n events at once by their sum and extremes.
func (s *Summary) merge(n, sum, low, high int64) {
	s.count.Add(n)
	if sum != 0 {
		s.sum.Add(sum)
	}
	lower(&s.low, low)
	raise(&s.high, high)
}

// Count returns the number of values since the start or the last srst.
func (s *Summary) Count() int64 { return s.count.Load() }

// Sum returns the sum of the values.
func (s *Summary) Sum() int64 { return s.sum.Load() }

// Min returns the smallest value, or 0 if there was none.
func (s *Summary) Min() int64 { return max(s.low.Load()-1, 0) }

// Max returns the largest value, or 0 if there was none.
func (s *Summary) Max() int64 { return max(s.high.Load()-1, 0) }

// Avg returns the average, rounded to four decimals as Java's
// AvgMinMaxCounter does, or 0 if there was none.
func (s *Summary) Avg() float64 { return average(s.Sum(), s.Count()) }

func (s *Summary) reset() {
	s.count.Store(0)
	s.sum.Store(0)
	s.low.Store(0)
	s.high.Store(0)
}

func (s *Summary) samples(name string, to []Sample) []Sample {
	return append(to,
		fraction("avg_"+name, s.Avg()),
		whole("min_"+name, s.Min()),
		whole("max_"+name, s.Max()),
		whole("cnt_"+name, s.Count()),
		whole("sum_"+name, s.Sum()))
}

// Distribution is a Summary that knows percentiles as well (ZooKeeper's
// "advanced" summary). It counts values in fixed buckets: each value below 32
// has its own, above that a bucket is a sixteenth of a power of two wide, so a
// percentile is exact below 32 and within 3.2 % above. (Java draws 4,096
// values at random instead.)
type Distribution struct {
	low, high atomic.Int64
	_         [cacheLine - 16]byte
	sum       atomic.Int64
	buckets   [bucketCount]atomic.Int64
}

const (
	// exactValues is the number of values, from 0, with a bucket of their own.
	exactValues = 32
	// bucketsPerOctave is the number of buckets between powers of two above.
	bucketsPerOctave = exactValues / 2
	// octaves reach to 2^36, two years of milliseconds; what is larger falls
	// into the last bucket.
	octaves     = 31
	bucketCount = exactValues + octaves*bucketsPerOctave
)

// Observe records one value.
func (d *Distribution) Observe(v int64) { d.ObserveN(v, 1) }

// ObserveN records the value v for each of n events.
func (d *Distribution) ObserveN(v, n int64) {
	if n <= 0 {
		return
	}
	v = max(v, 0)
	d.buckets[bucketOf(v)].Add(n)
	if v != 0 {
		d.sum.Add(v * n)
	}
	lower(&d.low, v)
	raise(&d.high, v)
}

// bucketOf returns the bucket of a value of at least 0.
func bucketOf(v int64) int {
	if v < exactValues {
		return int(v)
	}
	octave := bits.Len64(uint64(v)) - 5
	if octave > octaves {
		return bucketCount - 1
	}
	return exactValues + (octave-1)*bucketsPerOctave + int(v>>octave) - bucketsPerOctave
}

// valueOf returns the value in the middle of a bucket.
func valueOf(bucket int) int64 {
	if bucket < exactValues {
		return int64(bucket)
	}
	octave := (bucket-exactValues)/bucketsPerOctave + 1
	first := int64((bucket-exactValues)%bucketsPerOctave+bucketsPerOctave) << octave
	return first + int64(1)<<(octave-1)
}

// Count returns the number of values since the start or the last srst.
func (d *Distribution) Count() int64 {
	var n int64
	for i := range d.buckets {
		n += d.buckets[i].Load()
	}
	return n
}

// Sum returns the sum of the values.
func (d *Distribution) Sum() int64 { return d.sum.Load() }

// Min returns the smallest value, or 0 if there was none.
func (d *Distribution) Min() int64 { return max(d.low.Load()-1, 0) }

// Max returns the largest value, or 0 if there was none.
func (d *Distribution) Max() int64 { return max(d.high.Load()-1, 0) }

// Percentiles returns for each of the ascending shares (0.5 is the median) the
// value that this share of the values does not exceed, or 0 if there was none.
func (d *Distribution) Percentiles(shares ...float64) []int64 {
	out := make([]int64, len(shares))
	total := d.Count()
	var seen int64
	next := 0
	for bucket := 0; bucket < bucketCount && next < len(shares) && total > 0; bucket++ {
		seen += d.buckets[bucket].Load()
		for next < len(shares) && float64(seen) >= shares[next]*float64(total) {
			out[next] = min(max(valueOf(bucket), d.Min()), d.Max())
			next++
		}
	}
	for ; next < len(shares) && total > 0; next++ {
		out[next] = d.Max()
	}
	return out
}

func (d *Distribution) reset() {
	for i := range d.buckets {
		d.buckets[i].Store(0)
	}
	d.sum.Store(0)
	d.low.Store(0)
	d.high.Store(0)
}

func (d *Distribution) samples(name string, to []Sample) []Sample {
	count, sum := d.Count(), d.Sum()
	p := d.Percentiles(0.5, 0.95, 0.99, 0.999)
	return append(to,
		fraction("avg_"+name, average(sum, count)),
		whole("min_"+name, d.Min()),
		whole("max_"+name, d.Max()),
		whole("cnt_"+name, count),
		whole("sum_"+name, sum),
		whole("p50_"+name, p[0]),
		whole("p95_"+name, p[1]),
		whole("p99_"+name, p[2]),
		whole("p999_"+name, p[3]))
}
