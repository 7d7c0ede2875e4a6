package ensemble

import (
	"slices"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/wire"
)

// conn is a client's connection: both ends and the network between them.
type conn struct {
	id       replica.ConnID
	l        *life
	client   *client
	up, down *pipe

	socket            []*request // have come and are not yet read by the server
	shipped, answered int64
	lastActive        int64 // server's clock, of reads outside the loop
	hungUp            bool  // the client has closed it
	closing           bool  // the server has, behind what it has sent
	reported          bool  // ConnClosed is on its way to the core
	greeted           bool  // the connect response is sent
}

// accept takes a connection and its connect request.
func (l *life) accept(c *conn, connect []byte) {
	id := slices.Index(l.conns[1:], nil) + 1
	if id == 0 {
		id = len(l.conns)
		l.conns = append(l.conns, nil)
	}
	l.conns[id] = c
	c.id, c.shipped = replica.ConnID(id), 1
	l.put(replica.Event{Kind: replica.ConnOpen, Conn: c.id, Frames: connect, At: l.clock().Mono})
}

// arrived takes requests that have come over the network.
func (c *conn) arrived(reqs []*request) {
	c.socket = append(c.socket, reqs...)
	c.l.after(0, c.readSocket)
}

// readSocket is the reader of the connection: it answers reads itself, or hands
// what has come to the core.
func (c *conn) readSocket() {
	if len(c.socket) == 0 || c.reported || c.closing {
		return
	}
	l, w := c.l, c.l.w
	n := 1 + w.rng.IntN(len(c.socket))
	reqs := c.socket[:n]
	c.socket = c.socket[n:]
	if c.answered == c.shipped && !w.chance(4) {
		frames := encode(reqs)
		out, _, count := l.r.ServeReads(c.id, frames, nil)
		if count > 0 {
			reqs = reqs[count:]
			c.lastActive = l.clock().Mono
			c.receive(out)
			w.met("read outside the loop")
		}
	}
	if len(reqs) > 0 {
		c.shipped += int64(len(reqs))
		l.put(replica.Event{Kind: replica.ClientBatch, Conn: c.id, Frames: encode(reqs), At: l.clock().Mono})
	}
	if len(c.socket) > 0 {
		l.after(0, c.readSocket)
	}
}

func encode(reqs []*request) []byte {
	var frames []byte
	for _, q := range reqs {
		frames = q.appendFrame(frames)
	}
	return frames
}

// receive sends bytes to the client.
func (c *conn) receive(out []byte) {
	c.l.w.trail(out)
	for _, f := range cutFrames(out) {
		if c.greeted {
			d := jute.NewDecoder(f)
			var h wire.ReplyHeader
			h.Decode(&d)
			if h.Zxid != -1 { // an event of setWatches
				c.l.w.truth.commit(c.l, h.Zxid)
			}
		}
		c.greeted = true
		c.down.send(func() {
			if !c.hungUp {
				c.client.frame(f)
			}
		})
	}
}

// touched lists the connections that read outside the loop since the last
// tick.
func (l *life) touched() []replica.ConnID {
	var ids []replica.ConnID
	for id, c := range l.conns {
		if c != nil && c.lastActive > 0 {
			c.lastActive = 0
			ids = append(ids, replica.ConnID(id))
		}
	}
	return ids
}

// deliver hands over what the core has for the connections.
func (l *life) deliver() {
	for _, id := range l.fx.Dirty {
		if c := l.conns[id]; c != nil {
			out, answered, _, more := l.r.Drain(uint32(id), nil)
			c.answered += int64(answered)
			c.receive(out)
			if more && !l.w.mutant(lostRoom) {
				w := l.w
				w.met("more replies than one turn makes")
				l.after(w.upTo(w.prof.turnDelay), func() { l.put(replica.Event{Kind: replica.Room, Conn: id}) })
			}
		}
	}
}

// closeConns closes connections, and lets go of those of which the core knows
// that they are closed.
func (l *life) closeConns(events []replica.Event) {
	for _, x := range l.fx.Close {
		c := l.conns[x.Conn]
		if c == nil || c.closing {
			continue
		}
		l.w.trace("%d: closes the connection of client %d: %s", l.s.id, c.client.n, x.Why)
		c.closing = true
		c.down.send(c.eof)
		c.report()
	}
	for i := range events {
		if ev := &events[i]; ev.Kind == replica.ConnClosed {
			l.conns[ev.Conn] = nil
		}
	}
}

// report tells the core that the connection is gone.
func (c *conn) report() {
	if c.reported {
		return
	}
	c.reported = true
	c.l.after(0, func() {
		ev := replica.Event{Kind: replica.ConnClosed, Conn: c.id}
		if c.lastActive > 0 {
			ev.Touched = []replica.ConnID{c.id}
		}
		c.l.put(ev)
	})
}

// eof tells the client that the server has closed the connection.
func (c *conn) eof() {
	if !c.hungUp {
		c.client.drop("closed by the server")
	}
}

// hangUp closes the connection on the client's side.
func (c *conn) hangUp() {
	c.hungUp, c.down.dead = true, true
	c.up.send(c.report)
}

// lost ends the connection with its server.
func (c *conn) lost(silent bool) {
	c.up.dead = true
	c.down.queue = nil
	if silent {
		c.down.dead = true // the client will find that nobody answers
		return
	}
	c.down.send(c.eof)
}
