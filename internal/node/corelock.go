package node

import (
	"sync"

	"zooid/internal/clientport"
	"zooid/internal/replica"
)

// core is the replica and the lock that guards it, all of it, and nothing
// else. The loop steps under the write lock and hands replies and events over
// before it lets go (loop.step); reads of connections and snapshot walks share the read
// lock. So whoever reads sees whole steps only, and an event stands in a
// connection's output before any reply that shows its cause.
type core struct {
	mu sync.RWMutex
	r  *replica.Replica
}

// reads answers the pure reads at the front of frames on the connection's
// poller. The output is locked inside the core's lock, as in loop.step, and
// stays locked a little longer, while what was read is counted.
func (c *core) reads(conn *clientport.Conn, frames []byte, count func(frames, replies []byte)) (bytes, requests int, zxid int64) {
	c.mu.RLock()
	out := conn.BeginOut()
	start := len(out)
	out, bytes, requests = c.r.ServeReads(replica.ConnID(conn.ID()), frames, out)
	zxid = c.r.Tree().LastZxid()
	c.mu.RUnlock()
	count(frames[:bytes], out[start:])
	conn.EndOut(out, requests)
	return bytes, requests, zxid
}

// list begins the answer to a request for a long list of children, and returns
// the length of its frame and what makes the list, in turns; nil when the first
// request is none.
func (c *core) list(conn *clientport.Conn, frames []byte) (size int, zxid int64, long func()) {
	id := replica.ConnID(conn.ID())
	var l *replica.List
	c.view(func(r *replica.Replica) {
		l, size = r.BeginList(id, frames)
		zxid = r.Tree().LastZxid()
	})
	if l == nil {
		return 0, 0, nil
	}
	return size, zxid, func() {
		for done := false; !done; {
			c.view(func(r *replica.Replica) {
				out := conn.BeginOut()
				before := len(out)
				out, done = r.ListTurn(id, l, out)
				conn.EndOut(out, b2i(len(out) > before))
			})
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// view lets f read the replica.
func (c *core) view(f func(r *replica.Replica)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f(c.r)
}

// walk runs one turn of a snapshot's walk.
func (c *core) walk(s *replica.Snapshot, b []byte, size int) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.Walk.Next(b, size)
}

// abort ends a walk early, so that changes no longer pay for it.
func (c *core) abort(s *replica.Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Walk.Abort()
}
