package replica

import (
	"maps"
	"slices"

	"zooid/internal/zab"
)

// session is one client session, from the preparation of its createSession
// until its closeSession is applied.
type session struct {
	id        int64
	timeout   int32 // ms, as createSession has it: what snapshots keep
	lease     int32 // ms, as its connection was told last: what renews it
	conn      *conn // nil while no connection of this server holds it
	committed bool  // createSession is applied
	closing   bool  // closeSession is proposed
	touched   bool  // since the learner last told its leader
	local     bool  // known to this server only
	passing   bool  // local for as long as the server is read-only
	adopted   bool  // passing, and not created here
	// owner is the connection of the learner that holds the session's own, 0
	// for this server. Only a leader keeps it.
	owner zab.LinkID

	bucket     int64 // expiry time of its bucket, a multiple of the tick
	prev, next *session
}

// nobody owns a session that no server has used since the leader began.
const nobody zab.LinkID = 1<<32 - 1

// sessionTable holds the sessions and the buckets in which they expire.
// Renewal is O(1): a session moves to the bucket of its new expiry time, as in
// ExpiryQueue of Apache's server.
type sessionTable struct {
	tick   int64
	byID   map[int64]*session
	lists  map[int64]*session // bucket -> head of its list
	oldest int64              // no bucket before this one is filled
	nextID int64
	locals int // how many are local
}

func newSessionTable(tick int64) sessionTable {
	return sessionTable{tick: tick, byID: map[int64]*session{}, lists: map[int64]*session{}}
}

// start fixes where new ids begin: 40 bits of the clock, then a counter of 16
// bits, below the server's id (SessionTrackerImpl.initializeNextSessionId, on
// the wall clock so that ids differ after a reboot).
func (t *sessionTable) start(serverID int64, now Time) {
	t.nextID = int64(uint64(now.Wall<<24)>>8) | serverID<<56
}

// renewAll gives every session its full timeout.
func (t *sessionTable) renewAll(now Time) {
	t.oldest = t.roundUp(now.Mono)
	// In order of the ids, as sessions of one bucket expire in the order of
	// their last touch: a seed gives one run.
	for _, id := range slices.Sorted(maps.Keys(t.byID)) {
		s := t.byID[id]
		if !s.local {
			s.owner, s.closing = nobody, false
		}
		t.unlink(s)
		t.touch(s, now.Mono)
	}
}

// keepLocals takes the local sessions of another table.
func (t *sessionTable) keepLocals(old *sessionTable, now Time) {
	if old.locals == 0 {
		return
	}
	t.oldest = t.roundUp(now.Mono)
	for _, id := range slices.Sorted(maps.Keys(old.byID)) {
		if s := old.byID[id]; s.local {
			s.prev, s.next, s.bucket = nil, nil, 0
			t.byID[id] = s
			t.locals++
			t.touch(s, now.Mono)
		}
	}
}

func (t *sessionTable) roundUp(ms int64) int64 { return (ms/t.tick + 1) * t.tick }

// newID returns an id that no session has.
func (t *sessionTable) newID() int64 {
	for {
		id := t.nextID
		t.nextID++
		if id != 0 && id != -1<<63 && t.byID[id] == nil {
			return id
		}
	}
}

func (t *sessionTable) add(id int64, timeout int32) *session {
	s := &session{id: id, timeout: timeout, lease: timeout}
	t.byID[id] = s
	return s
}

// touch moves the session's expiry to now plus its timeout, rounded up.
func (t *sessionTable) touch(s *session, now int64) {
	b := t.roundUp(now + int64(s.lease))
	if b == s.bucket {
		return
	}
	t.unlink(s)
	s.bucket = b
	if head := t.lists[b]; head != nil {
		head.prev = s
		s.next = head
	}
	t.lists[b] = s
}

func (t *sessionTable) unlink(s *session) {
	if s.bucket == 0 {
		return
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else if s.next != nil {
		t.lists[s.bucket] = s.next
	} else {
		delete(t.lists, s.bucket)
	}
	s.prev, s.next, s.bucket = nil, nil, 0
}

func (t *sessionTable) remove(s *session) {
	t.unlink(s)
	delete(t.byID, s.id)
	if s.local {
		t.locals--
	}
}

// expired takes one session whose bucket is past out of the buckets; nil when
// there is none.
func (t *sessionTable) expired(now int64) *session {
	for ; t.oldest <= now; t.oldest += t.tick {
		if s := t.lists[t.oldest]; s != nil {
			t.unlink(s)
			return s
		}
	}
	return nil
}

// Session passwords are not stored: any server computes them from the id.
const (
	passwordSalt = 0xB3415C00
	lcgMul       = 0x5DEECE66D
	lcgMask      = 1<<48 - 1
	passwordSize = 16
)

// Password returns the 16 bytes that prove the ownership of a session: the
// output of java.util.Random seeded with the salted id
// (ZooKeeperServer.generatePasswd).
func Password(id int64) [passwordSize]byte {
	var p [passwordSize]byte
	seed := (uint64(id^passwordSalt) ^ lcgMul) & lcgMask
	for i := 0; i < passwordSize; i += 4 {
		seed = (seed*lcgMul + 0xB) & lcgMask
		v := uint32(seed >> 16)
		p[i], p[i+1], p[i+2], p[i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return p
}
