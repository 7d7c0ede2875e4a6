package loadgen

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"zooid/internal/wire"
)

// Result is what a run found out. Its JSON form is the output of zooid bench
// --json.
type Result struct {
	Workload    string           `json:"workload"`
	Servers     []string         `json:"servers"`
	Connections int              `json:"connections"`
	Depth       int              `json:"depth"`
	ReadShare   *float64         `json:"read_share,omitempty"`
	Size        int              `json:"size"`
	Keys        int              `json:"keys,omitempty"`
	Rate        float64          `json:"rate,omitempty"`
	Seconds     float64          `json:"seconds"`
	Ops         int64            `json:"ops"`
	PerSecond   float64          `json:"ops_per_second"`
	Latencies   []Latency        `json:"latencies,omitempty"`
	Late        *Latency         `json:"sent_late,omitempty"` // open loop: how late requests left
	Errors      map[string]int64 `json:"errors,omitempty"`
	Sent        []SendSlice      `json:"-"`
	Samples     []Sample         `json:"samples,omitempty"`
	Memory      *Memory          `json:"memory,omitempty"`
	Interrupted bool             `json:"interrupted,omitempty"`
	Notes       []string         `json:"notes,omitempty"`
}

// Latency sums up the durations of one kind of operation.
type Latency struct {
	Name  string     `json:"name"`
	Count int64      `json:"count"`
	Mean  float64    `json:"mean_us"`
	P50   float64    `json:"p50_us"`
	P90   float64    `json:"p90_us"`
	P99   float64    `json:"p99_us"`
	P999  float64    `json:"p999_us"`
	Max   float64    `json:"max_us"`
	Hist  *Histogram `json:"-"`
}

// Memory is what the idle sessions of a run cost the server.
type Memory struct {
	Sessions   int     `json:"sessions"`
	Before     int64   `json:"rss_before_bytes"`
	After      int64   `json:"rss_after_bytes"`
	PerSession float64 `json:"bytes_per_session"`
}

func newLatency(name string, h *Histogram) Latency {
	return Latency{
		Name: name, Count: h.Count(), Mean: micros(int64(h.Mean())),
		P50: micros(h.Quantile(0.5)), P90: micros(h.Quantile(0.9)), P99: micros(h.Quantile(0.99)),
		P999: micros(h.Quantile(0.999)), Max: micros(h.Max()), Hist: h,
	}
}

// kindNames says what the kinds of a workload are called in a report.
var kindNames = map[string][maxKinds]string{
	Read:    {"read", ""},
	Write:   {"", "write"},
	Mixed:   {"read", "write"},
	Watch:   {"last event", "each event"},
	Connect: {"session", ""},
	Churn:   {"cycle", ""},
	Fill:    {"create", ""},
}

// newResult begins a result with what was asked for.
func newResult(opt *Options) *Result {
	r := &Result{
		Workload: opt.Workload, Servers: opt.Servers, Connections: opt.Connections,
		Depth: opt.Depth, Size: opt.Size, Rate: opt.Rate,
	}
	if opt.Workload == Mixed {
		r.ReadShare = &opt.ReadShare
	}
	if opt.steady() || opt.Workload == Fill {
		r.Keys = opt.Keys
	}
	return r
}

// take adds what a meter found.
func (r *Result) take(m *meter) {
	r.Seconds = m.active.Seconds()
	r.Ops = m.total.main(r.Workload).Count()
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Ops) / r.Seconds
	}
	r.Samples = m.samples
	for k, name := range kindNames[r.Workload] {
		if h := &m.total.kinds[k]; h.Count() > 0 {
			r.Latencies = append(r.Latencies, newLatency(name, h))
		}
	}
	if m.total.late.Count() > 0 {
		late := newLatency("sent late", &m.total.late)
		r.Late = &late
	}
	if m.engine.opt.Slice < time.Second {
		r.Sent = m.sent()
	}
	r.refusals(m.total.errors)
}

func (r *Result) refusals(errors map[wire.Code]int64) {
	for code, n := range errors {
		if r.Errors == nil {
			r.Errors = make(map[string]int64)
		}
		r.Errors[code.Text()] += n
	}
}

// Latency returns the summary of a kind by its name, such as "read".
func (r *Result) Latency(name string) (Latency, bool) {
	for _, l := range r.Latencies {
		if l.Name == name {
			return l, true
		}
	}
	return Latency{}, false
}

// Overall returns the latencies of all operations of the run, reads and writes
// together.
func (r *Result) Overall() Latency {
	all := new(Histogram)
	for _, l := range r.Latencies {
		if l.Name != kindNames[Watch][kindEach] {
			all.Merge(l.Hist)
		}
	}
	return newLatency("all", all)
}

// ResidentBytes returns the resident memory of a process, from /proc; an error
// where there is no /proc or no such process.
func ResidentBytes(pid int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("resident memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: VmRSS: %w", name, err)
		}
		return kb << 10, nil
	}
	return 0, fmt.Errorf("%s has no VmRSS", name)
}
