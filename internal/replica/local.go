package replica

import (
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Local sessions are known to one server only: no transaction creates or ends
// them, the server itself lets them expire, and no other server takes their
// clients over. One that creates an ephemeral becomes a session of the ensemble
// first, if that is allowed (UpgradeableSessionTracker of Apache's server).
//
// Other than there a local session outlives a change of its server's role, so
// that its client need not notice one.

// localSessions says whether new sessions are local.
func (r *Replica) localSessions() bool {
	return r.peer != nil && r.peer.cfg.LocalSessions
}

// openLocal gives a connection a new local session.
func (r *Replica) openLocal(c *conn, timeout int32) {
	s := r.sessions.add(r.sessions.newID(), timeout)
	s.local = true
	r.sessions.locals++
	s.conn, c.sess = c, s
	r.touch(s)
	password := Password(s.id)
	r.connectResponse(c, s.timeout, s.id, password[:])
}

// unlocal makes a local session one of the ensemble.
func (r *Replica) unlocal(s *session) {
	s.local = false
	r.sessions.locals--
	r.sessions.unlink(s)
}

// global makes the session of a connection one of the ensemble if a request
// needs that: its createSession goes ahead of the request
// (QuorumZooKeeperServer.checkUpgradeSession). The code is that of a request
// that may not have that.
func (r *Replica) global(c *conn, op wire.Opcode, body []byte) wire.Code {
	s := c.sess
	if s == nil || !s.local || s.closing || !makesEphemeral(op, body) {
		return wire.CodeOK
	}
	if !r.peer.cfg.UpgradeSessions {
		return wire.CodeEphemeralOnLocalSession
	}
	r.note("a local session becomes one of the ensemble", "session", hexZxid(s.id))
	r.unlocal(s)
	r.touch(s)
	if !r.leads() {
		r.ask(s.id, wire.RequestHeader{Type: wire.OpCreateSession}, jute.AppendInt(nil, s.timeout), nil)
		return wire.CodeOK
	}
	if r.retires() {
		return wire.CodeOK
	}
	w := write{sess: s, zxid: r.draft()}
	r.work.body = (&wire.CreateSessionTxn{TimeOut: s.timeout}).Append(r.work.body)
	r.propose(&w, wire.OpCreateSession, 0, nil)
	return wire.CodeOK
}

// makesEphemeral says whether a request creates an ephemeral, on its own or in
// a multi.
func makesEphemeral(op wire.Opcode, body []byte) bool {
	d := jute.NewDecoder(body)
	switch op {
	case wire.OpCreate, wire.OpCreate2:
		return ephemeralCreate(d)
	case wire.OpMulti:
	default:
		return false
	}
	for {
		var h wire.MultiHeader
		h.Decode(&d)
		switch {
		case d.Err() != nil || h.Done:
			return false
		case (h.Type == wire.OpCreate || h.Type == wire.OpCreate2) && ephemeralCreate(d):
			return true
		}
		skipOp(h.Type, &d)
	}
}

func ephemeralCreate(d jute.Decoder) bool {
	var q wire.CreateRequest
	q.Decode(&d)
	return d.Err() == nil && (q.Flags == modeEphemeral || q.Flags == modeEphemeralSequential)
}

// localClosed answers a closeSession of a local session.
func (r *Replica) localClosed(c *conn, h wire.RequestHeader, at int64) {
	r.reply(c, h.Xid, r.tree.LastZxid(), wire.CodeOK)
	c.last.note(h.Type, h.Xid, r.tree.LastZxid(), r.now.Mono, r.now.Mono-at)
	r.endLocal(c.sess, "session closed")
}

// endLocal forgets a local session.
func (r *Replica) endLocal(s *session, why string) {
	c := s.conn
	r.sessions.remove(s)
	if c != nil {
		s.conn, c.sess = nil, nil
		r.close(c, why)
	}
}

// foreign says whether a request may be of a local session of the learner that
// sent it: the leader knows the others (LeaderSessionTracker.checkSession).
func (r *Replica) foreign(id int64) bool {
	return r.localSessions() && uint64(id)>>56 != uint64(r.cfg.ServerID)&0xff
}
