package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// A server that loses its leader, or its followers, keeps the connections of
// its clients for a tick (docs/adr/0006): they wait for the next leader instead
// of all coming back at once. What they had asked for is either in the history
// that the next leader begins with, and is answered when that is committed, or
// it will never be, and is asked for again. Apache's server closes them at once.

// suspend stops answering clients. Those without a session yet are closed, and
// those that wait for a sync: a write behind it that turns out to be in the
// history could not be answered in its turn.
func (r *Replica) suspend() {
	p := r.peer
	if !r.suspended {
		r.suspended, p.suspendedAt = true, r.now.Mono
	}
	for _, c := range r.conns {
		switch {
		case c == nil || c.gone:
		case c.sess == nil || !c.sess.committed && !c.sess.local, c.waitsFor(slotSync):
			r.close(c, "the server has lost its quorum")
		default:
			c.syncs = 0
			c.withhold()
		}
	}
}

// withhold keeps back what is said from now on: the history that it tells of is
// applied before it is committed.
func (c *conn) withhold() {
	if c.withheld == nil {
		c.withheld = &withheld{out: len(c.out), answered: c.answered, frames: c.frames}
	}
}

// withheld is how much of a connection's output may be delivered all the same.
type withheld struct{ out, answered, frames int }

// closeAll closes all clients.
func (r *Replica) closeAll(why string) {
	r.suspended = false
	for _, c := range r.conns {
		if c != nil {
			r.close(c, why)
		}
	}
}

// resume goes on with the clients that waited.
func (r *Replica) resume() {
	p := r.peer
	if !r.suspended {
		p.servedEpoch = r.epoch()
		return
	}
	r.suspended = false
	if !r.serving {
		r.closeAll("this server leads and does not serve clients")
		return
	}
	again := r.epoch() > p.servedEpoch
	for _, c := range r.conns {
		switch {
		case c == nil || c.gone:
		case c.mayBeLeft(r.now.Mono):
			r.close(c, "the client may have gone to another server")
		case !again && c.waitsFor(slotWrite):
			// The same leader as before may still do what it was asked for.
			r.close(c, "the connection to the leader was lost with a request in flight")
		default:
			if !again && r.leader == nil && !c.sess.local {
				// To that leader its session is that of the connection before.
				r.revalidate(c, c.sess.id, c.sess.lease)
			}
			r.resumeConn(c)
		}
	}
	p.servedEpoch = r.epoch()
}

// mayBeLeft says that the client has been silent for about as long as one waits
// that hears nothing of its server, before it goes on at another one: two thirds
// of its timeout, with a ping after each third. Its requests may be on the way
// to here all the same, and come much later. As long as the leader is the one at
// which the session moved it refuses them; the next one does not know of that,
// and asking the same one again would take the session back.
func (c *conn) mayBeLeft(now int64) bool {
	return !c.sess.local && now-c.heard > int64(c.sess.lease)*3/5
}

// waitsFor says whether a request of a kind is among those that wait.
func (c *conn) waitsFor(kind slotKind) bool {
	for i := c.slotHead; i < len(c.slots); i++ {
		if c.slots[i].kind == kind {
			return true
		}
	}
	return false
}

// epoch is that of the leader that this server is or follows.
func (r *Replica) epoch() int64 {
	if r.leader != nil {
		return r.leader.Epoch()
	}
	return r.peer.learner.Epoch()
}

// resumeConn asks again for what was in flight, and takes what has come since.
func (r *Replica) resumeConn(c *conn) {
	if c.withheld = nil; len(c.out) > 0 {
		r.markDirty(c)
	}
	if r.leads() {
		c.sess.owner = 0
	}
	r.touch(c.sess)
	for i := c.slotHead; i < len(c.slots); i++ {
		s := &c.slots[i]
		if s.kind != slotWrite {
			continue
		}
		frame := c.frame(*s)
		d := jute.NewDecoder(frame)
		var h wire.RequestHeader
		h.Decode(&d)
		if r.leads() {
			r.prep(c, h, frame[d.Offset():])
		} else {
			r.forward(c, h, frame[d.Offset():])
		}
	}
	r.release(c)
	r.unpark(c)
}
