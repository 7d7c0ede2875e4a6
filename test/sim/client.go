package sim

import (
	"bytes"
	"maps"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/wire"
)

// client is one user of the server. What it is sent is checked by the stream
// of its connection; the client itself only knows what it has read of it, as a
// real one does.
type client struct {
	w    *world
	n    int
	user string // authenticates as this one; "" does not

	id       int64 // session, 0 for none
	password []byte
	timeout  int32
	zxid     int64 // the newest it has seen
	xid      int32
	conn     *conn
	greeted  bool       // the connect response is read
	sent     []*request // whose replies are not read
	old      map[string]watchMode

	asleep   int64 // until then it does nothing; world.mono
	quiet    int64 // until then it only pings
	parting  bool  // breaks off as soon as the server has its ping
	lastSent int64
	farewell bool // has done what it does at the end of the run
}

// The users that clients authenticate as.
var users = [...]string{"", "alice:secret", "bob:hush"}

func digestOf(user string) string { return auth.Digest(auth.SHA1, user) }

func newClient(w *world, n int) *client {
	return &client{w: w, n: n, user: users[n%len(users)]}
}

// act lets the client do one thing.
func (c *client) act() {
	w := c.w
	switch {
	case c.conn != nil && c.conn.broken:
		c.read(w.rng.IntN(len(c.conn.pipe) + 1))
		c.drop()
	case w.mono < c.asleep && !w.calm:
	case c.conn == nil:
		c.connect()
	case w.calm:
		c.actCalm()
	case len(c.conn.pipe) > 0 && w.chance(2):
		c.read(1 + w.rng.IntN(len(c.conn.pipe)))
	case c.conn.closing && len(c.conn.pipe) == 0:
		c.drop()
	case c.greeted && w.mono < c.quiet:
		c.idle()
	case w.chance(w.prof.breakOff):
		c.leave()
	case c.greeted:
		c.talk()
	}
}

// leave breaks off in one of several ways.
func (c *client) leave() {
	w := c.w
	switch w.rng.IntN(8) {
	case 0: // dies with its machine: the server hears nothing
		c.asleep = w.mono + w.rng.Int64N(40*w.prof.tick)
		w.met("client fell silent")
	case 1: // dies; somebody else takes its place
		c.drop()
		c.id, c.zxid = 0, 0
		w.met("client died")
	case 2: // comes back before the server has noticed
		conn := c.conn
		c.drop()
		conn.hungUp = false
		c.connect()
	case 3, 4: // has nothing to do for a while
		c.quiet = w.mono + w.rng.Int64N(40*w.prof.tick)
	default:
		c.drop()
		c.asleep = w.mono + w.rng.Int64N(4*w.prof.tick)
	}
}

// idle keeps the session alive, and breaks off behind a ping now and then: the
// session has its whole timeout from that ping on.
func (c *client) idle() {
	w := c.w
	switch {
	case c.parting && len(c.conn.socket) == 0:
		c.parting = false
		c.drop()
		w.met("client broke off behind a ping")
		c.asleep = w.mono + w.rng.Int64N(2*int64(c.timeout))
	case w.mono-c.lastSent > int64(c.timeout)/3:
		c.send(&request{op: wire.OpPing, xid: wire.XidPing})
		c.parting = w.chance(2)
	}
}

// drop closes the connection and keeps the session.
func (c *client) drop() {
	if c.conn == nil {
		return
	}
	c.old = maps.Clone(c.conn.stream.watches)
	c.conn.hungUp, c.conn.pipe = true, nil
	c.conn, c.sent, c.greeted, c.parting = nil, nil, false, false
}

// connect opens a connection for a new session or its old one.
func (c *client) connect() {
	w := c.w
	q := wire.ConnectRequest{
		TimeOut: int32(w.rng.Int64N(25 * w.prof.tick)), Passwd: make([]byte, 16), HasReadOnly: !w.chance(8),
	}
	if c.id != 0 {
		q.SessionID, q.Passwd, q.LastZxidSeen = c.id, c.password, c.zxid
		if !w.calm && w.chance(30) {
			q.Passwd = make([]byte, 16)
		}
	}
	st := &stream{w: w, watches: map[string]watchMode{}, ids: []wire.ID{{Scheme: "ip", ID: "127.0.0.1"}}}
	st.connect = &handshake{}
	c.conn = &conn{client: c, stream: st}
	c.lastSent = w.mono
	w.srv.accept(c.conn, q)
}

// read takes the first n frames that have come.
func (c *client) read(n int) {
	for ; n > 0 && c.conn != nil && len(c.conn.pipe) > 0; n-- {
		f := c.conn.pipe[0]
		c.conn.pipe = c.conn.pipe[1:]
		d := jute.NewDecoder(f)
		if !c.greeted {
			c.welcome(&d)
			continue
		}
		var h wire.ReplyHeader
		h.Decode(&d)
		c.zxid = max(c.zxid, h.Zxid)
		if h.Xid == wire.XidNotification {
			continue
		}
		q := c.sent[0]
		c.sent = c.sent[1:]
		if q.op == wire.OpCloseSession && h.Err == wire.CodeOK {
			c.id = 0
		}
	}
}

// welcome reads the connect response.
func (c *client) welcome(d *jute.Decoder) {
	var r wire.ConnectResponse
	r.Decode(d)
	if r.TimeOut <= 0 {
		c.id = 0
		c.drop()
		return
	}
	c.greeted = true
	c.id, c.password, c.timeout = r.SessionID, bytes.Clone(r.Passwd), r.TimeOut
	if c.user != "" {
		c.send(&request{op: wire.OpAuth, xid: wire.XidAuth, scheme: "digest", data: []byte(c.user)})
	}
	if len(c.old) > 0 && !c.w.chance(4) {
		c.send(c.setWatches())
	}
}

// send hands a request to the network.
func (c *client) send(q *request) {
	if q.xid == 0 {
		c.xid++
		q.xid = c.xid
	}
	c.sent = append(c.sent, q)
	c.conn.socket = append(c.conn.socket, q)
	c.lastSent = c.w.mono
}

// talk sends some requests, or nothing.
func (c *client) talk() {
	w := c.w
	if n := len(c.sent); n > 0 && (c.sent[0].op == wire.OpAuth || n > 40 || c.sent[n-1].op == wire.OpCloseSession && !w.chance(4)) {
		return // first the answer
	}
	if w.mono-c.lastSent > int64(c.timeout)/3 && w.chance(2) {
		c.send(&request{op: wire.OpPing, xid: wire.XidPing})
		return
	}
	if len(c.sent) == 0 && w.chance(6) {
		c.send(&request{op: wire.OpGetChildren2, path: w.model.fullest()})
		return
	}
	for n := 1 + w.rng.IntN(w.prof.pipeline); n > 0; n-- {
		q := c.generate()
		c.send(q)
		if q.op == wire.OpCloseSession {
			return
		}
	}
}

// actCalm brings the client's business to an end.
func (c *client) actCalm() {
	c.read(len(c.conn.pipe))
	switch {
	case c.conn == nil:
	case c.conn.closing || c.conn.hungUp:
		c.drop()
	case c.greeted && len(c.sent) == 0 && !c.farewell:
		c.farewell = true
		c.send(&request{op: wire.OpCreate, path: "/farewell-", acl: []byte(openACL), flags: 2})
		c.send(&request{op: wire.OpGetChildren2, path: "/"})
	}
}

// content reports whether the client has nothing left to wait for.
func (c *client) content() bool {
	return c.farewell && c.conn != nil && c.greeted && len(c.sent) == 0 && len(c.conn.pipe) == 0
}
