package loadgen

import (
	"math"
	"math/bits"
)

// The buckets of a Histogram are linear inside each power of two: 64 of them,
// so that no value is off by more than 1.6 %.
const (
	subBits    = 6
	subBuckets = 1 << subBits
	maxBits    = 42 // values up to 73 minutes in ns; longer ones count as that
	buckets    = (maxBits - subBits + 1) * subBuckets
)

// Histogram counts durations in ns, in the manner of HdrHistogram: a fixed
// table, no allocation and no lock on the way. The zero value is empty.
type Histogram struct {
	counts [buckets]uint64
	n      uint64
	sum    float64
	min    int64
	max    int64
}

// bucketOf returns the bucket of a value in ns.
func bucketOf(v int64) int {
	u := uint64(v)
	if u < subBuckets {
		return int(u)
	}
	shift := bits.Len64(u) - subBits - 1
	i := shift*subBuckets + int(u>>uint(shift))
	if i >= buckets {
		return buckets - 1
	}
	return i
}

// bucketTop returns the largest value in ns that falls into bucket i.
func bucketTop(i int) int64 {
	if i < 2*subBuckets {
		return int64(i)
	}
	shift := uint(i/subBuckets - 1)
	low := int64(i%subBuckets+subBuckets) << shift
	return low + 1<<shift - 1
}

// Record counts one duration in ns; negative ones count as 0.
func (h *Histogram) Record(v int64) {
	if v < 0 {
		v = 0
	}
	h.counts[bucketOf(v)]++
	if h.n == 0 || v < h.min {
		h.min = v
	}
	if v > h.max {
		h.max = v
	}
	h.n++
	h.sum += float64(v)
}

// Merge adds all that other counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.n == 0 {
		return
	}
	for i, c := range other.counts {
		h.counts[i] += c
	}
	if h.n == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	h.n += other.n
	h.sum += other.sum
}

// Reset empties the histogram.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 { return int64(h.n) }

// Max returns the longest duration in ns.
func (h *Histogram) Max() int64 { return h.max }

// Min returns the shortest duration in ns.
func (h *Histogram) Min() int64 { return h.min }

// Mean returns the mean duration in ns; 0 when empty.
func (h *Histogram) Mean() float64 {
	if h.n == 0 {
		return 0
	}
	return h.sum / float64(h.n)
}

// Quantile returns the duration in ns that a share q (0..1) of all does not
// exceed; 0 when empty. It is the upper end of a bucket, but never more than Max.
func (h *Histogram) Quantile(q float64) int64 {
	if h.n == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.n)))
	rank = min(max(rank, 1), h.n)
	var seen uint64
	for i, c := range h.counts {
		seen += c
		if seen >= rank {
			return min(bucketTop(i), h.max)
		}
	}
	return h.max
}

// between returns how many durations fall into buckets whose upper end lies in
// (low, high] ns; it feeds the drawn histogram.
func (h *Histogram) between(low, high int64) int64 {
	var n uint64
	for i, c := range h.counts {
		if c == 0 {
			continue
		}
		if top := min(bucketTop(i), h.max); top > low && top <= high {
			n += c
		}
	}
	return int64(n)
}
