package replica

import (
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// A client that comes back may ask for another timeout. It lives by that one,
// but a snapshot keeps what the log says: the timeout of createSession, so that
// a server that loads the snapshot is the same as one that replays the log.
func TestSnapshotKeepsTheTimeoutOfTheLog(t *testing.T) {
	f := newFixture(t, testConfig())
	id := f.connect(1, 3000)
	password := Password(id)
	req := wire.ConnectRequest{TimeOut: 9000, SessionID: id, Passwd: password[:], HasReadOnly: true}
	f.step(Event{Kind: ConnOpen, Conn: 2, Frames: req.Append(nil)})
	if f.connected(2) != id {
		t.Fatal("the session was not resumed")
	}
	d := jute.NewDecoder(f.r.Cut().Sessions)
	if n, got, timeout := d.Int(), d.Long(), d.Int(); n != 1 || got != id || timeout != 3000 {
		t.Errorf("the snapshot has %d sessions, 0x%x with %d ms", n, got, timeout)
	}
	if v, _ := f.r.Conn(2); v.Timeout != 9000 {
		t.Errorf("the connection was told %d ms", v.Timeout)
	}
	f.now.Mono += 8000
	f.step(Event{Kind: Tick})
	if f.r.SessionCount() != 1 || len(f.fx.Expired) != 0 {
		t.Error("the session ended before the timeout that its client was told")
	}
}
