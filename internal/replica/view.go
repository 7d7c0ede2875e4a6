package replica

import "zooid/internal/ensemble"

// The methods of this file only read; an operator's commands use them.

// SessionView is a session as an operator sees it.
type SessionView struct {
	ID      int64
	Timeout int32 // ms, as the session began
	Expires int64 // Time.Mono; 0 for those that another server lets expire
	Local   bool  // known to this server only
}

// Sessions calls f for every session whose creation is applied, and for the
// local ones.
func (r *Replica) Sessions(f func(SessionView)) {
	for _, s := range r.sessions.byID {
		if s.committed || s.local {
			f(SessionView{s.id, s.timeout, s.bucket, s.local})
		}
	}
}

// SessionCount returns the number of sessions that the ensemble knows.
func (r *Replica) SessionCount() int { return len(r.sessions.byID) - r.sessions.locals }

// ReadOnly says whether clients are served read-only, without a leader.
func (r *Replica) ReadOnly() bool { return r.readOnly }

// LocalSessionCount returns the number of sessions that only this server knows.
func (r *Replica) LocalSessionCount() int { return r.sessions.locals }

// ConnView is a connection as an operator sees it.
type ConnView struct {
	Session int64 // 0 before the handshake is answered
	Timeout int32 // ms
	Expires int64 // Time.Mono
	Waiting int   // requests in its slots
	Last    LastRequest
}

// Conn describes a connection; false when the core does not know it.
func (r *Replica) Conn(id ConnID) (ConnView, bool) {
	c := r.conn(id)
	if c == nil {
		return ConnView{}, false
	}
	v := ConnView{Waiting: c.waiting(), Last: c.last}
	if s := c.sess; s != nil && (s.committed || s.local) {
		v.Session, v.Timeout, v.Expires = s.id, s.lease, s.bucket
	}
	return v, true
}

// SessionOf returns the session that a connection holds, 0 for none.
func (r *Replica) SessionOf(id ConnID) int64 {
	if c := r.conn(id); c != nil && c.sess != nil {
		return c.sess.id
	}
	return 0
}

// DigestAt is the digest of the tree as of a zxid.
type DigestAt struct {
	Zxid   int64
	Digest uint64
}

// A digest is remembered at every zxid that digestEvery divides, and the last
// digestsKept of them (DataTree.DIGEST_LOG_INTERVAL, DIGEST_LOG_LIMIT).
const (
	digestEvery = 128
	digestsKept = 1024
)

// Digests returns the remembered digests, the oldest first.
func (r *Replica) Digests() []DigestAt { return append([]DigestAt(nil), r.digests...) }

func (r *Replica) rememberDigest(zxid int64) {
	if zxid%digestEvery != 0 {
		return
	}
	if len(r.digests) == digestsKept {
		r.digests = r.digests[:copy(r.digests, r.digests[1:])]
	}
	r.digests = append(r.digests, DigestAt{zxid, r.tree.Digest()})
}

// Config returns the configuration that the replica was made with.
func (r *Replica) Config() Config { return r.cfg }

// Membership returns the committed configuration of the ensemble, nil for a
// server that is alone.
func (r *Replica) Membership() *ensemble.Membership {
	if r.peer == nil {
		return nil
	}
	return r.peer.current
}

// LeaderView is what a leader has around it, in numbers.
type LeaderView struct {
	Learners  int // connected, in sync or not
	Followers int // that get the live traffic, with a vote or not
	NonVoting int // of them, those without a vote
	Observers int // that get the live traffic
	Barriers  int // syncs that wait for a commit
}

// Leadership counts what is around a leader, or around a follower that observers
// learn from; all 0 for others.
func (r *Replica) Leadership() (v LeaderView) {
	h := r.host()
	if h == nil || r.peer == nil {
		return v
	}
	v.Barriers = len(r.peer.barriers)
	for _, k := range h.Learners() {
		v.Learners++
		switch {
		case !k.Forwarding():
		case k.Observer:
			v.Observers++
		default:
			v.Followers++
			if !h.Votes(k) {
				v.NonVoting++
			}
		}
	}
	return v
}

// Observer says whether the server does not vote, by the committed
// configuration.
func (r *Replica) Observer() bool { return r.peer != nil && r.peer.observer }
