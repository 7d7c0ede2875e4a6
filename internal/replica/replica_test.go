package replica

import (
	"slices"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Nothing leaves for a write before its record is durable (I1), and reads
// behind it wait for it (I2).
func TestRepliesWaitForTheLogInOrder(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.connect(2, 5000)
	a := f.send(1, wire.OpCreate, createReq("/a", "x", 0))
	b := f.send(1, wire.OpGetData, readReq("/a", false))
	c := f.send(1, wire.OpSetData, setReq("/a", "y"))
	if got := f.frames(1); len(got) != 0 {
		t.Fatalf("replies before the log is durable: %v", describe(got))
	}
	// Another session does not see it either.
	if h, _ := f.readNow(2, "/a"); h.Err != wire.CodeNoNode {
		t.Fatalf("an uncommitted node is visible: %v", h.Err)
	}
	f.durable()
	var xids []int32
	for _, fr := range f.frames(1) {
		h, _ := split(fr)
		xids = append(xids, h.Xid)
	}
	if !slices.Equal(xids, []int32{a, b, c}) {
		t.Fatalf("replies %v, want %v", xids, []int32{a, b, c})
	}
}

// readNow answers a read on the shared path.
func (f *fixture) readNow(c ConnID, path string) (wire.ReplyHeader, []byte) {
	out, _, n := f.r.ServeReads(c, frame(99, wire.OpGetData, readReq(path, false).Append(nil)), nil)
	if n != 1 {
		f.t.Fatal("a pure read was not served")
	}
	return split(out[4:])
}

// The event stands before the reply of the write that causes it (I3).
func TestEventBeforeReply(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", "", 0))
	f.must(1, wire.OpGetData, readReq("/a", true))
	f.must(1, wire.OpGetChildren, readReq("/", true))
	f.send(1, wire.OpSetData, setReq("/a", "1"))
	f.send(1, wire.OpGetData, readReq("/a", false))
	f.send(1, wire.OpDelete, deleteReq("/a"))
	f.durable()
	want := []string{"event 3 /a", "4:0", "5:0", "event 4 /", "6:0"}
	if got := describe(f.frames(1)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// Requests are checked against what is in flight, not only against the tree.
func TestOutstandingChanges(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.send(1, wire.OpCreate, createReq("/a", "", 0))
	f.send(1, wire.OpCreate, createReq("/a", "", 0))      // exists in flight
	f.send(1, wire.OpCreate, createReq("/a/b", "", 2))    // number 0
	f.send(1, wire.OpCreate, createReq("/a/b", "", 2))    // number 1
	f.send(1, wire.OpDelete, deleteReq("/a"))             // has children in flight
	f.send(1, wire.OpDelete, deleteReq("/a/b0000000000")) // goes
	f.send(1, wire.OpCreate, createReq("/a/b0000000000", "again", 0))
	f.send(1, wire.OpSetData, &wire.SetDataRequest{Path: []byte("/a"), Version: 1})
	f.send(1, wire.OpGetData, readReq("/a/b0000000000", false))
	f.durable()
	want := []string{"1:0", "2:-110", "3:0", "4:0", "5:-111", "6:0", "7:0", "8:-103", "9:0"}
	if got := describe(f.frames(1)); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func multiBody(ops ...any) record { return rawBody(multiBytes(ops)) }

type rawBody []byte

func (b rawBody) Append(to []byte) []byte { return append(to, b...) }

func multiBytes(ops []any) (b []byte) {
	for i := 0; i < len(ops); i += 2 {
		b = (&wire.MultiHeader{Type: ops[i].(wire.Opcode), Err: -1}).Append(b)
		b = ops[i+1].(record).Append(b)
	}
	end := wire.MultiEnd
	return end.Append(b)
}

// A multi that fails leaves nothing behind, not even for the requests that
// were already checked against its changes.
func TestMultiIsAllOrNothing(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", "1", 0))
	f.send(1, wire.OpMulti, multiBody(wire.OpSetData, setReq("/a", "2"), wire.OpCreate, createReq("/a/b", "", 0),
		wire.OpDelete, deleteReq("/none"), wire.OpCreate, createReq("/c", "", 0)))
	f.send(1, wire.OpCreate, createReq("/a/b", "", 0)) // not there, so it works
	f.durable()
	frames := f.frames(1)
	h, body := split(frames[0])
	if h.Err != wire.CodeOK {
		t.Fatalf("header of a failed multi: %v", h.Err)
	}
	var codes []wire.Code
	d := jute.NewDecoder(body)
	for {
		var m wire.MultiHeader
		if m.Decode(&d); m.Done {
			break
		}
		codes = append(codes, wire.Code(d.Int()))
	}
	want := []wire.Code{0, 0, wire.CodeNoNode, wire.CodeRuntimeInconsistency}
	if !slices.Equal(codes, want) || d.Err() != nil {
		t.Fatalf("results %v, want %v", codes, want)
	}
	if h, _ := split(frames[1]); h.Err != wire.CodeOK {
		t.Fatalf("create after the failed multi: %v", h.Err)
	}
	if _, data := f.readNow(1, "/a"); string(data[4:5]) != "1" {
		t.Fatalf("the failed multi changed data to %q", data[4:5])
	}
	f.must(1, wire.OpMulti, multiBody(wire.OpCreate, createReq("/m", "", 0), wire.OpCreate, createReq("/m/n", "", 1),
		wire.OpSetData, setReq("/m/n", "z"), wire.OpDelete, deleteReq("/m/n"), wire.OpCheck, deleteReq("/m")))
}

// createTTL with a mode that has no TTL is refused: Apache's server logs it
// and dies of it at every start.
func TestPoisonTTLIsRefused(t *testing.T) {
	for _, extended := range []bool{false, true} {
		cfg := testConfig()
		cfg.ExtendedTypes = extended
		f := newFixture(t, cfg)
		f.connect(1, 5000)
		q := &wire.CreateTTLRequest{CreateRequest: *createReq("/p", "", 0), TTL: -1}
		if h, _ := f.call(1, wire.OpCreateTTL, q); h.Err != wire.CodeBadArguments {
			t.Errorf("extended types %v: %v", extended, h.Err)
		}
	}
}

// A refused write takes a zxid and is logged as an error.
func TestRefusedWritesAreLogged(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	before := f.last
	h, _ := f.call(1, wire.OpDelete, deleteReq("/none"))
	if f.last != before+1 || h.Zxid != f.last {
		t.Fatalf("zxid %d after %d, reply says %d", f.last, before, h.Zxid)
	}
	var th wire.TxnHeader
	d := jute.NewDecoder(f.log[len(f.log)-1].Entry)
	if th.Decode(&d); th.Type != wire.OpError || wire.Code(d.Int()) != wire.CodeNoNode {
		t.Fatalf("logged as %v", th.Type)
	}
}

// closeSession takes the ephemerals along, those in flight as well, and closes
// the connection.
func TestCloseSession(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.connect(2, 5000)
	f.must(1, wire.OpCreate, createReq("/e1", "", 1))
	f.must(2, wire.OpExists, readReq("/e1", true))
	f.send(1, wire.OpCreate, createReq("/e2", "", 1))
	f.send(1, wire.OpDelete, deleteReq("/e1"))
	f.send(1, wire.OpCreate, createReq("/e3", "", 1))
	f.send(1, wire.OpCloseSession, nil)
	f.send(1, wire.OpCreate, createReq("/late", "", 0))
	f.durable()
	if f.shut[1] == "" {
		t.Fatal("the connection stays open")
	}
	for _, p := range []string{"/e1", "/e2", "/e3", "/late"} {
		if f.r.Tree().Lookup([]byte(p)) != 0 {
			t.Errorf("%s is left", p)
		}
	}
	if got := describe(f.frames(2)); !slices.Equal(got, []string{"event 2 /e1"}) {
		t.Errorf("the other session was told %v", got)
	}
	if f.r.SessionCount() != 1 {
		t.Errorf("%d sessions are left", f.r.SessionCount())
	}
}

func TestExpiryAndTouch(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 3000)
	f.connect(2, 3000)
	f.must(1, wire.OpCreate, createReq("/e", "", 1))
	for range 5 {
		f.now.Mono += 1000
		f.step(Event{Kind: Tick, Touched: []ConnID{2}})
		f.durable()
	}
	if f.r.Tree().Lookup([]byte("/e")) != 0 || f.shut[1] == "" {
		t.Fatal("the silent session lives on")
	}
	if f.shut[2] != "" {
		t.Fatal("the touched session was closed: " + f.shut[2])
	}
}

// A crowd of sessions that falls silent at once is expired in several steps.
func TestManyExpireInTurns(t *testing.T) {
	f := newFixture(t, testConfig())
	const crowd = 2*expireBudget + 10
	for c := ConnID(1); c <= crowd; c++ {
		f.connect(c, 3000)
	}
	f.now.Mono += 60000
	steps := 0
	for again := true; again; steps++ {
		f.step(Event{Kind: Tick})
		again = f.fx.Again
		if n := len(f.fx.Expired); n > expireBudget {
			t.Fatalf("%d sessions expired in one step", n)
		}
		f.durable()
	}
	if steps != 3 || f.r.SessionCount() != 0 {
		t.Fatalf("%d steps, %d sessions left", steps, f.r.SessionCount())
	}
}

// A session comes back with its password, on another connection too.
func TestResume(t *testing.T) {
	f := newFixture(t, testConfig())
	id := f.connect(1, 5000)
	resume := func(c ConnID, password []byte) int64 {
		q := wire.ConnectRequest{TimeOut: 5000, SessionID: id, Passwd: password, HasReadOnly: true}
		f.step(Event{Kind: ConnOpen, Conn: c, Frames: q.Append(nil)})
		return f.connected(c)
	}
	right := Password(id)
	if got := resume(3, make([]byte, 16)); got != 0 || f.shut[3] == "" {
		t.Fatalf("a wrong password resumed session %x", got)
	}
	if got := resume(2, right[:]); got != id || f.shut[1] == "" {
		t.Fatalf("resumed %x, the old connection: %q", got, f.shut[1])
	}
	f.must(2, wire.OpCreate, createReq("/e", "", 1))
}

// A long list is made in turns and is the list of one moment.
func TestLongList(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 20000)
	f.must(1, wire.OpCreate, createReq("/d", "", 0))
	for range 4*listTurn + 1 {
		f.send(1, wire.OpCreate, createReq("/d/n", "", 2))
	}
	f.durable()
	f.frames(1)
	ask := frame(7, wire.OpGetChildren2, readReq("/d", false).Append(nil))
	if _, _, n := f.r.ServeReads(1, ask, nil); n != 0 {
		t.Fatal("a long list was made at once")
	}
	l, size := f.r.BeginList(1, ask)
	if l == nil || size != len(ask) {
		t.Fatalf("no list for %d bytes", size)
	}
	out, done := f.r.ListTurn(1, l, nil)
	if done || len(out) > 0 {
		t.Fatal("one turn made the whole list")
	}
	f.must(1, wire.OpDelete, deleteReq("/d/n0000000003"))
	for !done {
		out, done = f.r.ListTurn(1, l, nil)
	}
	whole := f.r.read(f.r.conn(1), wire.RequestHeader{Xid: 7, Type: wire.OpGetChildren2}, reader(readReq("/d", false).Append(nil)), nil)
	if !slices.Equal(out, whole) {
		t.Fatalf("in turns %d bytes, at once %d", len(out), len(whole))
	}
}

func reader(b []byte) *jute.Decoder {
	d := jute.NewDecoder(b)
	return &d
}

// Writes and reads make no garbage once memory is warm.
func TestRequestsDoNotAllocate(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", "0123456789", 0))
	set := frame(1, wire.OpSetData, setReq("/a", "0123456789").Append(nil))
	events := []Event{{Kind: ClientBatch, Conn: 1, Frames: set}}
	durable := []Event{{Kind: Durable}}
	var out []byte
	write := func() {
		f.r.Step(f.now, events, &f.fx)
		durable[0].Zxid = f.r.Proposed()
		f.r.Step(f.now, durable, &f.fx)
		out, _, _, _ = f.r.Drain(1, out[:0])
	}
	for range 5000 {
		write()
	}
	if n := testing.AllocsPerRun(1000, write); n > 0.01 {
		t.Errorf("%v allocations a write", n)
	}
	get := frame(1, wire.OpGetData, readReq("/a", false).Append(nil))
	if n := testing.AllocsPerRun(1000, func() { out, _, _ = f.r.ServeReads(1, get, out[:0]) }); n > 0 {
		t.Errorf("%v allocations a read", n)
	}
}

func BenchmarkSet(b *testing.B) {
	f := newFixture(b, testConfig())
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", "", 0))
	data := string(make([]byte, 100))
	var batch []byte
	for range 16 {
		batch = append(batch, frame(1, wire.OpSetData, setReq("/a", data).Append(nil))...)
	}
	events := []Event{{Kind: ClientBatch, Conn: 1, Frames: batch}}
	durable := []Event{{Kind: Durable}}
	var out []byte
	for b.Loop() {
		f.r.Step(f.now, events, &f.fx)
		durable[0].Zxid = f.r.Proposed()
		f.r.Step(f.now, durable, &f.fx)
		out, _, _, _ = f.r.Drain(1, out[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/set")
}
