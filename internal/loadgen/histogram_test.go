package loadgen

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsCoverAllValues(t *testing.T) {
	last := int64(-1)
	for i := range buckets {
		top := bucketTop(i)
		if bucketOf(top) != i {
			t.Fatalf("the top %d of bucket %d is in bucket %d", top, i, bucketOf(top))
		}
		if bucketOf(last+1) != i {
			t.Fatalf("%d, one above bucket %d, is in bucket %d", last+1, i-1, bucketOf(last+1))
		}
		last = top
	}
	if got := bucketOf(math.MaxInt64); got != buckets-1 {
		t.Errorf("the longest value is in bucket %d, want the last", got)
	}
}

// Every quantile is within a bucket's width of the exact one.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Minute)), 1, 300).Draw(t, "values")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var h, a, b Histogram
		for i, v := range values {
			h.Record(v)
			[]*Histogram{&a, &b}[i%2].Record(v)
		}
		a.Merge(&b)
		if a != h {
			t.Fatalf("two halves merged differ from the whole")
		}
		slices.Sort(values)
		exact := values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
		got := h.Quantile(q)
		if got < exact || float64(got-exact) > float64(exact)/subBuckets+1 {
			t.Fatalf("quantile %v is %d, exactly it is %d", q, got, exact)
		}
		if h.Max() != values[len(values)-1] || h.Min() != values[0] || h.Count() != int64(len(values)) {
			t.Fatalf("min %d max %d count %d of %v", h.Min(), h.Max(), h.Count(), values)
		}
		if all := h.between(-1, math.MaxInt64); all != h.Count() {
			t.Fatalf("between all: %d, want %d", all, h.Count())
		}
	})
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.99) != 0 || h.Mean() != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram is not all zero")
	}
	h.Record(-5)
	if h.Quantile(0.5) != 0 || h.Count() != 1 {
		t.Error("a negative duration must count as 0")
	}
	h.Reset()
	if h.Count() != 0 {
		t.Error("Reset left something")
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	h := new(Histogram)
	if n := testing.AllocsPerRun(100, func() { h.Record(12345) }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := new(Histogram)
	for i := range b.N {
		h.Record(int64(i) & 0xfffff)
	}
}
