package metrics

import (
	"bytes"
	"maps"
	"slices"
	"sync/atomic"
)

// LabelsMax is the number of labels that a set tells apart. Apache's sets grow
// with every top-level znode that was ever touched; here the labels that come
// later share OtherLabel, so that no client can fill the memory with names.
const LabelsMax = 1000

// OtherLabel stands for all labels beyond LabelsMax.
const OtherLabel = "_other"

// Namespace returns the first part of a path, the label of the sets whose
// names end in per_namespace, or nil for the root, which none of them counts.
func Namespace(path []byte) []byte {
	if len(path) < 2 || path[0] != '/' {
		return nil
	}
	path = path[1:]
	if end := bytes.IndexByte(path, '/'); end >= 0 {
		path = path[:end]
	}
	if len(path) == 0 {
		return nil
	}
	return path
}

// labelled holds one T per label. The map is never changed, only replaced, so
// that looking up needs no lock.
type labelled[T any] struct {
	byLabel atomic.Pointer[map[string]*T]
	other   atomic.Pointer[T]
}

// at returns the T of a label and makes it if it is new.
func (l *labelled[T]) at(label []byte) *T {
	for {
		now := l.byLabel.Load()
		size := 0
		if now != nil {
			if t := (*now)[string(label)]; t != nil {
				return t
			}
			size = len(*now)
		}
		if size >= LabelsMax {
			if l.other.Load() == nil {
				l.other.CompareAndSwap(nil, new(T))
			}
			return l.other.Load()
		}
		next := make(map[string]*T, size+1)
		if now != nil {
			maps.Copy(next, *now)
		}
		t := new(T)
		next[string(label)] = t
		if l.byLabel.CompareAndSwap(now, &next) {
			return t
		}
	}
}

// each calls f for every label in order.
func (l *labelled[T]) each(f func(label string, t *T)) {
	if now := l.byLabel.Load(); now != nil {
		for _, label := range slices.Sorted(maps.Keys(*now)) {
			f(label, (*now)[label])
		}
	}
	if t := l.other.Load(); t != nil {
		f(OtherLabel, t)
	}
}

// CounterSet is a Counter per label.
type CounterSet struct{ labelled[Counter] }

// At returns the counter of a label. A goroutine that meets the same label
// again and again keeps it.
func (s *CounterSet) At(label []byte) *Counter { return s.at(label) }

func (s *CounterSet) reset() { s.each(func(_ string, c *Counter) { c.reset() }) }

func (s *CounterSet) samples(name string, to []Sample) []Sample {
	s.each(func(label string, c *Counter) { to = c.samples(label+"_"+name, to) })
	return to
}

// SummarySet is a Summary per label. srst sets the values back and keeps the
// labels, as Java does.
type SummarySet struct{ labelled[Summary] }

// At returns the summary of a label; see Tally for the way of requests.
func (s *SummarySet) At(label []byte) *Summary { return s.at(label) }

func (s *SummarySet) reset() { s.each(func(_ string, m *Summary) { m.reset() }) }

func (s *SummarySet) samples(name string, to []Sample) []Sample {
	s.each(func(label string, m *Summary) { to = m.samples(label+"_"+name, to) })
	return to
}

// DistributionSet is a Distribution per label.
type DistributionSet struct{ labelled[Distribution] }

// At returns the distribution of a label.
func (s *DistributionSet) At(label []byte) *Distribution { return s.at(label) }

func (s *DistributionSet) reset() { s.each(func(_ string, d *Distribution) { d.reset() }) }

func (s *DistributionSet) samples(name string, to []Sample) []Sample {
	s.each(func(label string, d *Distribution) { to = d.samples(label+"_"+name, to) })
	return to
}

// GaugeSet is a number per label that the server computes when it is asked.
type GaugeSet struct {
	from func() []LabelValue
}

// LabelValue is the value of one label of a GaugeSet.
type LabelValue struct {
	Label string
	Value int64
}

// From names the function that computes the values, under the rules of
// Gauge.From. Without one the set is empty.
func (s *GaugeSet) From(f func() []LabelValue) { s.from = f }

func (s *GaugeSet) reset() {}

func (s *GaugeSet) samples(name string, to []Sample) []Sample {
	if s.from == nil {
		return to
	}
	for _, v := range s.from() {
		to = append(to, whole(v.Label+"_"+name, v.Value))
	}
	return to
}

// Tally gathers what one goroutine observes for one SummarySet during a batch
// of requests and hands it over in a lump, so that a request costs a
// comparison of its label with the one before and a few plain additions. It
// belongs to one goroutine; Flush ends each batch.
type Tally struct {
	set       *SummarySet
	label     []byte
	at        *Summary
	n, sum    int64
	low, high int64
}

// NewTally returns a tally for set.
func NewTally(set *SummarySet) *Tally { return &Tally{set: set} }

// Observe notes the value v under a label; it keeps no reference to label. A
// nil label (Namespace of the root) is ignored.
func (t *Tally) Observe(label []byte, v int64) {
	if label == nil {
		return
	}
	if t.at == nil || !bytes.Equal(label, t.label) {
		t.Flush()
		t.label = append(t.label[:0], label...)
		t.at = t.set.At(label)
	}
	v = max(v, 0)
	if t.n == 0 {
		t.low, t.high = v, v
	}
	t.n++
	t.sum += v
	t.low = min(t.low, v)
	t.high = max(t.high, v)
}

// Flush hands over what was observed since the last one.
func (t *Tally) Flush() {
	if t.n == 0 {
		return
	}
	t.at.merge(t.n, t.sum, t.low, t.high)
	t.n, t.sum = 0, 0
}
