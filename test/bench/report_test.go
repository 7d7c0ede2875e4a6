package main

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zooid/internal/loadgen"
)

func choose(t *testing.T, list string) []*row {
	t.Helper()
	rows, err := chooseRows(list)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestChooseRows(t *testing.T) {
	for list, want := range map[string]string{
		"reads1,reads16":  "reads16 reads1",
		"start":           "start",
		"memory":          "memory znode",
		"snapshot,churn":  "churn calm snapshot stall",
		"million,connect": "connect memory znode restart calm snapshot stall",
		"e-stop-max":      "e-stop e-stop-max e-stop-stayed e-stop-moved e-stop-before",
	} {
		var names []string
		for _, r := range choose(t, list) {
			names = append(names, r.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("-rows %s: %s, want %s", list, got, want)
		}
	}
	if len(choose(t, "all")) != len(allRows) {
		t.Error("all is not all")
	}
	if _, err := chooseRows("reads2"); err == nil || !strings.Contains(err.Error(), `"reads2"`) {
		t.Errorf("a row that is not there: %v", err)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for want, args := range map[string][]string{
		`"etcd" is none of`: {"-servers", "java,etcd"},
		"there is no row":   {"-rows", "x"},
		"must be above 0":   {"-rounds", "0"},
	} {
		if _, _, err := parseFlags(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	if _, bare, err := parseFlags([]string{"-bare", "127.0.0.1:1"}); bare != "127.0.0.1:1" || err != nil {
		t.Errorf("-bare: %q, %v", bare, err)
	}
	s, _, err := parseFlags([]string{"-quick"})
	if err != nil || s.rounds != 1 || s.znodes != 100_000 {
		t.Errorf("-quick: %+v, %v", s, err)
	}
}

// Ratios are those of figures of the same round, so that a machine that slows
// down between rounds does not change them.
func TestRatiosPairRounds(t *testing.T) {
	s := &settings{rows: choose(t, "reads16,watch,start"), servers: serverNames}
	r := newReport(s)
	reads, watch, start := s.rows[0], s.rows[1], s.rows[2]
	for _, v := range []float64{100, 10, 1} {
		r.add(reads, javaServer, figure{Value: v, P99: 900 / v})
		r.add(reads, bareServer, figure{Value: 12 * v, P99: 1})
		r.add(reads, zooidServer, figure{Value: 8 * v, P99: 450 / v})
	}
	l := r.Lines[0]
	if l.OfJava != 8 || l.OfBare < 0.66 || l.OfBare > 0.67 || l.TailOf != 0.5 || l.Medians[javaServer].Value != 10 {
		t.Errorf("%+v", l)
	}
	if l.Met == nil || !*l.Met || l.TailMet == nil || *l.TailMet {
		t.Errorf("met %v, p99 met %v", l.Met, l.TailMet)
	}
	r.add(watch, zooidServer, figure{Value: 20})
	if r.Lines[1].Met != nil {
		t.Error("a target against Java was judged without Java")
	}
	r.add(watch, javaServer, figure{Value: 30})
	if met := r.Lines[1].Met; met == nil || *met {
		t.Error("two thirds of Java's time is no third")
	}
	r.add(start, zooidServer, figure{Value: 49e3})
	if met := r.Lines[2].Met; met == nil || !*met {
		t.Error("49 ms are below 50 ms")
	}
	var text strings.Builder
	r.write(&text)
	for _, want := range []string{"| reads, 16 in flight ", "8.00 x", "67 %", "49 ms", "0.67 x (1/1.5)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
}

// Single servers and ensembles have tables of their own; the bare server is no
// member of an ensemble.
func TestEnsembleRowsStandApart(t *testing.T) {
	s := &settings{rows: choose(t, "set1,e-set1"), servers: serverNames}
	r := newReport(s)
	for _, row := range s.rows {
		r.add(row, javaServer, figure{Value: 1000, P99: 900, P999: 9000})
		r.add(row, zooidServer, figure{Value: 5000, P99: 100, P999: 8000})
	}
	if l := r.Lines[1]; l.FarMet == nil || *l.FarMet || !*l.TailMet || !*l.Met {
		t.Errorf("%+v", l)
	}
	var text strings.Builder
	r.write(&text)
	_, ensembles, found := strings.Cut(text.String(), "three servers")
	if !found || strings.Contains(ensembles, "bare") || strings.Count(text.String(), "| set, 1 in flight") != 6 {
		t.Error(text.String())
	}
	if n := len(choose(t, "standalone")) + len(choose(t, "ensemble")); n != len(allRows) {
		t.Errorf("%d of %d rows are of single servers or of ensembles", n, len(allRows))
	}
}

// A gap belongs to the time in which it ends, and clients of the lost leader are
// told from the others.
func TestMeasureGaps(t *testing.T) {
	at := func(ms ...int) (times []time.Time) {
		for _, v := range ms {
			times = append(times, time.Unix(0, 0).Add(time.Duration(v)*time.Millisecond))
		}
		return times
	}
	writers := []*writer{
		{home: 0, acks: at(5, 100, 130, 290, 300)}, // 0 is lost at 200
		{home: 1, acks: at(10, 115, 201, 260, 350)},
		{home: 2, acks: at(20, 120, 240, 310)},
	}
	g := measureGaps(writers, 0, at(50)[0], at(200)[0])
	ms := time.Millisecond
	// All: 5 10 20 100 115 120 130 | 201 240 260 290 300 310 350.
	want := gaps{any: 71 * ms, since: 1 * ms, before: 80 * ms, stayed: 120 * ms, moved: 160 * ms}
	if g != want {
		t.Errorf("%+v, want %+v", g, want)
	}
}

func TestSplitSortsSamples(t *testing.T) {
	base := time.Unix(0, 0)
	at := func(s float64) time.Time { return base.Add(time.Duration(s * float64(time.Second))) }
	var sent []loadgen.SendSlice
	for i := range 10 {
		h := new(loadgen.Histogram)
		h.Record(int64(i))
		sent = append(sent, loadgen.SendSlice{From: at(float64(i)), To: at(float64(i + 1)), Latencies: h})
	}
	calm, busy, count := split(sent, []spell{{at(2.5), at(3.5)}, {at(20), at(21)}})
	if count != 1 || busy.Count() != 2 || busy.Min() != 2 || busy.Max() != 3 || calm.Count() != 8 {
		t.Errorf("%d snapshots, %d slices during, %d beside", count, busy.Count(), calm.Count())
	}
}

// The watcher follows each new file from its first byte to its name, and does
// not take up files that were there before.
func TestWatchFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		spans := watchFiles(ctx, func() map[uint64]fileState {
			files := map[uint64]fileState{1: {"snapshot.1", 5}}
			at := time.Since(began).Milliseconds()
			if at > 1000 {
				files[2] = fileState{"temp", min(at, 2000)}
			}
			if at > 2500 {
				files[2] = fileState{"snapshot.2", 2000}
			}
			if at > 5000 {
				files[3] = fileState{"snapshot.3", min(at, 5100)}
			}
			return files
		})
		<-time.After(10 * time.Second)
		stop()
		got := <-spans
		ms := func(at time.Time) int64 { return at.Sub(began).Milliseconds() }
		if len(got) != 2 || ms(got[0].from) != 1000 || ms(got[0].to) != 2510 || ms(got[1].from) != 5000 || ms(got[1].to) != 5100 {
			t.Errorf("%v", got)
		}
	})
}

// The bare server answers any load that the comparison puts on it, in order,
// however the frames are cut.
func TestBare(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- acceptBare(ln) }()
	for _, workload := range []string{loadgen.Read, loadgen.Write, loadgen.Connect, loadgen.Churn, loadgen.Watch} {
		o := loadgen.NewOptions(workload)
		o.Servers, o.Ops, o.Warmup, o.Connections, o.Depth, o.Keep = []string{ln.Addr().String()}, 5000, 0, 5, 300, true
		if workload == loadgen.Connect || workload == loadgen.Churn {
			o.Ops = 50
		}
		r, err := loadgen.Run(context.Background(), o)
		if err != nil || r.Ops != o.Ops || len(r.Errors) > 0 {
			t.Errorf("%s: %v, %+v", workload, err, r)
		}
	}
	ln.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBareCutsFrames(t *testing.T) {
	frame := func(xid, op int32) []byte {
		b := binary.BigEndian.AppendUint32(nil, 8)
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(xid)), uint32(op))
	}
	in := append(append(frame(7, 4), frame(8, 5)...), frame(9, -11)[:11]...)
	out, used, seen := answerBare(nil, in)
	if len(out) != 2*len(bareReply) || used != 24 || seen.leaves || out[7] != 7 || out[len(bareReply)+7] != 8 {
		t.Errorf("%d bytes of reply, %d used, %+v", len(out), used, seen)
	}
	if _, used, seen := answerBare(nil, frame(9, -11)); used != 12 || !seen.leaves {
		t.Errorf("closeSession: %d used, %+v", used, seen)
	}
	if len(bareReply) != 4+16+4+100+68 {
		t.Errorf("the fixed reply has %d bytes", len(bareReply))
	}
}
