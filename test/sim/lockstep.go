package sim

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// lockstep follows one turn of the server in the model: the same events in
// the same order, and for each what it has to append to the log.
type lockstep struct {
	w    *world
	m    *model
	s    *server
	now  replica.Time
	recs []replica.Record // appended by this turn and not yet expected
}

func (l *lockstep) follow(items []item) {
	for i := range items {
		it := &items[i]
		switch it.event.Kind {
		case replica.ConnOpen:
			l.open(it)
		case replica.ConnClosed:
			l.closed(it.conn)
		case replica.ClientBatch:
			l.batch(it)
		case replica.Durable:
			l.durable(it.event.Zxid)
		case replica.Tick:
			l.tick()
		}
	}
	if len(l.recs) > 0 {
		l.w.fail("I4", "the server appended a transaction that nobody asked for: %s", describe(l.recs[0].Entry))
	}
}

// open follows a connect request.
func (l *lockstep) open(it *item) {
	c := it.conn
	st := c.stream
	q := &it.connect
	st.cursor = l.m.applied
	timeout := min(max(q.TimeOut, l.s.cfg.MinSessionTimeout), l.s.cfg.MaxSessionTimeout)
	if q.LastZxidSeen > l.m.applied {
		l.w.fail("acked", "a client has seen 0x%x and the server is at 0x%x", q.LastZxidSeen, l.m.applied)
	}
	st.connect = &handshake{oldClient: !q.HasReadOnly}
	if q.SessionID == 0 {
		rec, h := l.take("a createSession")
		if l.m.byID[h.ClientID] != nil || h.ClientID == 0 {
			l.w.fail("session", "session id 0x%x is given out twice", h.ClientID)
		}
		t := l.m.predictSession(h.ClientID, timeout, l.now.Wall, l.now.Mono, st)
		l.match(t, rec)
		st.session = l.m.byID[h.ClientID]
		st.connect.zxid, st.connect.id, st.connect.timeout = t.zxid, h.ClientID, timeout
		return
	}
	st.connect.ready = true
	s := l.m.byID[q.SessionID]
	if s != nil && s.stream != nil {
		s.stream.end()
		s.stream, s.heard = nil, l.now.Mono
		l.w.met("session moved to another connection")
	}
	password := replica.Password(q.SessionID)
	if s == nil || s.closed != 0 || !bytes.Equal(q.Passwd, password[:]) {
		st.connect.refused = true
		st.gone = true
		l.w.met("resume refused")
		return
	}
	st.connect.id, st.connect.timeout = s.id, timeout
	st.session, s.stream = s, st
	s.timeout = timeout
	l.touch(s)
	l.w.met("session resumed")
}

func (l *lockstep) closed(c *conn) {
	c.stream.gone, c.stream.cut = true, true
	if s := c.stream.session; s != nil && s.stream == c.stream {
		s.stream = nil
	}
}

func (l *lockstep) touch(s *session) { s.active, s.heard = l.now.Mono, l.now.Mono }

// batch follows the requests of a client.
func (l *lockstep) batch(it *item) {
	st := it.conn.stream
	if st.cut {
		return
	}
	if s := st.session; s != nil && s.stream == st && s.closed == 0 {
		l.touch(s)
	}
	for _, q := range it.reqs {
		switch {
		case st.gone:
			return
		case it.event.Throttled:
			st.push(q, 0)
			st.expect[len(st.expect)-1].throttled = true
		case q.op == wire.OpAuth:
			st.auths++
			st.ids = append(slices.Clone(st.ids), wire.ID{Scheme: "digest", ID: digestOf(string(q.data))})
		case q.op.Writes():
			t := l.m.predict(asker{st.session, st, l.now.Wall}, q)
			rec, _ := l.take(q.String())
			l.match(t, rec)
			st.push(q, t.zxid)
			if t.code != wire.CodeOK {
				l.w.met("write refused")
			}
		default:
			st.push(q, 0)
		}
	}
}

// take takes the next record that the turn appended.
func (l *lockstep) take(what string) (replica.Record, wire.TxnHeader) {
	if len(l.recs) == 0 {
		l.w.fail("I4", "%s appended nothing to the log", what)
	}
	rec := l.recs[0]
	l.recs = l.recs[1:]
	d := jute.NewDecoder(rec.Entry)
	var h wire.TxnHeader
	h.Decode(&d)
	return rec, h
}

// match compares a record with the transaction that the model foretold.
func (l *lockstep) match(t *txn, rec replica.Record) {
	t.entry = bytes.Clone(rec.Entry)
	d := jute.NewDecoder(t.entry)
	var h wire.TxnHeader
	h.Decode(&d)
	want := wire.TxnHeader{ClientID: t.session, Cxid: t.cxid, Zxid: t.zxid, Time: t.time, Type: t.typ}
	if h != want || rec.Zxid != t.zxid {
		l.w.fail("I4", "transaction header %+v (record 0x%x), expected %+v", h, rec.Zxid, want)
	}
	rest := d.Rest()
	n, ok := wire.TxnBodySize(h.Type, rest)
	if !ok || !bytes.Equal(body(h.Type, rest[:n]), t.body) {
		l.w.fail("reply", "body of %s, expected %x", describe(t.entry), t.body)
	}
	rest = rest[n:]
	if !l.m.digests || h.Type == wire.OpError { // an error carries none in Apache's log either
		if len(rest) > 0 {
			l.w.fail("I5", "transaction 0x%x carries a digest", t.zxid)
		}
		return
	}
	d = jute.NewDecoder(rest)
	var g wire.TxnDigest
	g.Decode(&d)
	if d.Err() != nil || g.Version != wire.DigestVersion || uint64(g.Digest) != t.digest {
		l.w.fail("I5", "%s carries the digest %x, expected %x", describe(t.entry), uint64(g.Digest), t.digest)
	}
	l.w.met("transaction")
}

// body returns the body of a transaction with the paths of a closeSession
// sorted: their order is the server's choice.
func body(typ wire.Opcode, b []byte) []byte {
	if typ != wire.OpCloseSession || len(b) == 0 {
		return b
	}
	d := jute.NewDecoder(b)
	return sortedStrings(nil, &d)
}

// durable follows the news that the log holds everything up to zxid.
func (l *lockstep) durable(zxid int64) {
	for l.m.applied < min(zxid, l.m.last()) {
		l.m.applied++
		t := l.m.txn(l.m.applied)
		s := l.m.byID[t.session]
		switch {
		case t.typ == wire.OpCreateSession:
			if s.stream != nil && s.stream.connect != nil {
				s.stream.connect.ready = true
			}
		case t.typ == wire.OpCloseSession:
			l.sessionEnds(t, s)
		case s != nil && s.stream != nil:
			s.stream.durable(t.zxid, false)
		}
	}
}

// sessionEnds gives a client that asked for it its answer, and closes the
// connection.
func (l *lockstep) sessionEnds(t *txn, s *session) {
	if s.stream == nil {
		return
	}
	if t.cxid != 0 {
		s.stream.durable(t.zxid, true)
	}
	s.stream.end()
	s.stream = nil
}

// tick follows what the server decides by its clock: which sessions expire,
// never early and at most a tick late, and which nodes go.
func (l *lockstep) tick() {
	for _, s := range l.m.ordered {
		if s.fastRead && s.closed == 0 {
			// A read in the millisecond of a tick may count for the next one.
			s.fastRead, s.heard = s.active == l.now.Mono, l.now.Mono
		}
	}
	expire := cmp.Or(l.s.cfg.Limits.Expire, math.MaxInt) // what is more belongs to the next tick
	for len(l.recs) > 0 {
		d := jute.NewDecoder(l.recs[0].Entry)
		var h wire.TxnHeader
		h.Decode(&d)
		switch {
		case h.Type == wire.OpCloseSession && h.Cxid == 0 && expire > 0:
			l.expire(h.ClientID)
			expire--
		case h.Type == wire.OpDeleteContainer && h.ClientID == 0:
			l.sweep(d.String())
			expire = 0
		default:
			l.overdue()
			return
		}
	}
	l.overdue()
}

func (l *lockstep) expire(id int64) {
	s := l.m.byID[id]
	if s == nil || s.closed != 0 {
		l.w.fail("session", "session 0x%x expired, which is none", id)
	}
	if l.now.Mono <= s.active+int64(s.timeout) {
		l.w.fail("session", "session 0x%x with a timeout of %d ms expired %d ms after its last request",
			id, s.timeout, l.now.Mono-s.active)
	}
	rec, _ := l.take("")
	l.m.dirty = l.m.dirty[:0]
	t := &txn{zxid: l.m.last() + 1, typ: wire.OpCloseSession, session: id, time: l.now.Wall}
	l.m.close(t, s)
	l.m.add(t)
	l.match(t, rec)
	l.w.met("session expired")
}

func (l *lockstep) sweep(path string) {
	rec, _ := l.take("")
	t, wrong := l.m.predictSweep(path, l.now.Wall, l.s.cfg.ContainerNeverUsed)
	if wrong != "" {
		l.w.fail("sweep", "%s was removed: %s", path, wrong)
	}
	l.match(t, rec)
	l.w.met("container or TTL node removed")
}

// overdue looks for sessions that should have expired.
func (l *lockstep) overdue() {
	if l.s.fx.Again {
		return // it goes on in the next turn
	}
	tick := l.s.cfg.TickTime
	for _, s := range l.m.ordered {
		bucket := ((s.heard+int64(s.timeout))/tick + 1) * tick
		if s.closed == 0 && bucket <= l.now.Mono {
			l.w.fail("session", "session 0x%x with a timeout of %d ms lives %d ms after its last request",
				s.id, s.timeout, l.now.Mono-s.heard)
		}
	}
}
