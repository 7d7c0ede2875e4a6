package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustRun(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func clean(t *testing.T, s *fake) {
	t.Helper()
	if left := s.left(); len(left) > 0 {
		t.Errorf("the run left %v", left)
	}
}

func TestSteadyWorkloads(t *testing.T) {
	for _, c := range []struct {
		workload string
		rate     float64
		kinds    []string
	}{
		{Read, 0, []string{"read"}},
		{Write, 0, []string{"write"}},
		{Mixed, 0, []string{"read", "write"}},
		{Mixed, 50000, []string{"read", "write"}},
	} {
		s := newFake(t)
		o := s.options(c.workload)
		o.Ops, o.Rate, o.ReadShare, o.Threads = 1001, c.rate, 0.5, 2
		r := mustRun(t, o)
		if r.Ops != 1001 || len(r.Errors) > 0 || r.PerSecond <= 0 {
			t.Errorf("%s: %d operations, errors %v", c.workload, r.Ops, r.Errors)
		}
		var names []string
		for _, l := range r.Latencies {
			names = append(names, l.Name)
		}
		if strings.Join(names, " ") != strings.Join(c.kinds, " ") {
			t.Errorf("%s: latencies of %v, want %v", c.workload, names, c.kinds)
		}
		if got := s.count(wire.OpGetData) + s.count(wire.OpSetData); got != 1001 {
			t.Errorf("%s: the server saw %d operations", c.workload, got)
		}
		clean(t, s)
	}
}

// A run that time ends counts what was answered in that time.
func TestDuration(t *testing.T) {
	s := newFake(t)
	o := s.options(Read)
	o.Duration, o.Warmup, o.Slice = 120*time.Millisecond, 30*time.Millisecond, 20*time.Millisecond
	var lines []string
	o.Progress = func(p Progress) { lines = append(lines, p.String()) }
	r := mustRun(t, o)
	var ops int64
	for _, sample := range r.Samples {
		ops += sample.Ops
	}
	if ops != r.Ops || ops == 0 || len(r.Samples) < 3 {
		t.Errorf("%d samples with %d operations, the result has %d", len(r.Samples), ops, r.Ops)
	}
	if r.Seconds < 0.12 || int64(s.count(wire.OpGetData)) < r.Ops {
		t.Errorf("%v s, the server saw %d reads, counted are %d", r.Seconds, s.count(wire.OpGetData), r.Ops)
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"opening 4 sessions", "creating 50 znodes", "read: 4 connections, 3 in flight", "(warm-up)", "/s  p50 "} {
		if !strings.Contains(text, want) {
			t.Errorf("progress lacks %q:\n%s", want, text)
		}
	}
}

// An open loop sends at its times: a server that stalls shows in all requests
// that were due meanwhile.
func TestRateCountsFromTheDueTime(t *testing.T) {
	s := newFake(t)
	o := s.options(Read)
	o.Rate, o.Ops, o.Depth, o.Connections = 2000, 600, 1, 2
	o.Slice = 10 * time.Millisecond
	var locked time.Time
	var stall, resume sync.Once
	o.Progress = func(p Progress) {
		if p.Text != "" {
			return
		}
		if p.Since > 50*time.Millisecond {
			stall.Do(func() {
				s.mu.Lock()
				locked = time.Now()
			})
		}
		if !locked.IsZero() && time.Since(locked) > 100*time.Millisecond {
			resume.Do(s.mu.Unlock)
		}
	}
	r := mustRun(t, o)
	// 200 requests fall due in the 100 ms, half of them 50 ms and more before
	// the end. A closed loop would see two slow ones.
	if slow := r.Latencies[0].Hist.between(int64(50*time.Millisecond), 1<<62); slow < 50 {
		t.Errorf("only %d of %d requests show a stall of 100 ms", slow, r.Ops)
	}
	var slow, quick int64 // due at the beginning of the stall; at any other time
	for _, slice := range r.Sent {
		n := slice.Latencies.between(int64(50*time.Millisecond), 1<<62)
		if after := slice.From.Sub(locked); after > 0 && after < 40*time.Millisecond {
			slow += n
		} else {
			quick += slice.Latencies.Count() - n
		}
	}
	if slow < 30 || quick == 0 {
		t.Errorf("%d slow requests in the stall, %d quick ones beside it", slow, quick)
	}
	if r.Late == nil || r.Late.Count != 600 {
		t.Errorf("late: %+v", r.Late)
	}
	if r.Ops != 600 || r.Seconds < 0.29 {
		t.Errorf("%d operations in %v s at 2000/s", r.Ops, r.Seconds)
	}
}

func TestWatch(t *testing.T) {
	s := newFake(t)
	o := s.options(Watch)
	o.Connections, o.Ops = 20, 10
	r := mustRun(t, o)
	last, _ := r.Latency("last event")
	each, _ := r.Latency("each event")
	if r.Ops != 10 || last.Count != 10 || each.Count != 200 || each.Max > last.Max {
		t.Errorf("%d rounds, %d last and %d single events", r.Ops, last.Count, each.Count)
	}
	if s.count(wire.OpSetData) != 10 {
		t.Errorf("the znode was changed %d times", s.count(wire.OpSetData))
	}
	clean(t, s)
}

func TestConnectAndChurn(t *testing.T) {
	for workload, creates := range map[string]int{Connect: 0, Churn: 30} {
		s := newFake(t)
		o := s.options(workload)
		o.Ops, o.Threads = 30, 2
		r := mustRun(t, o)
		if r.Ops != 30 || r.Latencies[0].Count != 30 || len(r.Errors) > 0 {
			t.Errorf("%s: %d operations, errors %v", workload, r.Ops, r.Errors)
		}
		ephemerals := s.count(wire.OpCreate) - creates
		if ephemerals < 0 || ephemerals > 4 {
			t.Errorf("%s: %d creates", workload, s.count(wire.OpCreate))
		}
		clean(t, s)
	}
}

func TestFillReuseClean(t *testing.T) {
	s := newFake(t)
	o := s.options(Fill)
	o.Keys = 10050
	r := mustRun(t, o)
	if r.Ops != 10050 || len(s.left()) != 10050+4 {
		t.Fatalf("%d creates, %d znodes", r.Ops, len(s.left()))
	}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "is filled already") {
		t.Errorf("filled twice: %v", err)
	}
	o = s.options(Read)
	o.Reuse, o.Keys, o.Ops = true, 10050, 100
	if r := mustRun(t, o); r.Ops != 100 || len(r.Errors) > 0 {
		t.Errorf("%d reads of a fill, errors %v", r.Ops, r.Errors)
	}
	o.Keys = 10051
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "bench fill --path /zooid-bench --keys 10051") {
		t.Errorf("reusing too much: %v", err)
	}
	s.mu.Lock()
	s.put("/zooid-bench/mine", "")
	s.mu.Unlock()
	mustRun(t, s.options(Clean))
	if left := strings.Join(s.left(), " "); len(s.left()) != 2 || !strings.Contains(left, "/zooid-bench/mine") {
		t.Errorf("after cleaning there is %s", left)
	}
}

func TestIdle(t *testing.T) {
	s := newFake(t)
	o := s.options(Idle)
	o.Connections, o.Duration, o.PID = 40, 20*time.Millisecond, os.Getpid()
	r := mustRun(t, o)
	if r.Memory == nil || r.Memory.Sessions != 40 || r.Memory.Before == 0 {
		t.Errorf("memory: %+v", r.Memory)
	}
	if s.sessions != 40 {
		t.Errorf("%d sessions", s.sessions)
	}
	o.PID = 1 << 30
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "--pid") {
		t.Errorf("no such process: %v", err)
	}
}

// Silent sessions are pinged, or the server would expire them.
func TestPings(t *testing.T) {
	s := newFake(t)
	o := s.options(Idle)
	o.SessionTimeout, o.Duration, o.Slice = time.Second, 2*time.Second, 10*time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	o.Progress = func(Progress) {
		if s.count(wire.OpPing) >= o.Connections {
			stop()
		}
	}
	r, err := Run(ctx, o)
	if err != nil || !r.Interrupted {
		t.Errorf("%d pings in two timeouts; %v", s.count(wire.OpPing), err)
	}
}

// An interrupted run reports what it has, and cleans up.
func TestInterrupt(t *testing.T) {
	s := newFake(t)
	for _, workload := range []string{Read, Churn, Watch, Connect} {
		o := s.options(workload)
		o.Slice = 10 * time.Millisecond
		ctx, stop := context.WithCancel(context.Background())
		o.Progress = func(p Progress) {
			if p.Done > 0 && p.Total == 0 { // not while the keys are being created
				stop()
			}
		}
		r, err := Run(ctx, o)
		stop()
		if err != nil || !r.Interrupted || r.Ops == 0 {
			t.Errorf("%s: %v, %+v", workload, err, r)
		}
		clean(t, s)
	}
}

func TestAuth(t *testing.T) {
	s := newFake(t)
	s.secret = "me:secret"
	o := s.options(Read)
	o.Ops, o.Auth = 10, []string{"digest:me:secret", "x:me:secret"}
	if r := mustRun(t, o); r.Ops != 10 {
		t.Errorf("%d operations", r.Ops)
	}
	o.Auth = []string{"digest:me:wrong"}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "refused --auth") {
		t.Errorf("wrong secret: %v", err)
	}
}

// Refusals are counted by name; they are no latencies.
func TestRefusals(t *testing.T) {
	s := newFake(t)
	s.refuse[wire.OpSetData] = wire.CodeNoAuth
	o := s.options(Mixed)
	o.Ops, o.ReadShare = 200, 0.5
	r := mustRun(t, o)
	if r.Errors["NoAuth"] == 0 || r.Errors["NoAuth"]+r.Ops != 200 {
		t.Errorf("%d answered, errors %v", r.Ops, r.Errors)
	}
	var text bytes.Buffer
	r.Write(&text)
	if !strings.Contains(text.String(), "refused: ") {
		t.Error(text.String())
	}
}

func TestFaults(t *testing.T) {
	gone := func(s *fake) { s.addr = "127.0.0.1:1" }
	for _, c := range []struct {
		workload, want string
		spoil          func(s *fake)
	}{
		{Read, "does a server listen there?", gone},
		{Connect, "does a server listen there?", gone},
		{Read, "maxClientCnxns", func(s *fake) { s.hangUp = 1 }},
		{Connect, "maxClientCnxns", func(s *fake) { s.hangUp = 100 }},
		{Read, "creating /zooid-bench: KeeperErrorCode = NoAuth", func(s *fake) { s.refuse[wire.OpCreate] = wire.CodeNoAuth }},
	} {
		s := newFake(t)
		s.mu.Lock()
		c.spoil(s)
		s.mu.Unlock()
		o := s.options(c.workload)
		o.Ops = 10
		if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.workload, err, c.want)
		}
	}
}

func TestProbe(t *testing.T) {
	s := newFake(t)
	before := time.Now()
	at, err := Probe(context.Background(), s.addr, "/")
	if err != nil || at.Before(before) {
		t.Errorf("%v, %v", at, err)
	}
	if _, err := Probe(context.Background(), s.addr, "/none"); err != wire.CodeNoNode {
		t.Errorf("a znode that is not there: %v", err)
	}
}

func TestResultAsTextAndJSON(t *testing.T) {
	s := newFake(t)
	o := s.options(Mixed)
	o.Duration, o.Slice = 60*time.Millisecond, 10*time.Millisecond
	r := mustRun(t, o)
	var text bytes.Buffer
	r.Write(&text)
	for _, want := range []string{"operations in 0.1 s", "p99.9", "read", "write", "█", "over time"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Workload  string  `json:"workload"`
		PerSecond float64 `json:"ops_per_second"`
		Latencies []struct {
			Name string
			P99  float64 `json:"p99_us"`
		}
	}
	if err := json.Unmarshal(raw, &back); err != nil || back.Workload != Mixed || len(back.Latencies) != 2 || back.Latencies[0].P99 <= 0 {
		t.Errorf("%v, %s", err, raw)
	}
}

// The generator shares the machine with what it measures: no garbage for a request.
func TestNoAllocationForARequest(t *testing.T) {
	y := layout{root: "/r", keys: 1000}
	e := &engine{opt: &Options{}}
	l := &loop{engine: e, in: make([]byte, readSize), out: make([]byte, 0, 1<<16), cur: new(interval)}
	c := &conn{state: open, random: newRandom(1), server: &endpoint{}}
	j := &steady{depth: 16, source: newMix(y, payload(100), 0.9)}
	l.job = j
	var replies []byte
	round := func() {
		l.out = l.out[:0]
		_ = j.turn(l, c)
		replies = replies[:0]
		for xid := c.expect + 1; xid <= c.xid; xid++ {
			h := wire.ReplyHeader{Xid: xid}
			replies = append(replies, 0, 0, 0, wire.ReplyHeaderSize)
			replies = h.Append(replies)
		}
		if rest, err := l.frames(c, replies); err != nil || len(rest) != 0 {
			t.Fatal(err, len(rest))
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("16 requests and replies allocate %v times", n)
	}
	if got := l.cur.kinds[0].Count() + l.cur.kinds[1].Count(); got != 16*102 {
		t.Errorf("%d replies were counted", got)
	}
}
