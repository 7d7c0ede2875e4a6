package replica

import (
	"slices"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// TestBacklog: replies come in turns, in order, and each read sees what its
// session had written when it asked, also when a later write is committed before
// its turn.
func TestBacklog(t *testing.T) {
	cfg := testConfig()
	cfg.Limits = Limits{Turn: 1, Reads: 4}
	f := newFixture(t, cfg)
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", "0", 0))
	var batch []byte
	xid := int32(100)
	ask := func(op wire.Opcode, q record) {
		batch = append(batch, frame(xid, op, q.Append(nil))...)
		xid++
	}
	for _, data := range []string{"1", "2", "3"} {
		for range 6 { // more than may wait in front of a write
			ask(wire.OpGetData, readReq("/a", true))
		}
		ask(wire.OpSetData, setReq("/a", data))
		ask(wire.OpSetData, setReq("/b", data)) // there is none
		ask(wire.OpGetData, readReq("/a", false))
	}
	f.step(Event{Kind: ClientBatch, Conn: 1, Frames: batch})
	want, seen := int32(100), "0"
	for turn := 0; want < xid; turn++ {
		if turn > 500 {
			t.Fatalf("no reply to %d", want)
		}
		out, answered, _, more := f.r.Drain(1, nil)
		frames := cut(out)
		if turn%3 == 2 {
			f.durable()
		}
		if answered > 2*cfg.Limits.Reads {
			t.Fatalf("%d replies in one turn", answered)
		}
		for _, fr := range frames {
			h, body := split(fr)
			if h.Xid == wire.XidNotification {
				continue
			}
			if h.Xid != want {
				t.Fatalf("a reply to %d, expected %d", h.Xid, want)
			}
			switch k := (want - 100) % 9; k {
			case 6: // written
				seen = string('0' + byte((want-100)/9) + 1)
			case 7:
				if h.Err != wire.CodeNoNode {
					t.Errorf("%d: %v", want, h.Err)
				}
			default:
				d := jute.NewDecoder(body)
				if got := string(d.Buffer()); got != seen {
					t.Errorf("%d saw %q, expected %q", want, got, seen)
				}
			}
			want++
		}
		if more {
			f.step(Event{Kind: Room, Conn: 1})
		}
	}
	if got := f.r.waits; got.conns != 0 || got.others != 0 || got.stalled != 0 {
		t.Errorf("when all is answered, there wait %+v", got)
	}
	if c := f.r.conn(1); c.reads != 0 || len(c.parked) != 0 || !slices.Equal(c.held, nil) {
		t.Errorf("when all is answered, the connection keeps %d reads, %d batches, %d bytes", c.reads, len(c.parked), len(c.held))
	}
}

// TestBacklogOfNobody: nothing is left of a connection that ends while replies
// to it wait.
func TestBacklogOfNobody(t *testing.T) {
	cfg := testConfig()
	cfg.Limits = Limits{Turn: 1}
	f := newFixture(t, cfg)
	for _, last := range []wire.Opcode{wire.OpPing, wire.OpCloseSession, 77} {
		f.connect(1, 5000)
		var batch []byte
		for i := range int32(5) {
			batch = append(batch, frame(i, wire.OpSetData, setReq("/a", "").Append(nil))...)
			batch = append(batch, frame(i, wire.OpGetData, readReq("/", false).Append(nil))...)
			batch = append(batch, frame(i, wire.OpGetData, readReq("/", false).Append(nil))...)
		}
		batch = append(batch, frame(9, last, nil)...)
		f.step(Event{Kind: ClientBatch, Conn: 1, Frames: batch})
		f.durable()
		f.frames(1)
		f.step(Event{Kind: Room, Conn: 1}, Event{Kind: ConnClosed, Conn: 1}, Event{Kind: Room, Conn: 1})
		f.durable()
		if got := f.r.waits; got.conns != 0 || got.others != 0 || got.stalled != 0 {
			t.Errorf("after %v, there wait %+v", last, got)
		}
	}
}
