package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figure is one measured value, in the unit of its row.
type figure struct {
	Value float64 `json:"value"`
	P99   float64 `json:"p99_us,omitempty"`
	P999  float64 `json:"p999_us,omitempty"`
}

func (f figure) text(r *row) string {
	text := r.unit.format(f.Value)
	if r.tail {
		text += ", p99 " + spent.format(f.P99) + ", p99.9 " + spent.format(f.P999)
	}
	return text
}

// format writes a value for people.
func (u unit) format(v float64) string {
	switch u {
	case perSecond:
		switch {
		case v >= 1e6:
			return fmt.Sprintf("%.2f M/s", v/1e6)
		case v >= 1e5:
			return fmt.Sprintf("%.0f k/s", v/1e3)
		}
		return fmt.Sprintf("%.3g k/s", v/1e3)
	case spent:
		switch {
		case v >= 999.5e3:
			return fmt.Sprintf("%.3g s", v/1e6)
		case v >= 999.5:
			return fmt.Sprintf("%.3g ms", v/1e3)
		}
		return fmt.Sprintf("%.0f us", v)
	case size:
		switch {
		case v >= 1<<20:
			return fmt.Sprintf("%.0f MB", v/(1<<20))
		case v >= 10<<10:
			return fmt.Sprintf("%.1f KB", v/(1<<10))
		}
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// line is what is known of a row.
type line struct {
	Name    string              `json:"name"`
	Title   string              `json:"title"`
	Target  string              `json:"target,omitempty"`
	Rounds  map[string][]figure `json:"rounds"`            // by server, in the order measured
	Medians map[string]figure   `json:"medians"`           // by server
	OfJava  float64             `json:"of_java,omitempty"` // Zooid / Java: median of the rounds' ratios
	OfBare  float64             `json:"of_bare,omitempty"` // Zooid / bare
	TailOf  float64             `json:"p99_of_java,omitempty"`
	FarOf   float64             `json:"p999_of_java,omitempty"`
	Met     *bool               `json:"met,omitempty"`
	TailMet *bool               `json:"p99_met,omitempty"`
	FarMet  *bool               `json:"p999_met,omitempty"`

	row *row
}

// report is all that was measured; its JSON form goes to a file.
type report struct {
	Date     string   `json:"date"`
	Machine  string   `json:"machine"`
	Go       string   `json:"go"`
	Java     string   `json:"java,omitempty"`
	Flags    string   `json:"flags"`
	Lines    []*line  `json:"rows"`
	Failures []string `json:"failures,omitempty"`
	Notes    []string `json:"notes,omitempty"`

	servers []string
}

func newReport(s *settings) *report {
	r := &report{
		Date: time.Now().UTC().Format(time.RFC3339), Machine: machine(), Go: runtime.Version(), servers: s.servers,
		Flags: fmt.Sprintf("rounds %d of %v, %d znodes, %d idle sessions, %d watchers, %d kills, %.0f writes/s where the rate is fixed, JVM flags %q",
			s.rounds, s.seconds, s.znodes, s.sessions, s.watchers, s.kills, s.rate, strings.Join(s.javaFlags, " ")),
	}
	if slices.Contains(s.servers, javaServer) {
		out, _ := exec.Command("java", "-version").CombinedOutput()
		first, _, _ := bytes.Cut(out, []byte("\n"))
		r.Java = string(first)
	}
	for _, row := range s.rows {
		r.Lines = append(r.Lines, &line{Name: row.name, Title: row.title, Target: row.want.text, row: row,
			Rounds: map[string][]figure{}, Medians: map[string]figure{}})
	}
	return r
}

// machine is the processor, its number of cores, the system, and how busy others
// keep it.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(l, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d x %s, %s %s, load average before %s", runtime.NumCPU(), model, runtime.GOOS,
		strings.TrimSpace(string(kernel)), cmp.Or(minute, "unknown"))
}

// add takes one round's figure.
func (r *report) add(row *row, server string, f figure) {
	for _, l := range r.Lines {
		if l.row == row {
			l.Rounds[server] = append(l.Rounds[server], f)
			l.settle()
		}
	}
}

// settle works medians and ratios out anew.
func (l *line) settle() {
	for server, all := range l.Rounds {
		l.Medians[server] = figure{
			Value: median(all, func(f figure) float64 { return f.Value }),
			P99:   median(all, func(f figure) float64 { return f.P99 }),
			P999:  median(all, func(f figure) float64 { return f.P999 }),
		}
	}
	value := func(f figure) float64 { return f.Value }
	l.OfJava = l.ratio(javaServer, value)
	l.OfBare = l.ratio(bareServer, value)
	l.TailOf = l.ratio(javaServer, func(f figure) float64 { return f.P99 })
	l.FarOf = l.ratio(javaServer, func(f figure) float64 { return f.P999 })
	l.Met, l.TailMet, l.FarMet = l.judge(), l.judgeTail(l.TailOf), l.judgeTail(l.FarOf)
}

// judgeTail holds a quantile's ratio against the target; nil if there is none.
func (l *line) judgeTail(ratio float64) *bool {
	if !l.row.tail || ratio == 0 {
		return nil
	}
	met := ratio <= tailTarget
	return &met
}

// judge holds Zooid's figures against the target; nil if something is missing.
func (l *line) judge() *bool {
	w, ours := l.row.want, l.Medians[zooidServer]
	if len(l.Rounds[zooidServer]) == 0 || w.text == "" || w.overJava > 0 && l.OfJava == 0 || w.ofBare > 0 && l.OfBare == 0 {
		return nil
	}
	met := w.atMost == 0 || ours.Value <= w.atMost
	if l.row.unit == perSecond {
		met = met && l.OfJava >= w.overJava && l.OfBare >= w.ofBare
	} else if w.overJava > 0 {
		met = met && l.OfJava <= w.overJava
	}
	return &met
}

// ratio is the median over the rounds of Zooid's figure over the other's of
// the same round, which were taken within seconds; 0 if there is none.
func (l *line) ratio(other string, of func(figure) float64) float64 {
	var all []float64
	theirs := l.Rounds[other]
	for i, f := range l.Rounds[zooidServer] {
		if i < len(theirs) && of(theirs[i]) > 0 {
			all = append(all, of(f)/of(theirs[i]))
		}
	}
	return median(all, func(v float64) float64 { return v })
}

func median[T any](all []T, of func(T) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = of(v)
	}
	slices.SortFunc(values, cmp.Compare[float64])
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// write prints the tables as Markdown: those of single servers, then those of
// ensembles.
func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s; %s; %s; %s; %s.\n", r.Date, r.Machine, r.Go, cmp.Or(r.Java, "no Java"), r.Flags)
	for _, ensemble := range []bool{false, true} {
		lines := slices.DeleteFunc(slices.Clone(r.Lines), func(l *line) bool { return l.row.ensemble() != ensemble })
		servers, head := r.servers, "one server"
		if ensemble {
			servers, head = withoutBare(r.servers), "three servers"
		}
		table(w, head, servers, lines, func(l *line) []string {
			return append(cells(servers, l, func(f figure) string { return l.row.unit.format(f.Value) }),
				times(l.OfJava), percent(l.OfBare), l.Target, verdict(l.Met))
		})
		tails := slices.DeleteFunc(lines, func(l *line) bool { return !l.row.tail })
		table(w, "p99, "+head, servers, tails, func(l *line) []string {
			return append(cells(servers, l, func(f figure) string { return spent.format(f.P99) }),
				times(l.TailOf), "", "1/3", verdict(l.TailMet))
		})
		table(w, "p99.9, "+head, servers, tails, func(l *line) []string {
			return append(cells(servers, l, func(f figure) string { return spent.format(f.P999) }),
				times(l.FarOf), "", "1/3", verdict(l.FarMet))
		})
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	for _, f := range r.Failures {
		fmt.Fprintln(w, "FAILED:", f)
	}
}

// cells are the medians of the servers, in their order.
func cells(servers []string, l *line, format func(figure) string) []string {
	var cells []string
	for _, server := range servers {
		f, ok := l.Medians[server]
		if !ok {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, format(f))
	}
	return cells
}

func table(w io.Writer, head string, servers []string, lines []*line, cells func(*line) []string) {
	if len(lines) == 0 {
		return
	}
	rows := [][]string{append(append([]string{head}, servers...), "zooid / java", "of bare", "target", "met")}
	for _, l := range lines {
		rows = append(rows, append([]string{l.Title}, cells(l)...))
	}
	if !slices.Contains(servers, bareServer) {
		for i, row := range rows {
			rows[i] = slices.Delete(row, len(servers)+2, len(servers)+3)
		}
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	fmt.Fprintln(w)
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(w, "| %-*s ", widths[i], cell)
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprint(w, "|", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
	fmt.Fprintln(w)
}

func times(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 0.95:
		return fmt.Sprintf("%.2g x (1/%.1f)", v, 1/v)
	}
	return fmt.Sprintf("%.2f x", v)
}

func percent(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", v*100)
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "yes"
	}
	return "no"
}
