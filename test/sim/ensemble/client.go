package ensemble

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"zooid/internal/jute"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// client is one user of the ensemble, who goes from server to server with its
// session.
type client struct {
	w *world
	n int

	id       int64 // session, 0 for none
	password []byte
	timeout  int32
	zxid     int64 // the newest that the session has seen
	xid      int32

	conn     *conn
	greeted  bool
	heard    int64 // from the server; world's time
	lastSent int64
	sent     []*request
	made     []string // sequential nodes
	watches  map[string]watch
	old      map[string]watch // of the connection before
	setting  bool             // the answer to setWatches is due
	asleep   int64            // until then it does nothing

	parted   bool // has done what it does at the end of the run
	stable   int64
	sessions int // that it has begun

	listen func(f []byte) // hears each frame first; nil: nobody does
	left   func(why string)
}

// watch is a watch of a client: the zxid of the read that set it, and whether
// the znode was there.
type watch struct {
	zxid  int64
	there bool
}

func newClient(w *world, n int) *client { return &client{w: w, n: n} }

// act lets the client do something, again and again.
func (c *client) act() {
	w := c.w
	if w.silent {
		return
	}
	pause := w.prof.think
	if c.greeted { // the session has to be kept alive
		pause = min(pause, int64(c.timeout)/6)
	}
	defer w.after(1+w.upTo(pause), c.act)
	switch {
	case w.now < c.asleep && !w.calm:
	case c.conn == nil:
		c.connect()
	case w.now-c.heard > c.patience():
		c.drop("the server is silent")
	case !c.greeted:
	case w.calm:
		c.part()
	case w.chance(60):
		c.leave()
	default:
		c.talk()
	}
}

// patience is how long a client waits for a sign of its server.
func (c *client) patience() int64 {
	if c.greeted {
		return int64(c.timeout) * 2 / 3
	}
	return 6 * c.w.prof.tick
}

// connect opens a connection to some server.
func (c *client) connect() {
	w := c.w
	if s := w.servers[w.rng.IntN(len(w.servers))]; s.life != nil {
		c.connectTo(s, int32((6+w.rng.Int64N(14))*w.prof.tick))
	}
}

// connectTo opens a connection to a server that is up.
func (c *client) connectTo(s *server, timeout int32) {
	w := c.w
	q := wire.ConnectRequest{TimeOut: timeout, Passwd: make([]byte, 16), HasReadOnly: true}
	if c.id != 0 {
		q.SessionID, q.Passwd, q.LastZxidSeen = c.id, c.password, c.zxid
	}
	conn := &conn{client: c, l: s.life, up: w.newPipe(0, s.id), down: w.newPipe(s.id, 0)}
	c.conn, c.heard, c.lastSent = conn, w.now, w.now
	conn.up.send(func() {
		if conn.l.s.life == conn.l {
			conn.l.accept(conn, q.Append(nil))
		}
	})
}

// drop closes the connection and keeps the session.
func (c *client) drop(why string) {
	if c.conn == nil {
		return
	}
	c.w.trace("client %d leaves server %d: %s", c.n, c.conn.l.s.id, why)
	c.conn.hangUp()
	if c.watches != nil && !c.setting {
		c.old = c.watches
	}
	c.conn, c.sent, c.greeted, c.watches = nil, nil, false, nil
	if c.left != nil {
		c.left(why)
	}
}

// leave breaks off in one of several ways.
func (c *client) leave() {
	w := c.w
	c.drop("as it likes")
	switch w.rng.IntN(4) {
	case 0: // dies; somebody else takes its place
		c.forget()
		w.met("client died")
	case 1:
		c.asleep = w.now + w.upTo(30*w.prof.tick)
	case 2:
		c.connect() // before the server has noticed
	}
}

// forget ends the session on the client's side.
func (c *client) forget() {
	c.id, c.zxid, c.xid, c.stable = 0, 0, 0, 0
	c.old, c.watches = nil, nil
}

func (c *client) send(list ...*request) {
	for _, q := range list {
		switch q.op {
		case wire.OpPing:
			q.xid = wire.XidPing
		case wire.OpSetWatches:
			q.xid = wire.XidSetWatches
		default:
			c.xid++
			q.xid = c.xid
		}
	}
	conn := c.conn
	c.w.trace("client %d asks server %d: %v", c.n, conn.l.s.id, list)
	c.sent = append(c.sent, list...)
	c.lastSent = c.w.now
	conn.up.send(func() {
		if conn.l.s.life == conn.l {
			conn.arrived(list)
		}
	})
}

// talk sends some requests.
func (c *client) talk() {
	w := c.w
	switch n := len(c.sent); {
	case n > 40 || n > 0 && c.sent[n-1].op == wire.OpCloseSession:
		return
	case w.now-c.lastSent > int64(c.timeout)/3:
		c.send(&request{op: wire.OpPing})
		return
	case w.chance(3):
		return
	}
	var list []*request
	for n := 1 + w.rng.IntN(w.prof.pipeline); n > 0; n-- {
		q := c.generate()
		list = append(list, q)
		if q.op == wire.OpCloseSession {
			break
		}
	}
	c.send(list...)
}

func (c *client) generate() *request {
	w := c.w
	path := fmt.Sprintf("/n%d", w.rng.IntN(8))
	data := fmt.Sprintf("%d.%d.%d", c.n, c.sessions, w.rng.IntN(1_000_000))
	if w.chance(10) {
		data += string(bytes.Repeat([]byte("x"), w.rng.IntN(2000)))
	}
	switch n := w.rng.IntN(100); {
	case n < 14:
		return &request{op: wire.OpCreate, path: path, data: data}
	case n < 22:
		return &request{op: wire.OpCreate, path: path, data: data, flags: 1}
	case n < 32:
		return &request{op: wire.OpCreate, path: "/s-", data: data, flags: int32(2 + w.rng.IntN(2))}
	case n < 44:
		if n := len(c.made); n > 0 && w.chance(2) {
			path, c.made = c.made[n-1], c.made[:n-1]
		}
		return &request{op: wire.OpDelete, path: path, version: -1}
	case n < 58:
		return &request{op: wire.OpSetData, path: path, data: data, version: int32(w.rng.IntN(3)) - 1}
	case n < 64:
		return &request{op: wire.OpMulti, subs: []*request{
			{op: wire.OpCheck, path: path, version: -1}, {op: wire.OpSetData, path: path, data: data, version: -1},
			{op: wire.OpCreate, path: "/s-", data: data, flags: 2},
		}}
	case n < 72:
		q := &request{op: wire.OpSync, path: "/"}
		if l := c.conn.l; l.serving {
			q.mustSee = w.truth.toldIn(l.epoch)
		}
		return q
	case n < 84:
		return &request{op: wire.OpGetData, path: path, watch: w.chance(2)}
	case n >= 95 && w.prof.reconfig && w.chance(4):
		return c.reconfig()
	case n < 98 || !w.chance(4):
		return &request{op: wire.OpExists, path: path, watch: w.chance(2)}
	}
	return &request{op: wire.OpCloseSession}
}

// part does what the client does at the end of the run.
func (c *client) part() {
	switch {
	case len(c.sent) > 0:
	case !c.parted:
		q := &request{op: wire.OpSync, path: "/"}
		c.send(&request{op: wire.OpCreate, path: "/s-", flags: 3}, q, &request{op: wire.OpExists, path: "/n1"})
		c.parted = true
	case c.w.now-c.lastSent > int64(c.timeout)/3:
		c.send(&request{op: wire.OpPing})
	}
}

// content says whether the client has nothing left to wait for.
func (c *client) content() bool { return c.greeted && c.parted && len(c.sent) == 0 }

// frame takes the next frame of the server.
func (c *client) frame(f []byte) {
	c.heard = c.w.now
	if c.listen != nil {
		c.listen(f)
	}
	d := jute.NewDecoder(f)
	if !c.greeted {
		c.welcome(&d)
		return
	}
	var h wire.ReplyHeader
	h.Decode(&d)
	if d.Err() != nil {
		c.fail("reply", "a frame of %d bytes that is no reply", len(f))
	}
	if h.Zxid < c.zxid && !(h.Xid == wire.XidNotification && h.Zxid == -1) {
		c.fail("zxid", "0x%x was shown and then 0x%x", c.zxid, h.Zxid)
	}
	if h.Xid == wire.XidNotification {
		c.notified(&h, &d)
	} else {
		c.replied(&h, &d)
	}
	if c.id != 0 {
		c.zxid = max(c.zxid, h.Zxid)
	}
}

// welcome reads the connect response.
func (c *client) welcome(d *jute.Decoder) {
	var r wire.ConnectResponse
	r.Decode(d)
	if r.TimeOut <= 0 {
		c.w.trace("client %d: session 0x%x has expired", c.n, c.id)
		c.w.met("session lost")
		if c.stable != 0 {
			c.fail("stable", "its session has expired although all was well")
		}
		c.forget()
		c.parted = false
		c.drop("the session has expired")
		return
	}
	if c.id == 0 {
		c.sessions++
		c.w.met("session begun")
	} else {
		c.w.met("session resumed")
	}
	if c.id != 0 && c.id != r.SessionID {
		c.fail("session", "session 0x%x was asked for and 0x%x came", c.id, r.SessionID)
	}
	c.greeted, c.watches, c.setting = true, map[string]watch{}, false
	c.id, c.password, c.timeout = r.SessionID, bytes.Clone(r.Passwd), r.TimeOut
	if len(c.old) > 0 {
		c.setWatches()
	}
}

// setWatches sets the watches of the connection before again: what has happened
// to them meanwhile is told at once.
func (c *client) setWatches() {
	q := &request{op: wire.OpSetWatches}
	q.set.RelativeZxid = c.zxid
	for _, path := range slices.Sorted(maps.Keys(c.old)) {
		if c.old[path].there {
			q.set.Data = append(q.set.Data, []byte(path))
		} else {
			q.set.Exist = append(q.set.Exist, []byte(path))
		}
	}
	c.watches, c.setting = c.old, true
	c.send(q)
}

// watchesSet takes the answer to setWatches: what is still watched has not
// changed since the watch was set, or is not there, if it was not.
func (c *client) watchesSet(h *wire.ReplyHeader) {
	c.setting = false
	if h.Err != wire.CodeOK {
		return // the session is closing
	}
	for path, x := range c.watches {
		next, changed := c.w.truth.next(path, x.zxid)
		if x.there && changed && next.zxid <= h.Zxid || !x.there && c.w.truth.seen(path, h.Zxid).exists {
			c.fail("I3", "the watch of %s was set again as of 0x%x, without the event of 0x%x", path, h.Zxid, next.zxid)
		}
		c.watches[path] = watch{h.Zxid, x.there}
	}
	c.w.met("watches set again")
}

func (c *client) fail(check, format string, args ...any) {
	c.w.fail(check, "client %d, session 0x%x, server %d: %s", c.n, c.id, c.conn.l.s.id, fmt.Sprintf(format, args...))
}

// notified takes an event: of the first change behind the read that set the
// watch.
func (c *client) notified(h *wire.ReplyHeader, d *jute.Decoder) {
	var e wire.WatcherEvent
	e.Decode(d)
	path := string(e.Path)
	set, watched := c.watches[path]
	if !watched {
		c.fail("I3", "an event of %s, which is not watched", path)
	}
	next, ok := c.w.truth.next(path, set.zxid)
	if !ok || next.zxid != h.Zxid && !(h.Zxid == -1 && c.setting) {
		c.fail("I3", "an event of %s at 0x%x, but the first change behind 0x%x is %+v", path, h.Zxid, set.zxid, next)
	}
	delete(c.watches, path)
	c.w.met("event")
}

// replied takes a reply.
func (c *client) replied(h *wire.ReplyHeader, d *jute.Decoder) {
	t := c.w.truth
	if len(c.sent) == 0 {
		c.fail("I2", "a reply with xid %d to no request", h.Xid)
	}
	q := c.sent[0]
	c.sent = c.sent[1:]
	c.w.trace("client %d is answered by server %d: %v %v 0x%x", c.n, c.conn.l.s.id, q, h.Err, h.Zxid)
	if h.Xid != q.xid {
		c.fail("I2", "a reply with xid %d where %v is due", h.Xid, q)
	}
	if q.op == wire.OpSetWatches {
		c.watchesSet(h)
		return
	}
	for path, set := range c.watches {
		if next, ok := t.next(path, set.zxid); ok && next.zxid <= h.Zxid && !c.setting {
			c.fail("I3", "the reply to %v as of 0x%x came before the event of %s at 0x%x", q, h.Zxid, path, next.zxid)
		}
	}
	switch {
	case q.writes():
		c.written(q, h, d)
	case h.Err == wire.CodeSessionExpired:
		// It is closing.
	case q.op == wire.OpGetData || q.op == wire.OpExists:
		c.read(q, h, d)
	case q.op == wire.OpSync:
		if h.Zxid < q.mustSee {
			c.fail("sync", "a sync shows 0x%x, but 0x%x was told to somebody before", h.Zxid, q.mustSee)
		}
		c.w.met("sync")
	}
}

// written takes the reply to a write.
func (c *client) written(q *request, h *wire.ReplyHeader, d *jute.Decoder) {
	t := c.w.truth
	if q.op == wire.OpCloseSession && c.w.prof.local && !t.begun[c.id] {
		c.w.met("local session closed")
		c.forget()
		return
	}
	x := t.txns[h.Zxid]
	_, committed := t.at[h.Zxid]
	if x == nil || !committed || x.head.ClientID != c.id || x.head.Cxid != q.xid {
		c.fail("reply", "%v was answered as 0x%x (committed %v), which is %+v", q, h.Zxid, committed, x)
	}
	t.tell(h.Zxid)
	if h.Err != wire.CodeOK {
		c.w.met("write refused")
		return
	}
	c.w.met("write")
	switch q.op {
	case wire.OpCloseSession:
		c.forget()
	case wire.OpCreate:
		if q.flags >= 2 {
			path := d.String()
			t.sequence(c, path)
			c.made = append(c.made, path)
		}
	}
}

// read takes the reply to a read: it shows what was committed as of its zxid.
func (c *client) read(q *request, h *wire.ReplyHeader, d *jute.Decoder) {
	want := c.w.truth.seen(q.path, h.Zxid)
	if (h.Err == wire.CodeOK) != want.exists {
		c.fail("read", "%v as of 0x%x: code %v, but it is %+v", q, h.Zxid, h.Err, want)
	}
	if q.op == wire.OpGetData && want.exists {
		if data := string(d.Buffer()); data != want.data {
			c.fail("read", "%v as of 0x%x: %.40q, but it is %.40q", q, h.Zxid, data, want.data)
		}
	}
	if q.watch && (want.exists || q.op == wire.OpExists) {
		if _, twice := c.watches[q.path]; !twice {
			c.watches[q.path] = watch{h.Zxid, want.exists}
		}
	}
	c.w.met("read")
}

// tell notes what a client has been told, by the epoch of its leader.
func (t *truth) tell(zxid int64) { e := zab.EpochOf(zxid); t.told[e] = max(t.told[e], zxid) }

// toldIn is the newest transaction that somebody was told of up to an epoch.
func (t *truth) toldIn(epoch int64) int64 {
	newest := int64(0)
	for e, zxid := range t.told {
		if e <= epoch {
			newest = max(newest, zxid)
		}
	}
	return newest
}

// sequence checks that a sequential path was never given before.
func (t *truth) sequence(c *client, path string) {
	if t.given[path] {
		c.fail("sequence", "%s was given twice", path)
	}
	t.given[path] = true
}
