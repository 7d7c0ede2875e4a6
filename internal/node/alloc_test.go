package node

import (
	"testing"

	"zooid/internal/wire"
)

// raceEnabled is set by race_test.go: the race detector allocates by itself.
var raceEnabled bool

// perRequest measures how many allocations the whole process makes for one
// request of a batch; the client side of the test makes none.
func perRequest(t *testing.T, s *server, c *client, batch []byte, n int) float64 {
	t.Helper()
	replies := make([]byte, 64<<10)
	round := func() {
		if _, err := c.nc.Write(batch); err != nil {
			t.Fatal(err)
		}
		for left := n; left > 0; {
			got, err := c.nc.Read(replies)
			if err != nil {
				t.Fatal(err)
			}
			left -= countFrames(replies[:got])
		}
	}
	for range 50 {
		round()
	}
	return testing.AllocsPerRun(200, round) / float64(n)
}

// countFrames counts replies that come whole; the batches of these tests are
// small enough for that.
func countFrames(b []byte) (n int) {
	for len(b) >= 4 {
		size := 4 + int(b[0])<<24 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		b = b[min(size, len(b)):]
		n++
	}
	return n
}

// TestNoGarbage guards the way of a request through socket, reader, loop, disk
// writer and back: a read makes no garbage at all, a write next to none (the
// file system of the test makes some).
func TestNoGarbage(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector makes garbage of its own")
		return
	}
	s := startOn(t, newQuietDisk(), "/data", "snapCount=100000000")
	c := s.connect()
	c.do(wire.OpCreate, create("/a", "0123456789", 0), wire.CodeOK)
	const n = 32
	var reads, writes []byte
	for range n {
		reads = append(reads, c.requestAs(7, wire.OpGetData, get("/a", false))...)
		writes = append(writes, c.requestAs(7, wire.OpSetData, set("/a", "abcdefghij"))...)
	}
	if got := perRequest(t, s, c, reads, n); got > 0.05 {
		t.Errorf("a read costs %.2f allocations", got)
	}
	if got := perRequest(t, s, c, writes, n); got > 0.2 {
		t.Errorf("a write costs %.2f allocations", got)
	}
	one := c.requestAs(7, wire.OpGetData, get("/a", false))
	if got := perRequest(t, s, c, one, 1); got > 0.1 {
		t.Errorf("a read alone costs %.2f allocations", got)
	}
}
