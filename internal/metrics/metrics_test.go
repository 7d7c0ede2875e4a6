package metrics

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// standaloneKeys are the keys that mntr of Apache's standalone server 3.9.5
// prints before any request, sorted; test/interop/admin checks them against a
// running one.
//
//go:embed testdata/standalone_keys.txt
var standaloneKeys string

func TestKeysAreThoseOfApache(t *testing.T) {
	var got []string
	for _, s := range new(Server).Samples() {
		got = append(got, s.Key)
	}
	slices.Sort(got)
	want := strings.Fields(standaloneKeys)
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("mntr of Apache has %s, ours has not", k)
		}
	}
	for i, k := range got {
		if !slices.Contains(want, k) {
			t.Errorf("ours has %s, mntr of Apache has not", k)
		}
		if i > 0 && got[i-1] == k {
			t.Errorf("%s is there twice", k)
		}
	}
}

// Every field has one row and one only, but for those that are shown by
// another name or in another place.
func TestEveryFieldIsInTheTable(t *testing.T) {
	elsewhere := map[string]bool{"FsyncThresholdExceedCount": true, "ClientResponseSize": true, "ProposalSize": true, "role": true}
	s := new(Server)
	rows := make(map[uintptr]int)
	for _, r := range s.table() {
		if m, ok := r.metric.(inRole); ok {
			r.metric = m.metric
		}
		if v := reflect.ValueOf(r.metric); v.Kind() == reflect.Pointer {
			rows[v.Pointer()]++
		}
	}
	groups := reflect.ValueOf(s).Elem()
	for i := range groups.NumField() {
		group := groups.Field(i)
		for j := range group.NumField() {
			name := group.Type().Field(j).Name
			if n := rows[group.Field(j).Addr().Pointer()]; n != 1 && !elsewhere[name] {
				t.Errorf("%s.%s is in %d rows", group.Type().Name(), name, n)
			}
		}
	}
}

// Groups come in Java's order: gauges, counters, summaries, advanced, sets.
func TestGroupsAreInOrder(t *testing.T) {
	s := new(Server)
	s.QuotaCountLimit.From(func() []LabelValue { return []LabelValue{{"a", 3}} })
	s.QuotaExceededError.At([]byte("a")).Inc()
	s.ReadPerNamespace.At([]byte("a")).Observe(1)
	s.AckLatency.At([]byte("2")).Observe(1)
	order := []string{"avg_latency", "non_mtls_local_conn_count", "a_quota_count_limit_per_namespace",
		"bytes_received_count", "watch_bytes", "a_quota_exceeded_error_per_namespace",
		"avg_commit_process_time", "cnt_write_commit_proc_req_queued",
		"avg_close_session_prep_time", "p999_write_final_proc_time_ms",
		"avg_a_read_per_namespace", "sum_a_read_per_namespace", "avg_2_ack_latency", "p999_2_ack_latency"}
	at := -1
	for _, key := range order {
		i := slices.IndexFunc(s.Samples(), func(s Sample) bool { return s.Key == key })
		if i <= at {
			t.Errorf("%s is at %d, after %d", key, i, at)
		}
		at = i
	}
}

// text shows the samples whose keys match a pattern as a whole.
func text(s *Server, pattern string) string {
	keys := regexp.MustCompile("^(" + pattern + ")$")
	var b []byte
	for _, sample := range s.Samples() {
		if keys.MatchString(sample.Key) {
			b = append(append(b, sample.Key...), '=')
			b = append(sample.AppendValue(b), ' ')
		}
	}
	return strings.TrimSpace(string(b))
}

func TestValues(t *testing.T) {
	s := new(Server)
	check := func(pattern, want string) {
		t.Helper()
		if got := text(s, pattern); got != want {
			t.Errorf("%s:\n got %s\nwant %s", pattern, got, want)
		}
	}
	check("..._latency", "avg_latency=0.0 max_latency=0 min_latency=0")
	check(".*_client_response_size", "last_client_response_size=-1 max_client_response_size=-1 min_client_response_size=-1")
	check(".*_fsynctime", "avg_fsynctime=0.0 min_fsynctime=0 max_fsynctime=0 cnt_fsynctime=0 sum_fsynctime=0")

	s.FsyncTime.ObserveN(2, 3)
	s.FsyncTime.Observe(1)
	s.FsyncTime.Observe(0)
	s.FsyncTime.ObserveN(99, 0)
	check(".*_fsynctime", "avg_fsynctime=1.4 min_fsynctime=0 max_fsynctime=2 cnt_fsynctime=5 sum_fsynctime=7")
	s.ObserveUpdates(3, 2)
	if low, avg, high := s.Latency(); low != 3 || avg != 3 || high != 3 {
		t.Errorf("latency %d/%v/%d", low, avg, high)
	}
	s.ObserveReads(0, 1)
	s.ObserveReads(-5, 1)
	if low, avg, high := s.Latency(); low != 0 || avg != 1.5 || high != 3 {
		t.Errorf("latency %d/%v/%d", low, avg, high)
	}
	check(".*_readlatency", "avg_readlatency=0.0 min_readlatency=0 max_readlatency=0 cnt_readlatency=2 sum_readlatency=0 "+
		"p50_readlatency=0 p95_readlatency=0 p99_readlatency=0 p999_readlatency=0")
	for _, size := range []int64{20, 5, 0, 9} {
		s.ClientResponseSize.Observe(size)
	}
	check(".*_client_response_size", "last_client_response_size=9 max_client_response_size=20 min_client_response_size=0")
	s.PacketsReceived.AddN(7)
	s.ZnodeCount.From(func() int64 { return 5 })
	s.WatchCount.Add(3)
	s.ConnectionDropProbability.Set(0.25)
	s.QuotaExceededError.At([]byte("app")).AddN(2)
	check("znode_count", "znode_count=5")
	check("connection_drop_probability", "connection_drop_probability=0.25")
	check(".*_exceeded_error_per_namespace", "app_quota_exceeded_error_per_namespace=2")
	s.AuthFailedCount.Add(1)
	s.FsyncThresholdExceedCount.Add(1)

	s.Reset()
	check(".*_fsynctime", "avg_fsynctime=0.0 min_fsynctime=0 max_fsynctime=0 cnt_fsynctime=0 sum_fsynctime=0")
	check("packets_received", "packets_received=0")
	check(".*_client_response_size", "last_client_response_size=-1 max_client_response_size=-1 min_client_response_size=-1")
	// srst keeps gauges and labels.
	check(".*_exceeded_error_per_namespace", "app_quota_exceeded_error_per_namespace=0")
	check("watch_count", "watch_count=3")
	check("auth_failed_count", "auth_failed_count=1")
	check("connection_drop_probability", "connection_drop_probability=0.25")
	if s.FsyncThresholdExceedCount.Value() != 1 {
		t.Error("srst reset the count of slow fsyncs")
	}
}

func TestAppendDouble(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 10.2: "10.2", 1: "1.0", 1.9286: "1.9286", 1e7: "1.0E7", 9999999: "9999999.0",
		12345678.5: "1.23456785E7", 0.001: "0.001", 0.0001: "1.0E-4", 0.0002: "2.0E-4",
		1e100: "1.0E100", -2.5: "-2.5", -1e-5: "-1.0E-5", math.Copysign(0, -1): "0.0",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		if got := string(AppendDouble(nil, v)); got != want && !(v == 0 && got == "-0.0") {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if got := string(AppendDouble(nil, math.NaN())); got != "NaN" {
		t.Error(got)
	}
}

func TestAverageRoundsHalfUp(t *testing.T) {
	for _, c := range []struct {
		sum, count int64
		want       string
	}{{1, 32, "0.0313"}, {3, 32, "0.0938"}, {1, 3, "0.3333"}, {2, 3, "0.6667"}, {27, 14, "1.9286"}, {0, 5, "0.0"},
		{5, 0, "0.0"}, {33, 32, "1.0313"}, {1, 2, "0.5"}, {3000000001, 3, "1.0000000003333E9"}} {
		if got := string(AppendDouble(nil, average(c.sum, c.count))); got != c.want {
			t.Errorf("%d/%d: %s, want %s", c.sum, c.count, got, c.want)
		}
	}
}

func TestBuckets(t *testing.T) {
	last := -1
	for _, v := range []int64{0, 1, 31, 32, 33, 34, 63, 64, 100, 127, 128, 1000, 65535, 1 << 20, 1<<36 - 1, 1 << 36, math.MaxInt64} {
		b := bucketOf(v)
		if b < last || b >= bucketCount {
			t.Fatalf("%d falls into bucket %d after %d", v, b, last)
		}
		last = b
		if v >= 1<<36 {
			continue
		}
		if off := math.Abs(float64(valueOf(b) - v)); off > float64(v)*0.032 {
			t.Errorf("%d is shown as %d", v, valueOf(b))
		}
	}
}

func TestPercentilesAreNear(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var d Distribution
	values := make([]int64, 20000)
	for i := range values {
		values[i] = int64(math.Exp(random.NormFloat64()*2 + 3))
		d.Observe(values[i])
	}
	slices.Sort(values)
	shares := []float64{0.5, 0.95, 0.99, 0.999}
	for i, got := range d.Percentiles(shares...) {
		want := values[int(math.Ceil(shares[i]*float64(len(values))))-1]
		if math.Abs(float64(got-want)) > float64(want)*0.032 {
			t.Errorf("seed %d: p%v is %d, exact %d", seed, shares[i]*100, got, want)
		}
	}
	if d.Count() != 20000 || d.Max() != values[len(values)-1] || d.Min() != values[0] {
		t.Errorf("seed %d: count %d, max %d, min %d", seed, d.Count(), d.Max(), d.Min())
	}
	var one Distribution
	one.Observe(1000)
	if p := one.Percentiles(0.5, 0.999); p[0] != 1000 || p[1] != 1000 {
		t.Errorf("a single 1000 gives %v", p)
	}
}

func TestNamespace(t *testing.T) {
	for path, want := range map[string]string{"": "", "/": "", "/a": "a", "/a/b/c": "a", "/zookeeper/quota": "zookeeper", "x": "", "//": ""} {
		if got := string(Namespace([]byte(path))); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}

func TestSetIsBounded(t *testing.T) {
	var s SummarySet
	tally := NewTally(&s)
	for i := range LabelsMax + 10 {
		tally.Observe(fmt.Appendf(nil, "n%d", i), 2)
	}
	tally.Observe(nil, 5)
	tally.Flush()
	tally.Flush()
	samples := s.samples("x", nil)
	if len(samples) != 5*(LabelsMax+1) {
		t.Fatalf("%d samples", len(samples))
	}
	if other := s.other.Load(); other == nil || other.Count() != 10 || other.Sum() != 20 {
		t.Error("the labels beyond the limit are not together in one")
	}
}

func TestTally(t *testing.T) {
	var s SummarySet
	tally := NewTally(&s)
	label := []byte("app")
	for _, v := range []int64{7, 3, 9} {
		tally.Observe(label, v)
	}
	copy(label, "xxx") // the frame buffer is reused
	tally.Flush()
	tally.Observe([]byte("app"), 1)
	tally.Observe([]byte("b"), 4)
	tally.Flush()
	app, b := s.At([]byte("app")), s.At([]byte("b"))
	if app.Count() != 4 || app.Sum() != 20 || app.Min() != 1 || app.Max() != 9 || b.Count() != 1 || b.Max() != 4 {
		t.Errorf("app %d %d %d %d, b %d %d", app.Count(), app.Sum(), app.Min(), app.Max(), b.Count(), b.Max())
	}
}

// Many goroutines count, one reads, one resets; with -race this is the proof
// that nothing needs a lock.
func TestConcurrently(t *testing.T) {
	s := new(Server)
	var writers sync.WaitGroup
	const goroutines, rounds = 8, 2000
	for g := range goroutines {
		writers.Go(func() {
			tally := NewTally(&s.WritePerNamespace)
			for i := range rounds {
				s.PacketsReceived.Inc()
				s.ObserveReads(int64(i%50), 2)
				s.FsyncTime.Observe(int64(i))
				s.ClientResponseSize.Observe(int64(i))
				tally.Observe(fmt.Appendf(nil, "n%d", (g+i)%20), 1)
				tally.Flush()
			}
		})
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.Samples()
			}
		}
	})
	writers.Wait()
	close(done)
	reader.Wait()
	if n := s.PacketsReceived.Value(); n != goroutines*rounds {
		t.Errorf("packets %d", n)
	}
	if n := s.ReadLatency.Count(); n != 2*goroutines*rounds {
		t.Errorf("reads %d", n)
	}
	var writes int64
	s.WritePerNamespace.each(func(_ string, m *Summary) { writes += m.Count() })
	if writes != goroutines*rounds {
		t.Errorf("writes %d", writes)
	}
	s.Reset()
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	s := new(Server)
	tally := NewTally(&s.ReadPerNamespace)
	path, other := []byte("/app/one"), []byte("/b")
	tally.Observe(Namespace(other), 1)
	tally.Observe(Namespace(path), 1)
	allocs := testing.AllocsPerRun(1000, func() {
		s.PacketsReceived.AddN(16)
		s.ZnodeCount.Add(1)
		s.ObserveReads(1, 16)
		s.ObserveUpdates(2, 1)
		s.FsyncTime.Observe(3)
		s.ClientResponseSize.Observe(100)
		tally.Observe(Namespace(path), 100)
		tally.Observe(Namespace(other), 100)
		tally.Flush()
		s.QuotaExceededError.At(nil).Inc()
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkCounter(b *testing.B) {
	var c Counter
	for b.Loop() {
		c.Inc()
	}
}

func BenchmarkDistribution(b *testing.B) {
	var d Distribution
	for b.Loop() {
		d.ObserveN(1, 16)
	}
}

func BenchmarkDistributionParallel(b *testing.B) {
	var d Distribution
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			d.ObserveN(0, 16)
		}
	})
}

// BenchmarkBatchOf16Reads is what a connection records for 16 pipelined reads.
func BenchmarkBatchOf16Reads(b *testing.B) {
	s := new(Server)
	tally := NewTally(&s.ReadPerNamespace)
	path := []byte("/bench/key-000001")
	for b.Loop() {
		s.PacketsReceived.AddN(16)
		s.BytesReceivedCount.AddN(16 * 45)
		for range 16 {
			tally.Observe(Namespace(path), 188)
		}
		tally.Flush()
		s.ObserveReads(0, 16)
		s.ResponseBytes.AddN(16 * 188)
		s.ClientResponseSize.ObserveBatch(188, 188, 188)
		s.PacketsSent.AddN(16)
	}
}

func BenchmarkSamples(b *testing.B) {
	s := new(Server)
	for b.Loop() {
		s.Samples()
	}
}
