package loadgen

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Write prints a result for people: figures, a drawn histogram of each kind of
// operation, and how the run went over time.
func (r *Result) Write(w io.Writer) {
	if r.Interrupted {
		fmt.Fprintln(w, "interrupted: this is what was measured until then")
	}
	if len(r.Latencies) > 0 {
		fmt.Fprintf(w, "%s operations in %.1f s: %s/s\n\n", grouped(r.Ops), r.Seconds, grouped(int64(r.PerSecond)))
		fmt.Fprintf(w, "  %-10s %12s %8s %8s %8s %8s %8s %8s\n", "", "count", "mean", "p50", "p90", "p99", "p99.9", "max")
		for _, l := range r.Latencies {
			fmt.Fprintf(w, "  %-10s %12s %8s %8s %8s %8s %8s %8s\n", l.Name, grouped(l.Count),
				span(l.Mean), span(l.P50), span(l.P90), span(l.P99), span(l.P999), span(l.Max))
		}
		r.writeLate(w)
	}
	for _, l := range r.Latencies {
		fmt.Fprintf(w, "\n  %s\n", l.Name)
		draw(w, l.Hist)
	}
	r.writeTime(w)
	if m := r.Memory; m != nil {
		fmt.Fprintf(w, "server memory: %s before, %s with %s idle sessions: %s a session\n",
			volume(float64(m.Before)), volume(float64(m.After)), grouped(int64(m.Sessions)), volume(m.PerSession))
	}
	for _, text := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(w, "refused: %s x %s\n", grouped(r.Errors[text]), text)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
}

// writeLate says how far an open loop fell behind its times; that is part of
// the latencies.
func (r *Result) writeLate(w io.Writer) {
	l := r.Late
	if l == nil {
		return
	}
	fmt.Fprintf(w, "  %-10s %12s %8s %8s %8s %8s %8s %8s\n", l.Name, "",
		span(l.Mean), span(l.P50), span(l.P90), span(l.P99), span(l.P999), span(l.Max))
	if l.P99 > r.Overall().P99/2 {
		fmt.Fprintln(w, "  Requests left late, and that is much of the latency: something else kept this machine busy.")
	}
}

// writeTime draws operations and p99 over time, if there is a time line.
func (r *Result) writeTime(w io.Writer) {
	const columns = 60
	if len(r.Samples) < 3 || len(r.Latencies) == 0 {
		fmt.Fprintln(w)
		return
	}
	per := (len(r.Samples) + columns - 1) / columns
	var rates, tails []float64
	for group := range slices.Chunk(r.Samples, per) {
		var ops int64
		var length, tail float64
		for _, s := range group {
			ops += s.Ops
			length += s.Seconds
			tail = max(tail, s.P99)
		}
		rates = append(rates, float64(ops)/max(length, 1e-9))
		tails = append(tails, tail)
	}
	fmt.Fprintf(w, "\n  over time  operations/s  %s  %s to %s\n", spark(rates), short(slices.Min(rates)), short(slices.Max(rates)))
	fmt.Fprintf(w, "             p99           %s  %s to %s\n\n", spark(tails), span(slices.Min(tails)), span(slices.Max(tails)))
}

// draw prints one line for each step of a 1-2-5 scale that the values reach.
func draw(w io.Writer, h *Histogram) {
	const width = 40
	var low int64
	var most int64
	type line struct {
		low, high, n int64
	}
	var lines []line
	for _, high := range scale() {
		n := h.between(low, high)
		if h.Min() <= high && low < h.Max() {
			lines = append(lines, line{low, high, n})
			most = max(most, n)
		}
		low = high
	}
	for _, l := range lines {
		part := float64(l.n) / float64(max(1, most)) * width
		fmt.Fprintf(w, "  %8s to %-8s %-*s %6.2f %%\n", span(micros(l.low)), span(micros(l.high)),
			width, bar(part), 100*float64(l.n)/float64(max(1, h.Count())))
	}
}

// scale is 1, 2, 5, 10, ... from 1 us to beyond the longest value, in ns.
func scale() []int64 {
	var s []int64
	for unit := int64(time.Microsecond); unit <= 1000*int64(time.Second); unit *= 10 {
		s = append(s, unit, 2*unit, 5*unit)
	}
	return s
}

// bar is so many blocks, in eighths; anything above zero shows.
func bar(cells float64) string {
	eighths := int(cells*8 + 0.5)
	if cells > 0 && eighths == 0 {
		eighths = 1
	}
	b := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		b += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return b
}

// spark draws a row of values as heights from 0.
func spark(values []float64) string {
	top := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		i := 0
		if top > 0 {
			i = min(7, int(v/top*8))
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[i])
	}
	return b.String()
}

// String is one line for those who wait.
func (p Progress) String() string {
	if p.Text != "" {
		return p.Text
	}
	s := p.Sample
	line := fmt.Sprintf("%5.1f s  %9s/s", p.Since.Seconds(), grouped(int64(float64(s.Ops)/max(s.Seconds, 1e-9))))
	if p.Holding > 0 {
		return fmt.Sprintf("%5.1f s  holding %s sessions", p.Since.Seconds(), grouped(int64(p.Holding)))
	}
	if s.Ops > 0 {
		line += fmt.Sprintf("  p50 %-8s p99 %-8s max %-8s", span(s.P50), span(s.P99), span(s.Max))
	}
	if p.Total > 0 && !p.Warmup {
		line += fmt.Sprintf("  %3d %%", min(100, 100*p.Done/p.Total))
	}
	if s.Errors > 0 {
		line += fmt.Sprintf("  %s refused", grouped(s.Errors))
	}
	if p.Warmup {
		line += "  (warm-up)"
	}
	return strings.TrimRight(line, " ")
}

// grouped writes a number with commas.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a rate with three digits.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3g k", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}

// span writes a duration in us with its unit.
func span(us float64) string {
	switch {
	case us >= 999500:
		return fmt.Sprintf("%.3g s", us/1e6)
	case us >= 999.5:
		return fmt.Sprintf("%.3g ms", us/1e3)
	}
	return fmt.Sprintf("%.3g µs", us)
}

// volume writes a size with its unit.
func volume(n float64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GB", n/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", n/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.1f KB", n/(1<<10))
	}
	return fmt.Sprintf("%.0f B", n)
}
