package node

import (
	"encoding/binary"
	"math"

	"zooid/internal/clientport"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// throttler keeps requests waiting before the core while too many are under
// way (RequestThrottler of Apache's server). It is the loop's own. What comes
// from clients passes it in order; a connection's end waits behind its
// requests, so that an id is never used again while something of it waits.
//
// Requests that need not wait in the core at all, reads of a connection with
// nothing outstanding, do not come by here.
type throttler struct {
	n         *Node
	limit     int64 // request_throttle_max_requests
	waitLimit int64 // throttled_op_wait_time, ms; 0 = off

	queue   []item // bounded by what the connections may have outstanding
	head    int
	offset  int     // into the frames of the item at the head
	running int64   // requests in the core
	byConn  []int64 // the same by connection
	passed  []item
}

// newThrottler returns nil when the configuration asks for none.
func newThrottler(n *Node) *throttler {
	c := &n.cfg.Requests
	if c.MaxRequests <= 0 && c.OpWaitTimeMs <= 0 {
		return nil
	}
	t := &throttler{n: n, limit: math.MaxInt64, waitLimit: int64(max(c.OpWaitTimeMs, 0))}
	if c.MaxRequests > 0 {
		t.limit = int64(c.MaxRequests)
	}
	return t
}

// pass takes what has come in and returns what the core may see now.
func (t *throttler) pass(items []item, now int64) []item {
	clear(t.passed)
	t.passed = t.passed[:0]
	for _, it := range items {
		switch it.event.Kind {
		case replica.ConnOpen, replica.ClientBatch, replica.ConnClosed:
			t.queue = append(t.queue, it)
		default:
			t.passed = append(t.passed, it)
		}
	}
	for t.head < len(t.queue) && t.next(now) {
		t.queue[t.head] = item{}
		t.head++
	}
	if t.head == len(t.queue) {
		t.queue, t.head = t.queue[:0], 0
	} else {
		t.n.metrics.RequestThrottleWaitCount.Inc()
		if t.head > 64 && t.head > len(t.queue)/2 {
			t.queue = t.queue[:copy(t.queue, t.queue[t.head:])]
			t.head = 0
		}
	}
	return t.passed
}

// next lets the item at the head through, or as much of it as the limit
// allows; it reports whether the whole of it is gone.
func (t *throttler) next(now int64) bool {
	it := &t.queue[t.head]
	switch it.event.Kind {
	case replica.ConnClosed:
		t.finished(it.conn.ID(), math.MaxInt64)
		t.passed = append(t.passed, *it)
		return true
	case replica.ConnOpen:
		if t.running >= t.limit {
			return false
		}
		t.began(it.conn.ID(), 1)
		t.passed = append(t.passed, *it)
		return true
	}
	return t.batch(it, now)
}

// batch lets the frames of a batch through one by one; neighbours that are
// treated alike stay together.
func (t *throttler) batch(it *item, now int64) bool {
	m, frames := t.n.metrics, it.event.Frames
	waited := now - it.event.At
	stale := t.stale(it, now)
	begin, throttled, count := t.offset, false, int64(0)
	send := func(to int) {
		if to > begin {
			run := *it
			run.event.Frames, run.event.Throttled, run.mem = frames[begin:to], throttled, nil
			t.passed = append(t.passed, run)
			t.began(it.conn.ID(), count)
			m.RequestThrottleQueueTime.ObserveN(waited, count)
		}
		begin, count = to, 0
	}
	for t.offset < len(frames) {
		size := 4 + int(binary.BigEndian.Uint32(frames[t.offset:]))
		op := opOf(frames[t.offset : t.offset+size])
		gone := stale && op != wire.OpCloseSession
		if gone && t.n.cfg.Requests.DropStale {
			send(t.offset)
			t.offset += size
			begin = t.offset
			m.StaleRequestsDropped.Inc()
			it.conn.Abort() // it will never be answered
			continue
		}
		if t.running+count >= t.limit {
			send(t.offset)
			return false
		}
		if gone {
			m.StaleRequests.Inc()
		}
		late := t.waitLimit > 0 && waited > t.waitLimit && throttlable(op)
		if late != throttled {
			send(t.offset)
			throttled = late
		}
		if late {
			m.ThrottledOps.Inc()
		}
		t.offset += size
		count++
	}
	send(t.offset)
	t.offset = 0
	// The memory goes back with an item of its own, behind the last frames.
	done := item{conn: it.conn, mem: it.mem, event: replica.Event{Kind: replica.ClientBatch, Conn: it.event.Conn}}
	t.passed = append(t.passed, done)
	return true
}

// stale reports whether nobody waits for the answers any more.
func (t *throttler) stale(it *item, now int64) bool {
	c := &t.n.cfg.Requests
	if c.StaleConnectionCheck && it.conn.Dead() {
		return true
	}
	if !c.StaleLatencyCheck {
		return false
	}
	v, _ := t.n.core.r.Conn(it.event.Conn) // only the loop changes it
	return v.Timeout > 0 && now-it.event.At > int64(v.Timeout)
}

// opOf returns the type of a request; one that is too short has none.
func opOf(frame []byte) wire.Opcode {
	if len(frame) < 12 {
		return 0
	}
	return wire.Opcode(int32(binary.BigEndian.Uint32(frame[8:])))
}

// throttlable reports whether a request may be refused for having waited
// (Request.isThrottlable; auth packets pass by Apache's throttler).
func throttlable(op wire.Opcode) bool {
	switch op {
	case wire.OpPing, wire.OpCloseSession, wire.OpCreateSession, wire.OpAuth, wire.OpSASL:
		return false
	}
	return true
}

func (t *throttler) began(id uint32, n int64) {
	for int(id) >= len(t.byConn) {
		t.byConn = append(t.byConn, 0)
	}
	t.byConn[id] += n
	t.running += n
}

// finished takes up to n requests of a connection off those under way.
func (t *throttler) finished(id uint32, n int64) {
	if int(id) < len(t.byConn) {
		n = min(n, t.byConn[id])
		t.byConn[id] -= n
		t.running -= n
	}
}

// answered counts what a step has answered.
func (t *throttler) answered(c *clientport.Conn, n int) {
	if t != nil && n > 0 {
		t.finished(c.ID(), int64(n))
	}
}

// waiting reports whether the next turn should come without being called.
func (t *throttler) waiting() bool {
	return t != nil && t.head < len(t.queue) && t.running < t.limit
}
