package replica

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// A few bytes of requests can ask for any number of bytes of replies. So a
// connection has Limits.Turn of them made in one turn, and the rest when the
// client has taken of those (Room): requests that wait in their session's order
// stay there, and frames that came behind them are kept as they are. Only a
// write whose transaction is committed does not wait: what the session has asked
// before it is answered at once, from the tree as it was. That is why no write is
// begun behind more than Limits.Reads reads.

// release answers the requests that waited for the write that was just
// answered, up to the next write of the session or as far as there is room.
func (r *Replica) release(c *conn) { r.releaseUpTo(c, r.cfg.Limits.Turn) }

// releaseUpTo is release for a room of size bytes.
func (r *Replica) releaseUpTo(c *conn, size int) {
	n := 0
	for !c.gone && c.mayPop() && len(c.out) < size {
		s := c.pop()
		if s.kind == slotSync {
			c.syncs--
		}
		n++
		if s.throttled {
			r.throttled(c, s)
			continue
		}
		d := jute.NewDecoder(c.frame(s))
		var h wire.RequestHeader
		h.Decode(&d)
		c.timely = s.timely
		r.answer(c, h, &d, s.at)
		c.timely = false
		if !c.gone {
			c.trim(s)
		}
	}
	c.stall(!c.gone && c.mayPop())
	r.waits.Released.add(n)
	if n > 0 {
		r.waits.Drained++
	}
}

// stall notes whether the oldest request could be answered.
func (c *conn) stall(is bool) {
	switch {
	case is && !c.stalled:
		c.waits.stalled++
	case !is && c.stalled:
		c.waits.stalled--
	}
	c.stalled = is
}

// answerBefore answers what the session of a transaction has asked before it.
func (r *Replica) answerBefore(p *proposal, h *wire.TxnHeader) {
	c := p.origin
	if c == nil {
		if s := r.sessions.byID[h.ClientID]; s != nil {
			c = s.conn
		}
	}
	if c != nil && c.stalled {
		r.releaseUpTo(c, math.MaxInt)
	}
}

// mayBegin says whether the request at the front of frames may be looked at,
// as far as those count that wait.
func (r *Replica) mayBegin(c *conn, frames []byte) bool {
	if c.reads < r.cfg.Limits.Reads {
		return true
	}
	d := jute.NewDecoder(frames[lengthSize : lengthSize+int(binary.BigEndian.Uint32(frames))])
	var h wire.RequestHeader
	h.Decode(&d)
	return d.Err() != nil || !h.Type.Writes()
}

// weight is for how many reads a waiting request counts.
func (s *slot) weight() int {
	switch {
	case s.throttled:
		return 0
	case s.op == wire.OpMultiRead, s.op == wire.OpGetEphemerals, s.op == wire.OpGetChildren, s.op == wire.OpGetChildren2:
		return heavy
	}
	return 1
}

// heavy are the reads whose replies are not bounded by the size of a znode.
const heavy = 8

// hasMore says whether the connection has requests that a Room event lets go on.
func (r *Replica) hasMore(c *conn) bool {
	return !c.gone && !r.suspended && (c.stalled || len(c.parked) > 0 && r.mayBegin(c, c.parked[0].frames))
}

// goOn is a Room event.
func (r *Replica) goOn(id ConnID) {
	c := r.conn(id)
	if c == nil || c.gone || r.suspended {
		return
	}
	r.release(c)
	r.unpark(c)
}

// park keeps requests that may not be looked at yet.
func (c *conn) park(b batch) {
	b.frames = bytes.Clone(b.frames)
	c.parked = append(c.parked, b)
}

// unpark takes the requests that were kept, as far as it may now.
func (r *Replica) unpark(c *conn) {
	for len(c.parked) > 0 {
		if !r.take(c, &c.parked[0]) || c.gone {
			return
		}
		c.parked = slices.Delete(c.parked, 0, 1)
	}
}
