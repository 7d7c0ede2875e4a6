package replica

import (
	"bytes"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// prepCreateSession proposes a new session for a connection.
func (r *Replica) prepCreateSession(c *conn, timeout int32, at int64) {
	s := r.sessions.add(r.sessions.newID(), timeout)
	s.conn, c.sess = c, s
	r.sessions.touch(s, r.now.Mono)
	if !r.retires() {
		w := write{sess: s, zxid: r.draft()}
		r.work.body = (&wire.CreateSessionTxn{TimeOut: timeout}).Append(r.work.body)
		r.propose(&w, wire.OpCreateSession, 0, c)
	}
	r.stats.SessionsAsked++
	c.push(slot{kind: slotWrite, op: wire.OpCreateSession, at: at}, nil)
}

// expire proposes the end of a session that fell silent; its connection goes
// when that is applied.
func (r *Replica) expire(s *session) {
	if s.closing || !s.local && r.retires() {
		return
	}
	r.stats.SessionsExpired++
	r.fx.Expired = append(r.fx.Expired, s.id)
	if s.local {
		r.endLocal(s, "session expired")
		return
	}
	r.proposeClose(s)
}

func (r *Replica) proposeClose(s *session) {
	w := write{sess: s, zxid: r.draft()}
	r.prepEphemeralsGone(s, w.zxid)
	s.closing = true
	r.propose(&w, wire.OpCloseSession, 0, nil)
}

// prepCloseSession is prepEphemeralsGone for a client that asks; its session
// may be ending already.
func (r *Replica) prepCloseSession(s *session, zxid int64) wire.Code {
	if s == nil || s.closing {
		return wire.CodeSessionExpired
	}
	r.prepEphemeralsGone(s, zxid)
	return wire.CodeOK
}

// prepEphemeralsGone lists the ephemerals that the session will have once
// everything in flight is applied, and records that they go.
func (r *Replica) prepEphemeralsGone(s *session, zxid int64) {
	r.fx.Closings++
	paths := r.ephemeralsOf(s.id)
	if r.cfg.CloseSessionPaths {
		r.work.body = wire.AppendPaths(r.work.body, r.listed(paths))
	}
	for _, p := range paths {
		above, _ := parentOf(p)
		parent, node := r.lookup(above, &r.work.above), r.lookup(p, &r.work.node)
		if parent != nil && node != nil {
			r.removeNode(zxid, parent, node)
		}
	}
}

// listed is as many of the paths as a record has room for. Whoever applies it
// deletes what else the session owns as well.
func (r *Replica) listed(paths [][]byte) [][]byte {
	size := len(r.work.body) + 4
	for i, p := range paths {
		if size += 4 + len(p); r.tooLong(size) {
			return paths[:i]
		}
	}
	return paths
}

// ephemeralsOf returns the paths of the session's ephemerals: those of the
// tree, less those whose deletion is in flight, plus those in flight.
func (r *Replica) ephemeralsOf(id int64) [][]byte {
	paths := r.work.paths[:0]
	r.tree.EphemeralPaths(id, func(p []byte) bool {
		if c := r.pending.get(p, r.tree.Hash(p)); c == nil {
			paths = append(paths, bytes.Clone(p))
		}
		return true
	})
	r.pending.each(func(c *change) {
		if c.exists && c.stat.EphemeralOwner == id {
			paths = append(paths, bytes.Clone(c.path))
		}
	})
	r.work.paths = paths
	return paths
}

// containerSweep paces the removal of containers and TTL nodes
// (ContainerManager): a sweep finds the candidates, which are then proposed a
// few at each tick so that no more than the allowed number goes in a minute.
type containerSweep struct {
	next    int64  // Time.Mono of the next sweep
	paced   int64  // Time.Mono up to which deletions are paid for
	cursor  uint32 // where the round goes on
	waiting [][]byte
}

func (r *Replica) sweepContainers() {
	now := r.now.Mono
	if len(r.sweep.waiting) == 0 && now >= r.sweep.next {
		r.sweep.cursor = r.tree.Sweep(r.sweep.cursor, r.cfg.Limits.Sweep, r.now.Wall, r.cfg.ContainerNeverUsed, func(p []byte) {
			r.sweep.waiting = append(r.sweep.waiting, bytes.Clone(p))
		})
		r.sweep.paced = max(r.sweep.paced, now)
		if r.sweep.cursor == 0 {
			r.sweep.next = now + r.cfg.ContainerInterval
		}
	}
	cost := int64(60_000)
	for len(r.sweep.waiting) > 0 && r.sweep.paced <= now {
		p := r.sweep.waiting[0]
		r.sweep.waiting = r.sweep.waiting[1:]
		r.proposeDeleteContainer(p)
		r.sweep.paced += max(cost/r.cfg.ContainerPerMinute, 1)
	}
}

// proposeDeleteContainer removes a candidate if it still is one.
func (r *Replica) proposeDeleteContainer(path []byte) {
	h := r.tree.Hash(path)
	n := r.tree.LookupHash(path, h)
	if n == 0 || r.retires() || r.pending.get(path, h) != nil || !r.tree.MayGo(n, r.now.Wall, r.cfg.ContainerNeverUsed) {
		return
	}
	w := write{zxid: r.draft()}
	frame := jute.AppendText(nil, path)
	d := jute.NewDecoder(frame)
	typ := wire.OpDeleteContainer
	if code := r.prepDeleteContainer(&w, &d); code != wire.CodeOK {
		typ = wire.OpError
		r.work.body = (&wire.ErrorTxn{Err: code}).Append(r.work.body[:0])
	} else {
		r.stats.TTLDeleted++
	}
	r.propose(&w, typ, 0, nil)
}
