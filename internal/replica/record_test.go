package replica

import (
	"fmt"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// bounded is a replica whose records have at most so many bytes, with a client that
// has ten identities.
func bounded(t *testing.T, most int) *fixture {
	cfg := testConfig()
	cfg.MaxRecord = most
	f := newFixture(t, cfg)
	var ids []wire.ID
	for i := range 10 {
		ids = append(ids, wire.ID{Scheme: "digest", ID: fmt.Sprintf("user%d:secret", i)})
	}
	req := wire.ConnectRequest{TimeOut: 5000, Passwd: make([]byte, 16), HasReadOnly: true}
	f.step(Event{Kind: ConnOpen, Conn: 1, Frames: req.Append(nil), IDs: ids})
	f.durable()
	f.connected(1)
	return f
}

func (f *fixture) wantShort(most int) {
	f.t.Helper()
	for _, rec := range f.log {
		if len(rec.Entry) > most {
			f.t.Fatalf("record 0x%x has %d bytes, and nobody reads more than %d", rec.Zxid, len(rec.Entry), most)
		}
	}
}

// TestCloseOfManyEphemerals: a session ends with more ephemerals than a record has
// room for. It is one transaction all the same, and all of them go.
func TestCloseOfManyEphemerals(t *testing.T) {
	const most = 1000
	for _, expires := range []bool{false, true} {
		f := bounded(t, most)
		for i := range 50 {
			f.must(1, wire.OpCreate, createReq(fmt.Sprintf("/%s%d", strings.Repeat("e", 60), i), "", modeEphemeral))
		}
		if before := len(f.log); expires {
			f.now.Mono += 60_000
			f.step(Event{Kind: Tick})
			f.durable()
		} else if f.must(1, wire.OpCloseSession, nil); len(f.log) != before+1 {
			t.Errorf("%d transactions", len(f.log)-before)
		}
		f.wantShort(most)
		f.connect(2, 5000)
		for i := range 50 {
			if h, _ := f.readNow(2, fmt.Sprintf("/%s%d", strings.Repeat("e", 60), i)); h.Err != wire.CodeNoNode {
				t.Errorf("ephemeral %d is left: %v", i, h.Err)
			}
		}
	}
}

// TestIdentitiesBeyondAPacket: a connection takes on no more identities than the
// leader accepts beside a forwarded request.
func TestIdentitiesBeyondAPacket(t *testing.T) {
	f := bounded(t, 2000)
	f.must(1, wire.OpAuth, &wire.AuthPacket{Scheme: []byte("digest"), Auth: []byte("one:pw")})
	h, _ := f.call(1, wire.OpAuth, &wire.AuthPacket{Scheme: []byte("digest"), Auth: []byte(strings.Repeat("n", 2000) + ":pw")})
	if h.Err != wire.CodeAuthFailed || f.shut[1] == "" {
		t.Errorf("answered %v, closed %q", h.Err, f.shut[1])
	}
}

// TestLongMultiRead: what a multiRead asks for beyond its limit is not made.
func TestLongMultiRead(t *testing.T) {
	cfg := testConfig()
	cfg.Limits.MultiRead = 5000
	f := newFixture(t, cfg)
	f.connect(1, 5000)
	f.must(1, wire.OpCreate, createReq("/a", strings.Repeat("a", 1000), 0))
	var ops []any
	for range 20 {
		ops = append(ops, wire.OpGetData, readReq("/a", false))
	}
	body := f.must(1, wire.OpMultiRead, multiBody(ops...))
	d := jute.NewDecoder(body)
	done, refused := 0, 0
	for {
		var h wire.MultiHeader
		if h.Decode(&d); h.Done || d.Err() != nil {
			break
		}
		if h.Type == wire.OpError {
			if code := wire.Code(d.Int()); code != wire.CodeThrottledOp {
				t.Errorf("refused with %v", code)
			}
			refused++
			continue
		}
		var stat wire.Stat
		d.Buffer()
		stat.Decode(&d)
		done++
	}
	if d.Err() != nil || done != 5 || refused != 15 || len(body) > 6000 {
		t.Errorf("%d done, %d refused, %d bytes, %v", done, refused, len(body), d.Err())
	}
}

// TestRecordsThatNobodyReads: ACLs that stand for many identities do not make
// records that are refused when they are read again.
func TestRecordsThatNobodyReads(t *testing.T) {
	const most = 1000
	f := bounded(t, most)
	all := func(entries int) []byte {
		b := jute.AppendInt(nil, int32(entries))
		for i := range entries {
			b = jute.AppendInt(b, int32(31-i))
			b = jute.AppendString(jute.AppendString(b, "auth"), "")
		}
		return b
	}
	create := func(path string, entries int) *wire.CreateRequest {
		return &wire.CreateRequest{Path: []byte(path), ACL: all(entries)}
	}
	f.must(1, wire.OpCreate, create("/a", 2))
	if h, _ := f.call(1, wire.OpCreate, create("/b", 8)); h.Err != wire.CodeInvalidACL {
		t.Errorf("create: %v", h.Err)
	}
	if h, _ := f.call(1, wire.OpSetACL, &wire.SetACLRequest{Path: []byte("/a"), ACL: all(8), Version: -1}); h.Err != wire.CodeInvalidACL {
		t.Errorf("setACL: %v", h.Err)
	}
	var ops []any
	for i := range 8 {
		ops = append(ops, wire.OpCreate, create(fmt.Sprintf("/m%d", i), 1))
	}
	if _, body := f.call(1, wire.OpMulti, multiBody(ops...)); len(body) < 9 || body[0] != 0xff {
		t.Errorf("a multi that is too long: %x", body)
	}
	f.must(1, wire.OpMulti, multiBody(ops[:4]...)) // the names are free
	f.wantShort(most)
}
