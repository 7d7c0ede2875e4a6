package node

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"zooid/internal/wire"
)

func TestHandshake(t *testing.T) {
	s := start(t)
	c := s.dial()
	r := c.open(wire.ConnectRequest{TimeOut: 7000, Passwd: make([]byte, 16), HasReadOnly: true})
	if r.TimeOut != 7000 || r.SessionID == 0 || len(r.Passwd) != 16 || !r.HasReadOnly || r.ReadOnly {
		t.Errorf("response %+v", r)
	}
	for _, q := range []struct{ ask, get int32 }{{1, 4000}, {1 << 30, 40000}, {-5, 4000}} {
		c := s.dial()
		if r := c.open(wire.ConnectRequest{TimeOut: q.ask, HasReadOnly: true}); r.TimeOut != q.get {
			t.Errorf("timeout %d became %d, want %d", q.ask, r.TimeOut, q.get)
		}
	}

	old := s.dial() // clients before 3.4 leave the last byte out and get none
	old.send((&wire.ConnectRequest{TimeOut: 7000, Passwd: make([]byte, 16)}).Append(nil))
	if b := old.frame(); len(b) != 36 {
		t.Errorf("an old client got %d bytes, want 36", len(b))
	}
	old.do(wire.OpCreate, create("/old", "", 0), wire.CodeOK)

	ahead := s.dial()
	ahead.send((&wire.ConnectRequest{LastZxidSeen: 1 << 40, TimeOut: 7000, HasReadOnly: true}).Append(nil))
	ahead.wantClosed()

	bad := s.dial() // a connect request cut short
	bad.send(make([]byte, 9))
	bad.wantClosed()
}

func TestRequestsSentAheadOfTheResponse(t *testing.T) {
	s := start(t)
	c := s.dial()
	b := framed((&wire.ConnectRequest{TimeOut: 7000, HasReadOnly: true}).Append(nil))
	b = append(b, c.request(wire.OpCreate, create("/early", "x", 0))...)
	b = append(b, c.request(wire.OpGetData, get("/early", false))...)
	c.raw(b)
	c.frame()
	c.want(1, wire.CodeOK)
	c.want(2, wire.CodeOK)
}

func TestSessionResume(t *testing.T) {
	s := start(t)
	c := s.connect()
	c.do(wire.OpCreate, create("/eph", "", 1), wire.CodeOK)
	c.nc.Close()

	again := s.dial()
	r := again.open(wire.ConnectRequest{SessionID: c.session, Passwd: c.password, TimeOut: 10000, HasReadOnly: true})
	if r.SessionID != c.session || r.TimeOut != 10000 {
		t.Fatalf("resumed as %+v", r)
	}
	again.do(wire.OpExists, get("/eph", false), wire.CodeOK)

	wrong := s.dial()
	r = wrong.open(wire.ConnectRequest{SessionID: c.session, Passwd: make([]byte, 16), TimeOut: 10000, HasReadOnly: true})
	if r.SessionID != 0 || r.TimeOut != 0 || !bytes.Equal(r.Passwd, make([]byte, 16)) {
		t.Errorf("wrong password: %+v", r)
	}
	wrong.wantClosed()
	again.wantClosed() // Apache's server closes it before it looks at the password

	gone := s.dial()
	r = gone.open(wire.ConnectRequest{SessionID: 77, Passwd: make([]byte, 16), TimeOut: 10000, HasReadOnly: true})
	if r.SessionID != 0 || r.TimeOut != 0 {
		t.Errorf("unknown session: %+v", r)
	}
	gone.wantClosed()
}

// The response that ends a session must arrive even if the client has sent
// more behind its connect request.
func TestExpiredResponseWithRequestsBehind(t *testing.T) {
	s := start(t)
	for range 20 {
		c := s.dial()
		b := framed((&wire.ConnectRequest{SessionID: 77, Passwd: make([]byte, 16), TimeOut: 9000, HasReadOnly: true}).Append(nil))
		for range 50 {
			b = append(b, c.request(wire.OpSetData, set("/x", "y"))...)
		}
		c.raw(b)
		if r := c.frame(); len(r) != 37 {
			t.Fatalf("%d bytes", len(r))
		}
		c.wantClosed()
	}
	s.leakFree()
}

func TestSessionMoves(t *testing.T) {
	s := start(t)
	first := s.connect()
	first.do(wire.OpCreate, create("/a", "", 0), wire.CodeOK)
	first.do(wire.OpGetData, get("/a", true), wire.CodeOK)
	second := s.dial()
	second.open(wire.ConnectRequest{SessionID: first.session, Passwd: first.password, TimeOut: 10000, HasReadOnly: true})
	first.wantClosed()
	second.do(wire.OpSetData, set("/a", "1"), wire.CodeOK) // the watch went with the first connection
	second.do(wire.OpGetData, get("/a", false), wire.CodeOK)
}

func TestReplyThenClose(t *testing.T) {
	s := start(t)
	for name, one := range map[string]struct {
		op   wire.Opcode
		rec  func([]byte) []byte
		xid  int32
		code wire.Code
	}{
		"closeSession":      {wire.OpCloseSession, nil, 5, wire.CodeOK},
		"unknown type":      {4711, nil, 5, wire.CodeUnimplemented},
		"type 0":            {0, nil, 5, wire.CodeUnimplemented},
		"check at top":      {wire.OpCheck, get("/", false), 5, wire.CodeUnimplemented},
		"wrong auth scheme": {wire.OpAuth, credentials("nosuch", "x"), -4, wire.CodeAuthFailed},
	} {
		for range 10 {
			c := s.connect()
			b := c.requestAs(one.xid, one.op, one.rec)
			for range 100 { // what follows must not cost the reply
				b = append(b, c.request(wire.OpExists, get("/", false))...)
			}
			c.raw(b)
			if r := c.reply(); r.Xid != one.xid || r.Err != one.code {
				t.Fatalf("%s: xid %d err %v", name, r.Xid, r.Err)
			}
			c.wantClosed()
		}
	}
	s.leakFree()
}

func TestFrameLimits(t *testing.T) {
	s := start(t)
	length := func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	bad := map[string][]byte{
		"length 0":             length(0),
		"negative length":      length(-1),
		"lowest length":        length(-1 << 31),
		"above jute.maxbuffer": length(1048576),
		"word after handshake": []byte("ruok"),
		"short header":         framed(make([]byte, 7)),
	}
	for name, b := range bad {
		c := s.connect()
		if name == "short header" { // the core ends the connection at once
			c.raw(b)
		} else { // what came before is answered first
			c.raw(append(c.request(wire.OpCreate, create("/"+name, "", 0)), b...))
			c.want(1, wire.CodeOK)
		}
		c.wantClosed()
		if name != "word after handshake" {
			fresh := s.dial()
			fresh.raw(b)
			fresh.wantClosed()
		}
	}
	// A second connect request is a request of a type that does not exist.
	c := s.connect()
	c.send((&wire.ConnectRequest{TimeOut: 7000, HasReadOnly: true}).Append(nil))
	c.want(0, wire.CodeUnimplemented)
	c.wantClosed()
	// A frame of just the limit is taken.
	c = s.connect()
	c.do(wire.OpCreate, create("/big", string(make([]byte, 1048575-8-4-4-4-len(wire.OpenACL)-4)), 0), wire.CodeOK)
	// One that is cut short goes with its connection.
	c.raw(length(1000))
	c.nc.CloseWrite()
	c.wantClosed()
	s.leakFree()
}

func TestSessionlessConnectionsGo(t *testing.T) {
	s := start(t, "nio.sessionlessCnxnTimeout=50")
	silent, slow := s.dial(), s.dial()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // one byte now and then does not help
		for frame := []byte{0, 0, 0, 99}; ; frame = append(frame, 0) {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				if _, err := slow.nc.Write(frame[:1]); err != nil {
					return
				}
				frame = frame[1:]
			}
		}
	}()
	silent.wantGone()
	slow.wantGone()
	s.leakFree()
	if n := s.metrics.SessionlessConnectionsExpired.Value(); n != 2 {
		t.Errorf("sessionless_connections_expired is %d, want 2", n)
	}
}

func TestSlowBytesMakeAFrame(t *testing.T) {
	s := start(t)
	c := s.dial()
	b := framed((&wire.ConnectRequest{TimeOut: 7000, HasReadOnly: true}).Append(nil))
	b = append(b, c.request(wire.OpCreate, create("/slow", "x", 0))...)
	for i := range b {
		c.raw(b[i : i+1])
	}
	c.frame()
	c.want(1, wire.CodeOK)
}

func TestSilentSessionsExpireAndReadersLive(t *testing.T) {
	s := start(t, "tickTime=20", "minSessionTimeout=300", "maxSessionTimeout=60000")
	owner, reader, watcher := s.dial(), s.dial(), s.connect()
	owner.open(wire.ConnectRequest{TimeOut: 300, HasReadOnly: true})
	reader.open(wire.ConnectRequest{TimeOut: 300, HasReadOnly: true})
	owner.do(wire.OpCreate, create("/owner", "", 1), wire.CodeOK)
	reader.do(wire.OpCreate, create("/reader", "", 1), wire.CodeOK)
	watcher.do(wire.OpExists, get("/owner", true), wire.CodeOK)
	events := make(chan reply, 1)
	go func() {
		b, err := watcher.tryFrame()
		if err == nil {
			r, _ := parseReply(b)
			events <- r
		}
		close(events)
	}()
	for {
		select {
		case e := <-events:
			if e.Xid != wire.XidNotification {
				t.Fatalf("got %+v, want the event of the deletion", e)
			}
			owner.wantClosed()
			reader.do(wire.OpExists, get("/reader", false), wire.CodeOK)
			return
		case <-time.After(5 * time.Millisecond):
			reader.raw(reader.request(wire.OpPing, nil))
			reader.want(wire.XidPing, wire.CodeOK)
		}
	}
}

func TestFourLetterWords(t *testing.T) {
	s := start(t)
	c := s.connect()
	c.do(wire.OpCreate, create("/a", "", 0), wire.CodeOK)
	if got := s.word("ruok"); got != "imok" {
		t.Errorf("ruok: %q", got)
	}
	for _, w := range []string{"srvr", "stat", "cons", "conf", "mntr", "dump", "dirs", "envi", "wchs", "wchc", "wchp", "isro", "hash"} {
		if s.word(w) == "" && w != "hash" {
			t.Errorf("%s is empty", w)
		}
	}
	early := s.dial() // a word that comes in pieces, with more behind it
	early.raw([]byte("ru"))
	early.raw([]byte("ok and more"))
	if text, err := io.ReadAll(early.nc); string(text) != "imok" || err != nil {
		t.Errorf("ruok in pieces: %q, %v", text, err)
	}
	stmk := s.dial()
	stmk.raw(append([]byte("stmk"), 0, 0, 0, 0, 0, 0, 1, 2))
	if text, _ := io.ReadAll(stmk.nc); string(text) != "258" {
		t.Errorf("stmk: %q", text)
	}
}
