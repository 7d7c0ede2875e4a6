package replica

import (
	"encoding/hex"
	"testing"

	"zooid/internal/wire"
)

// The vector comes from a session of Apache's server.
func TestPassword(t *testing.T) {
	p := Password(0x10000106f150002)
	if got := hex.EncodeToString(p[:]); got != "7b408741dade3526fdea5b4a4cd3ee22" {
		t.Fatalf("password %s", got)
	}
}

func TestExpiryIsRoundedUpToTheBucket(t *testing.T) {
	tab := newSessionTable(1000)
	tab.start(1, Time{Wall: 1, Mono: 500})
	a, b := tab.add(1, 3000), tab.add(2, 3000)
	tab.touch(a, 500)  // (500+3000)/1000+1 = 4 -> 4000
	tab.touch(b, 1200) // 5000
	for _, c := range []struct {
		now  int64
		want *session
	}{{3999, nil}, {4000, a}, {4000, nil}, {4999, nil}, {7000, b}, {9000, nil}} {
		if got := tab.expired(c.now); got != c.want {
			t.Errorf("at %d: %v", c.now, got)
		}
	}
	tab.touch(a, 9000)
	tab.remove(a)
	if s := tab.expired(20000); s != nil || len(tab.lists) != 0 || len(tab.byID) != 1 {
		t.Errorf("a removed session came back: %v", s)
	}
}

// The last that is heard of a session may be a read outside of the core, right
// before its connection breaks: the client has its whole timeout from then on.
func TestReadBeforeTheConnectionBreaksCounts(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 3000)
	f.now.Mono += 2500
	f.step(Event{Kind: ConnClosed, Conn: 1, Touched: []ConnID{1}})
	f.now.Mono += 2900
	f.step(Event{Kind: Tick})
	if len(f.fx.Expired) != 0 {
		t.Error("the session expired 2900 ms after its last request, its timeout is 3000 ms")
	}
	f.now.Mono += 2000
	f.step(Event{Kind: Tick})
	if len(f.fx.Expired) != 1 {
		t.Error("the session lives on")
	}
}

// A stranger with a wrong password takes the connection away, as in Apache's
// server, but not the time to come back.
func TestWrongPasswordLeavesTheTimeout(t *testing.T) {
	f := newFixture(t, testConfig())
	id := f.connect(1, 3000)
	f.now.Mono += 2900 // and reads outside the core all the while
	req := wire.ConnectRequest{TimeOut: 3000, SessionID: id, Passwd: make([]byte, 16), HasReadOnly: true}
	f.step(Event{Kind: ConnOpen, Conn: 2, Frames: req.Append(nil)})
	if f.connected(2) != 0 || f.shut[1] == "" {
		t.Fatal("the wrong password was taken, or the connection stays")
	}
	f.now.Mono += 2900
	f.step(Event{Kind: Tick})
	if len(f.fx.Expired) != 0 {
		t.Error("the session expired 2900 ms after it lost its connection, its timeout is 3000 ms")
	}
}
