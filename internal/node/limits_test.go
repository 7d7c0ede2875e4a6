package node

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// stalled is a disk that stops to sync the log between hold and let.
type stalled struct {
	*vfs.Faulty
	gate chan struct{}
}

func newStalled() *stalled { return &stalled{Faulty: vfs.NewFaulty(vfs.NewMem(), nil)} }

func (f *stalled) hold() {
	gate := make(chan struct{})
	f.gate = gate
	f.SetRule(func(op vfs.Op) *vfs.Fault {
		if op.Kind == vfs.OpSync && strings.Contains(op.Name, "log.") {
			<-gate
		}
		return nil
	})
}

func (f *stalled) let() {
	close(f.gate)
	f.SetRule(nil)
}

func TestConnectionLimits(t *testing.T) {
	for _, line := range []string{"maxClientCnxns=2", "maxCnxns=2"} {
		s := start(t, line)
		a, b := s.connect(), s.connect()
		s.dial().wantGone()
		s.dial().wantGone()
		if n := s.metrics.ConnectionRejected.Value(); n != 2 {
			t.Errorf("%s: connection_rejected is %d", line, n)
		}
		if !strings.Contains(s.log.String(), strings.Split(line, "=")[0]) {
			t.Errorf("%s: the log does not say why", line)
		}
		a.nc.Close()
		until(t, "room again", func() bool { return s.metrics.NumAliveConnections.Value() == 1 })
		s.connect().nc.Close()
		b.nc.Close()
		s.leakFree()
	}
}

func TestConnectionThrottle(t *testing.T) {
	s := start(t, "connection_throttle_tokens=5", "connection_throttle_fill_time=100000000",
		"connection_throttle_weight_enabled=true", "connection_throttle_global_session_weight=3",
		"connection_throttle_renew_session_weight=2")
	// Apache multiplies the tokens by the weight of a global session: 15.
	first := s.connect()
	for range 4 {
		s.connect()
	}
	s.dial().refused(wire.ConnectRequest{TimeOut: 9000, HasReadOnly: true})
	s.dial().refused(wire.ConnectRequest{SessionID: first.session, Passwd: first.password, HasReadOnly: true})
	if n := s.metrics.ConnectionRejected.Value(); n != 2 {
		t.Errorf("connection_rejected is %d", n)
	}
	if d := &s.metrics.ConnectionTokenDeficit; d.Count() != 5 || d.Max() != 15 {
		t.Errorf("connection_token_deficit: %d values, highest %d", d.Count(), d.Max())
	}
	first.do(wire.OpExists, get("/", false), wire.CodeOK)
}

// refused sends a connect request that must not be answered.
func (c *client) refused(q wire.ConnectRequest) {
	c.t.Helper()
	c.send(q.Append(nil))
	c.wantGone()
}

func TestLargeRequests(t *testing.T) {
	fs := newStalled()
	s := startOn(t, fs, "/data", "largeRequestThreshold=1000", "largeRequestMaxBytes=5000")
	a, b := s.connect(), s.connect()
	for i := range 20 { // one after the other they all fit
		a.do(wire.OpCreate, create(path(i), string(make([]byte, 3000)), 0), wire.CodeOK)
	}
	fs.hold()
	a.raw(a.request(wire.OpCreate, create("/held", string(make([]byte, 3000)), 0)))
	until(t, "the first is under way", func() bool { return s.metrics.OutstandingRequests.Value() == 1 })
	b.raw(b.request(wire.OpCreate, create("/small", string(make([]byte, 900)), 0)))
	b.raw(b.request(wire.OpCreate, create("/refused", string(make([]byte, 3000)), 0)))
	until(t, "the second is refused", func() bool { return s.metrics.LargeRequestsRejected.Value() == 1 })
	fs.let()
	a.want(a.xid, wire.CodeOK)
	b.want(1, wire.CodeOK) // what came before the large one is answered
	b.wantClosed()
	a.do(wire.OpExists, get("/refused", false), wire.CodeNoNode)
	s.leakFreeAfter(a, b)
	if n := s.metrics.LargeRequestsRejected.Value(); n != 1 {
		t.Errorf("large_requests_rejected is %d", n)
	}
}

// TestRequestThrottle lets three requests at a time into the core; order and
// results stay those of an idle server.
func TestRequestThrottle(t *testing.T) {
	s := start(t, "request_throttle_max_requests=3")
	var wg sync.WaitGroup
	for k := range 6 {
		c := s.connect()
		wg.Go(func() {
			var b []byte
			const n = 60
			for i := range n {
				b = append(b, c.request(wire.OpCreate, create(fmt.Sprintf("/%d-%d", k, i), "", 0))...)
				b = append(b, c.request(wire.OpExists, get(fmt.Sprintf("/%d-%d", k, i), true))...)
			}
			go c.nc.Write(b)
			for i := range int32(2 * n) {
				c.want(i+1, wire.CodeOK)
			}
			c.nc.Close()
		})
	}
	wg.Wait()
	s.leakFree()
	if s.metrics.RequestThrottleWaitCount.Value() == 0 || s.metrics.RequestThrottleQueueTime.Count() < 6*120 {
		t.Errorf("%d pauses, %d requests", s.metrics.RequestThrottleWaitCount.Value(), s.metrics.RequestThrottleQueueTime.Count())
	}
}

func TestRequestThrottleDropsStale(t *testing.T) {
	for _, drop := range []bool{true, false} {
		fs := newStalled()
		s := startOn(t, fs, "/data", "request_throttle_max_requests=1", fmt.Sprintf("request_throttle_drop_stale=%t", drop))
		a, b := s.connect(), s.connect()
		fs.hold()
		a.raw(a.request(wire.OpCreate, create("/a", "", 0)))
		until(t, "a is under way", func() bool { return s.metrics.OutstandingRequests.Value() == 1 })
		b.raw(b.request(wire.OpCreate, create("/b", "", 0)))
		until(t, "b waits", func() bool { return s.metrics.OutstandingRequests.Value() == 2 })
		b.nc.SetLinger(0)
		b.nc.Close()
		until(t, "b is gone", func() bool { return s.metrics.NumAliveConnections.Value() == 1 })
		fs.let()
		a.want(1, wire.CodeOK)
		code := wire.CodeNoNode
		if !drop {
			code = wire.CodeOK
			until(t, "b is done", func() bool { return s.metrics.StaleRequests.Value() == 1 })
			a.do(wire.OpSetData, set("/a", "x"), wire.CodeOK) // behind b
		}
		a.do(wire.OpExists, get("/b", false), code)
		if n := s.metrics.StaleRequestsDropped.Value(); drop != (n == 1) {
			t.Errorf("drop_stale=%t: %d dropped", drop, n)
		}
		s.leakFreeAfter(a)
	}
}

func TestThrottledOps(t *testing.T) {
	fs := newStalled()
	s := startOn(t, fs, "/data", "request_throttle_max_requests=1", "throttled_op_wait_time=20")
	a, b := s.connect(), s.connect()
	fs.hold()
	a.raw(a.request(wire.OpCreate, create("/a", "", 0)))
	until(t, "a is under way", func() bool { return s.metrics.OutstandingRequests.Value() == 1 })
	b.raw(b.request(wire.OpCreate, create("/b", "", 0)))
	b.raw(b.request(wire.OpGetData, get("/b", false)))
	b.raw(b.request(wire.OpPing, nil))
	until(t, "b waits", func() bool { return s.metrics.OutstandingRequests.Value() == 4 })
	mono := s.clock().Mono
	until(t, "b has waited long enough", func() bool { return s.clock().Mono > mono+25 })
	fs.let()
	a.want(1, wire.CodeOK)
	b.want(1, wire.CodeThrottledOp)
	b.want(2, wire.CodeThrottledOp)
	b.want(wire.XidPing, wire.CodeOK)
	a.do(wire.OpExists, get("/b", false), wire.CodeNoNode)
	if n := s.metrics.ThrottledOps.Value(); n != 2 {
		t.Errorf("throttled_ops is %d", n)
	}
	s.leakFreeAfter(a, b)
}

func TestFlushDelay(t *testing.T) {
	s := start(t, "flushDelay=60", "maxWriteQueuePollTime=10")
	c := s.connect()
	c.do(wire.OpCreate, create("/a", "", 0), wire.CodeOK)
	before := s.metrics.SyncProcessorBatchSize.Count()
	const n = 40
	for range n { // each in a segment of its own
		c.raw(c.request(wire.OpSetData, set("/a", "x")))
	}
	for i := range int32(n) {
		c.want(i+2, wire.CodeOK)
	}
	if got := s.metrics.SyncProcessorBatchSize.Count() - before; got > n/2 {
		t.Errorf("%d flushes for %d writes", got, n)
	}
	s.Stop()
}

func TestEnforceAuth(t *testing.T) {
	s := start(t, "enforce.auth.enabled=true", "enforce.auth.schemes=digest")
	c := s.connect()
	c.raw(c.request(wire.OpCreate, create("/a", "", 0)))
	c.want(1, wire.CodeSessionClosedRequireSASLAuth)
	c.wantClosed()
	d := s.connect()
	d.raw(d.requestAs(-4, wire.OpAuth, credentials("digest", "u:p")))
	d.want(-4, wire.CodeOK)
	d.do(wire.OpCreate, create("/a", "", 0), wire.CodeOK)
	d.do(wire.OpExists, get("/a", false), wire.CodeOK)
}

func TestListenAddresses(t *testing.T) {
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
		ln.Close()
		s := start(t, "clientPortAddress=::1")
		if !strings.HasPrefix(s.Addr(), "[::1]:") {
			t.Errorf("listens on %s", s.Addr())
		}
		c := s.connect()
		c.do(wire.OpCreate, create("/six", "", 0), wire.CodeOK)
		if !strings.Contains(s.word("cons"), "/[0:0:0:0:0:0:0:1]:") && !strings.Contains(s.word("cons"), "::1") {
			t.Errorf("cons: %s", s.word("cons"))
		}
	}
	s := start(t, "clientPortAddress=localhost")
	s.connect()
	if _, err := tryStart(t, vfs.NewMem(), "/data", "clientPortAddress=192.0.2.77"); err == nil {
		t.Error("an address of another machine was taken")
	} else {
		wantExit(t, err, exitUnexpected, "192.0.2.77", "client port")
	}
}

// TestMeasured does a little of everything and looks at what mntr says.
func TestMeasured(t *testing.T) {
	s := start(t)
	c, w := s.connect(), s.connect()
	c.do(wire.OpCreate, create("/app", "12345", 0), wire.CodeOK)
	c.do(wire.OpCreate, create("/app/x", "", 0), wire.CodeOK)
	w.do(wire.OpGetData, get("/app", true), wire.CodeOK)
	w.do(wire.OpGetData, get("/app", false), wire.CodeOK)
	w.do(wire.OpGetChildren, get("/app", false), wire.CodeOK)
	w.do(wire.OpExists, get("/app/none", false), wire.CodeNoNode)
	c.do(wire.OpSetData, set("/app", "123"), wire.CodeOK)
	if r := w.reply(); r.Xid != wire.XidNotification {
		t.Fatalf("no event but %+v", r)
	}
	c.do(wire.OpDelete, (&wire.PathVersionRequest{Path: []byte("/app/x"), Version: -1}).Append, wire.CodeOK)
	// A turn is measured once its replies are on their way.
	until(t, "the last change is counted", func() bool { return s.metrics.WritePerNamespace.At([]byte("app")).Count() == 4 })
	text := s.word("mntr")
	for _, line := range []string{
		"cnt_app_read_per_namespace\t3", "sum_app_read_per_namespace\t227", // 77 + 77 + 73
		"cnt_app_write_per_namespace\t4", "sum_app_write_per_namespace\t28", // 9 + 6 + 7 + 6
		"cnt_node_changed_watch_count\t1", "sum_node_changed_watch_count\t1",
		"global_sessions\t2", "watch_count\t0", "znode_count\t6", "num_alive_connections\t3",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("mntr does not say %q", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	s.leakFreeAfter(c, w)
	if m := s.metrics; m.OutstandingChangesQueued.Value() == 0 || m.OutstandingChangesQueued.Value() != m.OutstandingChangesRemoved.Value() {
		t.Errorf("outstanding changes: %d queued, %d removed", m.OutstandingChangesQueued.Value(), m.OutstandingChangesRemoved.Value())
	}
}

// TestSweepsAsOftenAsAsked: the loop looks at its clock as often as sweeps for
// containers and nodes with a time to live are asked for, down to 5 ms.
func TestSweepsAsOftenAsAsked(t *testing.T) {
	for lines, want := range map[string]time.Duration{
		"":                                   250 * time.Millisecond,
		"tickTime=200":                       50 * time.Millisecond,
		"znode.container.checkIntervalMs=60": 60 * time.Millisecond,
		"znode.container.checkIntervalMs=1":  5 * time.Millisecond,
		"tickTime=200\nznode.container.checkIntervalMs=60": 50 * time.Millisecond,
	} {
		if every := start(t, lines).tickEvery(); every != want {
			t.Errorf("with %q the loop looks at its clock every %v, want %v", lines, every, want)
		}
	}
}
