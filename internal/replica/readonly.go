package replica

import (
	"maps"
	"slices"

	"zooid/internal/wire"
)

// A member that has found no leader for a while can serve what it has to those
// clients that ask for no more (readonlymode.enabled; ReadOnlyZooKeeperServer of
// Apache's server). Their sessions are local and end with it. Apache's server
// opens none without localSessionsEnabled, and answers with a stray frame.

// readOnlyGrace is how long, in ms, a server looks for a leader before it
// serves read-only, unless a tick is longer.
const readOnlyGrace = 2000

// mayServeReadOnly begins to serve read-only if it is time for that.
func (r *Replica) mayServeReadOnly() {
	p := r.peer
	if !p.cfg.ReadOnly || r.readOnly || r.State() != wire.Looking || p.lookDue ||
		r.suspended || r.now.Mono-p.lookingSince < max(readOnlyGrace, r.cfg.TickTime) {
		return
	}
	r.readOnly = true
	r.showConfig()
	p.out.Roles = append(p.out.Roles, RoleChange{State: wire.Looking, ReadOnly: true, Term: p.term})
}

// endReadOnly closes everybody: there is a leader to go to.
func (r *Replica) endReadOnly() {
	if !r.readOnly {
		return
	}
	r.readOnly = false
	r.closeAll("read-only mode is over")
	for _, id := range slices.Collect(maps.Keys(r.sessions.byID)) {
		if s := r.sessions.byID[id]; s.passing {
			r.sessions.remove(s)
		}
	}
}

// openReadOnly takes a connect request of a client while the server serves
// read-only. A session that is not known here may be one of the ensemble, whose
// end nobody can tell: its client may read in its name.
func (r *Replica) openReadOnly(c *conn, req *wire.ConnectRequest, timeout int32) {
	s := r.sessions.byID[req.SessionID]
	switch {
	case req.SessionID == 0:
		r.openLocal(c, timeout)
		c.sess.passing = true
	case s != nil && !s.local:
		r.close(c, "a session of the ensemble cannot go on in read-only mode")
	case s == nil && provesPassword(req):
		s = r.sessions.add(req.SessionID, timeout)
		s.local, s.passing, s.adopted = true, true, true
		r.sessions.locals++
		r.attach(c, s, timeout)
	default:
		r.reattach(c, req)
	}
}

// refusedReadOnly says whether a request is one that a server without a quorum
// cannot take (ReadOnlyRequestProcessor).
func refusedReadOnly(c *conn, op wire.Opcode) bool {
	if op == wire.OpCloseSession {
		return c.sess == nil || c.sess.adopted
	}
	return op.Writes() || op == wire.OpSync
}
