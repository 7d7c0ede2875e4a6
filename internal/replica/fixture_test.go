package replica

import (
	"encoding/binary"
	"fmt"
	"testing"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// fixture is a replica whose shell is the test: records become durable when
// the test says so.
type fixture struct {
	t    testing.TB
	r    *Replica
	fx   Effects
	now  Time
	last int64 // newest record in the log
	next map[ConnID]int32
	log  []Record
	shut map[ConnID]string
}

func testConfig() Config {
	return Config{
		ServerID: 1, TickTime: 1000, MinSessionTimeout: 2000, MaxSessionTimeout: 20000,
		SnapCount: 1 << 30, Auth: &auth.Policy{DigestEnabled: true}, Digest: true, CloseSessionPaths: true,
		ContainerInterval: 60000, ContainerPerMinute: 10000,
	}
}

func newFixture(t testing.TB, cfg Config) *fixture {
	f := &fixture{t: t, r: New(cfg), now: Time{Wall: 1_700_000_000_000, Mono: 1000},
		next: map[ConnID]int32{}, shut: map[ConnID]string{}}
	f.r.Start(f.now)
	return f
}

// step runs events and keeps what they made.
func (f *fixture) step(events ...Event) {
	f.t.Helper()
	f.r.Step(f.now, events, &f.fx)
	for _, rec := range f.fx.Append {
		if rec.Zxid != f.last+1 {
			f.t.Fatalf("zxid %d follows %d (I4)", rec.Zxid, f.last)
		}
		f.last = rec.Zxid
		f.log = append(f.log, Record{Zxid: rec.Zxid, Entry: append([]byte(nil), rec.Entry...)})
	}
	for _, c := range f.fx.Close {
		f.shut[c.Conn] = c.Why
	}
}

func (f *fixture) durable() {
	f.t.Helper()
	f.step(Event{Kind: Durable, Zxid: f.last})
	if n := f.r.Stats().DigestMismatches; n != 0 {
		f.t.Fatalf("%d digests were not as foretold (I5)", n)
	}
}

// connect opens a session and returns its id.
func (f *fixture) connect(c ConnID, timeout int32) int64 {
	f.t.Helper()
	req := wire.ConnectRequest{TimeOut: timeout, Passwd: make([]byte, 16), HasReadOnly: true}
	f.step(Event{Kind: ConnOpen, Conn: c, Frames: req.Append(nil), IDs: []wire.ID{{Scheme: "ip", ID: "127.0.0.1"}}})
	f.durable()
	return f.connected(c)
}

// connected reads a connect response and returns the session id, 0 if refused.
func (f *fixture) connected(c ConnID) int64 {
	f.t.Helper()
	frames := f.frames(c)
	if len(frames) != 1 {
		f.t.Fatalf("%d frames for a connect request", len(frames))
	}
	var resp wire.ConnectResponse
	d := jute.NewDecoder(frames[0])
	resp.Decode(&d)
	return resp.SessionID
}

// frames drains what the connection was sent.
func (f *fixture) frames(c ConnID) [][]byte {
	out, _, _, _ := f.r.Drain(uint32(c), nil)
	return cut(out)
}

// cut takes the length off each of a run of frames.
func cut(b []byte) (frames [][]byte) {
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint32(b))
		frames = append(frames, b[4:4+n])
		b = b[4+n:]
	}
	return frames
}

type record interface{ Append([]byte) []byte }

func frame(xid int32, op wire.Opcode, body []byte) []byte {
	b := []byte{0, 0, 0, 0}
	b = (&wire.RequestHeader{Xid: xid, Type: op}).Append(b)
	b = append(b, body...)
	endFrame(b, 4)
	return b
}

// send hands over one request and returns its xid.
func (f *fixture) send(c ConnID, op wire.Opcode, q record) int32 {
	f.t.Helper()
	f.next[c]++
	var body []byte
	if q != nil {
		body = q.Append(nil)
	}
	f.step(Event{Kind: ClientBatch, Conn: c, Frames: frame(f.next[c], op, body)})
	return f.next[c]
}

// call sends, makes durable, and returns the reply's header and body; events
// that came before it are checked by others.
func (f *fixture) call(c ConnID, op wire.Opcode, q record) (wire.ReplyHeader, []byte) {
	f.t.Helper()
	xid := f.send(c, op, q)
	f.durable()
	for _, fr := range f.frames(c) {
		if h, body := split(fr); h.Xid == xid {
			return h, body
		}
	}
	f.t.Fatalf("%s: no reply", op)
	return wire.ReplyHeader{}, nil
}

func split(fr []byte) (wire.ReplyHeader, []byte) {
	var h wire.ReplyHeader
	d := jute.NewDecoder(fr)
	h.Decode(&d)
	return h, d.Rest()
}

// must is call for requests that have to succeed.
func (f *fixture) must(c ConnID, op wire.Opcode, q record) []byte {
	f.t.Helper()
	h, body := f.call(c, op, q)
	if h.Err != wire.CodeOK {
		f.t.Fatalf("%s: %v", op, h.Err)
	}
	return body
}

func createReq(path, data string, flags int32) *wire.CreateRequest {
	return &wire.CreateRequest{Path: []byte(path), Data: []byte(data), ACL: wire.OpenACL, Flags: flags}
}

func setReq(path, data string) *wire.SetDataRequest {
	return &wire.SetDataRequest{Path: []byte(path), Data: []byte(data), Version: -1}
}

func deleteReq(path string) *wire.PathVersionRequest {
	return &wire.PathVersionRequest{Path: []byte(path), Version: -1}
}

func readReq(path string, watch bool) *wire.PathWatchRequest {
	return &wire.PathWatchRequest{Path: []byte(path), Watch: watch}
}

// describe turns frames into short text: xid:code, or the event.
func describe(frames [][]byte) (out []string) {
	for _, fr := range frames {
		h, body := split(fr)
		if h.Xid != wire.XidNotification {
			out = append(out, fmt.Sprintf("%d:%d", h.Xid, h.Err))
			continue
		}
		var e wire.WatcherEvent
		d := jute.NewDecoder(body)
		e.Decode(&d)
		out = append(out, fmt.Sprintf("event %d %s", e.Type, e.Path))
	}
	return out
}
