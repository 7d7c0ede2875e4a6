package replica

import (
	"bytes"

	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/wire"
)

// conn is a client connection as the core knows it.
type conn struct {
	id        ConnID
	waits     *waiting           // of the replica
	ids       []wire.ID          // identities; replaced, never changed in place
	login     *sasl.DigestServer // nil before the first SASL token
	sess      *session
	oldClient bool  // sent no readOnly byte and gets none
	gone      bool  // closed by either side: no more replies
	heard     int64 // Time.Mono; the client has sent something then or, at most a tick, later

	out      []byte // replies not yet handed to the shell
	dirty    bool
	withheld *withheld // nil: all of out may be delivered
	answered int       // requests answered since the last Drain
	frames   int       // frames in out

	// Requests that wait for an earlier write of the session, oldest first,
	// and the frames of those that are not writes themselves.
	slots    []slot
	slotHead int
	reads    int     // how many of them are reads, heavy ones counted for several
	stalled  bool    // the oldest could be answered, but there are too many replies
	parked   []batch // wait for a leader, or for room (backlog.go)
	syncs    int     // SYNCs of the leader that have come for this connection's
	held     []byte
	heldBase int // offset in the stream of held[0]

	// timely says that the request that is being answered came before its session
	// began to end.
	timely bool
	last   LastRequest
}

// batch is a run of whole frames.
type batch struct {
	frames    []byte
	at        int64 // Time.Mono of arrival
	throttled bool
}

// slot is one request whose reply is due at its place in the order.
type slot struct {
	kind slotKind
	xid  int32
	op   wire.Opcode
	at   int64 // Time.Mono of arrival
	off  int   // in the stream of held frames
	n    int
	// throttled: the reply is THROTTLEDOP, and no frame is held.
	throttled bool
	timely    bool      // it came before its session began to end
	refused   wire.Code // what it is answered whatever its transaction says
}

// slotKind is what a request waits for.
type slotKind uint8

const (
	slotRead  slotKind = iota // its turn
	slotWrite                 // its transaction
	slotSync                  // its turn, and the leader's SYNC
)

// mayPop says whether the oldest waiting request can be answered now.
func (c *conn) mayPop() bool {
	if c.waiting() == 0 {
		return false
	}
	switch c.slots[c.slotHead].kind {
	case slotSync:
		return c.syncs > 0
	case slotWrite:
		return false
	}
	return true
}

// LastRequest is what cons shows of the newest request answered in the core.
type LastRequest struct {
	Op         wire.Opcode
	Cxid       int32
	Zxid       int64
	At         int64 // Time.Mono of the answer
	Latency    int64 // ms
	Min, Max   int64
	Sum, Count int64
}

func (l *LastRequest) note(op wire.Opcode, cxid int32, zxid, now, latency int64) {
	l.Op, l.Zxid, l.At, l.Latency = op, zxid, now, latency
	if cxid >= 0 {
		l.Cxid = cxid
	}
	if l.Count == 0 || latency < l.Min {
		l.Min = latency
	}
	l.Max = max(l.Max, latency)
	l.Sum += latency
	l.Count++
}

func (r *Replica) conn(id ConnID) *conn {
	if int(id) >= len(r.conns) {
		return nil
	}
	return r.conns[id]
}

// connOpen answers a connect request (ZooKeeperServer.processConnectRequest).
func (r *Replica) connOpen(e *Event) {
	c := &conn{id: e.Conn, ids: e.IDs, waits: &r.waits, heard: r.now.Mono}
	for int(e.Conn) >= len(r.conns) {
		r.conns = append(r.conns, nil)
	}
	r.conns[e.Conn] = c
	if !r.serving && !r.readOnly {
		r.close(c, "not serving")
		return
	}
	var req wire.ConnectRequest
	d := jute.NewDecoder(e.Frames)
	req.Decode(&d)
	if d.Err() != nil {
		r.close(c, "undecodable connect request")
		return
	}
	c.oldClient = !req.HasReadOnly
	if r.readOnly && !req.ReadOnly {
		r.close(c, "not a client for read-only mode")
		return
	}
	if req.LastZxidSeen > r.tree.LastZxid() {
		r.close(c, "client has seen a newer zxid than this server")
		return
	}
	timeout := min(max(req.TimeOut, r.cfg.MinSessionTimeout), r.cfg.MaxSessionTimeout)
	if r.readOnly {
		r.openReadOnly(c, &req, timeout)
		return
	}
	if req.SessionID == 0 {
		if r.localSessions() {
			r.openLocal(c, timeout)
		} else if r.leads() {
			r.prepCreateSession(c, timeout, e.At)
		} else {
			r.forwardCreateSession(c, timeout, e.At)
		}
		return
	}
	r.reattach(c, &req)
}

// reattach attaches a connection to a session that exists, or tells it that the
// session is gone. The timeout that it asks for holds from now on; the log,
// and with it every snapshot, keeps the one that the session began with
// (SessionTrackerImpl.touchSession).
func (r *Replica) reattach(c *conn, req *wire.ConnectRequest) {
	s := r.sessions.byID[req.SessionID]
	if s != nil && s.conn != nil {
		old := s.conn
		if !s.closing {
			// Whoever takes its connection away, the client has its timeout to
			// come back; what it read outside the core is not told any more.
			r.touch(s)
		}
		s.conn, old.sess = nil, nil
		r.close(old, "session resumed on another connection")
	}
	lease := min(max(req.TimeOut, r.cfg.MinSessionTimeout), r.cfg.MaxSessionTimeout)
	switch {
	case !provesPassword(req):
		r.attach(c, nil, lease)
	case r.leads(), s != nil && s.local:
		if s != nil && s.closing {
			if s.local {
				r.sessions.remove(s) // the old connection will not have its closeSession answered
			}
			s = nil
		}
		r.attach(c, s, lease)
	default:
		r.revalidate(c, req.SessionID, lease)
	}
}

func provesPassword(req *wire.ConnectRequest) bool {
	want := Password(req.SessionID)
	return bytes.Equal(req.Passwd, want[:])
}

// attach makes a connection the one of a session and answers its connect
// request; nil says that there is no such session any more.
func (r *Replica) attach(c *conn, s *session, lease int32) {
	if s == nil {
		r.connectResponse(c, 0, 0, make([]byte, passwordSize))
		r.close(c, "session expired or password wrong")
		return
	}
	r.stats.Revalidations++
	s.conn, c.sess = c, s
	s.lease, s.owner = lease, 0
	r.touch(s)
	password := Password(s.id)
	r.connectResponse(c, s.lease, s.id, password[:])
}

// connClosed forgets the connection and its watches. The session lives on.
func (r *Replica) connClosed(id ConnID) {
	c := r.conn(id)
	if c == nil {
		return
	}
	r.detach(c)
	r.conns[id] = nil
}

// close asks the shell to close the connection; it gets no more replies.
func (r *Replica) close(c *conn, why string) {
	if c.gone {
		return
	}
	r.detach(c)
	r.fx.Close = append(r.fx.Close, CloseConn{c.id, why})
}

func (r *Replica) detach(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	r.tree.DropConn(uint32(c.id))
	if s := c.sess; s != nil {
		s.conn = nil
		if s.local && s.closing {
			r.sessions.remove(s) // its closeSession will not have its turn
		}
	}
	c.drop()
}

// Drain moves the replies and events of a connection to the end of dst and
// returns how many requests they answer and how many frames they are. more asks
// for a Room event once the client has taken of them.
func (r *Replica) Drain(id uint32, dst []byte) (out []byte, answered, frames int, more bool) {
	c := r.conn(ConnID(id))
	if c == nil {
		return dst, 0, 0, false
	}
	c.dirty = false
	if w := c.withheld; w != nil {
		dst, answered, frames = append(dst, c.out[:w.out]...), w.answered, w.frames
		c.out = c.out[:copy(c.out, c.out[w.out:])]
		c.answered, c.frames = c.answered-answered, c.frames-frames
		*w = withheld{}
		return dst, answered, frames, false
	}
	answered, frames, more = c.answered, c.frames, r.hasMore(c)
	c.answered, c.frames = 0, 0
	if len(dst) == 0 && len(c.out) > maxReplies { // too much to be copied
		dst, c.out = c.out, nil
		return dst, answered, frames, more
	}
	dst = append(dst, c.out...)
	if cap(c.out) > maxKeptOut {
		c.out = nil
	} else {
		c.out = c.out[:0]
	}
	return dst, answered, frames, more
}

// maxKeptOut is the largest reply buffer, in bytes, that a connection keeps
// while it has nothing to say.
const maxKeptOut = 4 << 10

// push queues a request behind the writes of its session. frame is nil for the
// writes themselves.
func (c *conn) push(s slot, frame []byte) {
	if c.slotHead > 64 && c.slotHead > len(c.slots)/2 {
		c.slots = c.slots[:copy(c.slots, c.slots[c.slotHead:])]
		c.slotHead = 0
	}
	if frame != nil {
		s.off, s.n = c.heldBase+len(c.held), len(frame)
		c.held = append(c.held, frame...)
	}
	s.timely = c.sess != nil && !c.sess.closing
	if c.waiting() == 0 {
		c.waits.conns++
	}
	if s.kind != slotWrite {
		c.waits.others++
		c.reads += s.weight()
	}
	c.slots = append(c.slots, s)
	c.waits.Pushed.add(c.waiting())
}

func (c *conn) waiting() int { return len(c.slots) - c.slotHead }

// pop takes the oldest waiting request.
func (c *conn) pop() slot {
	s := c.slots[c.slotHead]
	c.slotHead++
	if s.kind != slotWrite {
		c.waits.others--
		c.reads -= s.weight()
	}
	if c.slotHead == len(c.slots) {
		c.slots, c.slotHead = c.slots[:0], 0
		c.waits.conns--
	}
	return s
}

// drop forgets what waits.
func (c *conn) drop() {
	for c.waiting() > 0 {
		c.pop()
	}
	c.stall(false)
	c.slots, c.slotHead, c.held, c.heldBase, c.parked = nil, 0, nil, 0, nil
}

// take is pop for a write whose transaction is applied.
func (c *conn) take() slot {
	s := c.pop()
	if s.n > 0 {
		c.trim(s)
	}
	return s
}

// frame returns the held frame of a slot and gives back the memory before it.
func (c *conn) frame(s slot) []byte {
	f := c.held[s.off-c.heldBase : s.off-c.heldBase+s.n]
	return f
}

// trim gives back the memory of frames that were answered.
func (c *conn) trim(s slot) {
	end := s.off + s.n - c.heldBase
	if end == len(c.held) {
		c.held, c.heldBase = c.held[:0], s.off+s.n
		if cap(c.held) > maxKeptOut {
			c.held = nil
		}
	} else if end > 4096 && end > len(c.held)/2 {
		c.held = c.held[:copy(c.held, c.held[end:])]
		c.heldBase = s.off + s.n
	}
}

// markDirty puts the connection on the list of those with something to flush.
func (r *Replica) markDirty(c *conn) {
	if !c.dirty && c.withheld == nil {
		c.dirty = true
		r.fx.Dirty = append(r.fx.Dirty, c.id)
	}
}
