package sim

import (
	"bytes"
	"fmt"
	"slices"

	"zooid/internal/auth"
	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
)

// server is the shell of the simulation around the core under test: what
// internal/node does with goroutines is here cut into steps, which the world
// takes in any order.
type server struct {
	w    *world
	cfg  replica.Config
	r    *replica.Replica
	dirs *storage.Dirs
	log  *storage.Log
	fx   replica.Effects

	started    int64 // world.mono
	wallBase   int64 // wall clock then
	nextTick   int64
	lastTick   int64 // server's clock
	recovering bool

	inbox []item
	conns []*conn // by id; 0 is none's

	// The disk writer.
	queue   []replica.Record
	batch   []replica.Record
	written int // of batch
	job     *snapshotJob
}

// item is an event on its way to the core, with what the model has to know.
type item struct {
	event   replica.Event
	conn    *conn
	reqs    []*request
	connect wire.ConnectRequest
}

// conn is a client's connection: both ends and the wire between them.
type conn struct {
	id     replica.ConnID
	client *client
	stream *stream
	socket []*request // sent, not yet read by the server
	pipe   [][]byte   // frames of the server that the client has not read

	shipped, answered int64
	lastActive        int64 // server's clock, of reads outside the loop
	list              *listJob
	closing           bool // the server closes it behind what is in pipe
	hungUp            bool // the client closed it
	reported          bool // ConnClosed is on its way
	broken            bool // the server is no more
}

// monoBase keeps the clock of the core away from zero, as the shell does.
const monoBase = 1000

func (w *world) config() replica.Config {
	p := &w.prof
	return replica.Config{
		ServerID: 1, TickTime: p.tick, Seed: w.rng.Uint64() | 1,
		MinSessionTimeout: int32(2 * p.tick), MaxSessionTimeout: int32(20 * p.tick),
		SnapCount: p.snapCount, SnapSize: p.snapSize,
		Auth: &auth.Policy{DigestEnabled: true}, ExtendedTypes: true,
		Digest: p.digest, CloseSessionPaths: p.closePaths,
		ContainerInterval: p.sweepEvery, ContainerPerMinute: p.sweepPerMinute, ContainerNeverUsed: p.neverUsed,
		Limits: p.limits,
	}
}

// now is the clock as the core is told it.
func (s *server) now() replica.Time {
	t := s.clock()
	if s.w.mutant(wallClock) {
		t.Mono = max(t.Wall-s.wallBase+monoBase, s.lastTick)
	}
	return t
}

// clock is the clock as it is.
func (s *server) clock() replica.Time {
	return replica.Time{Wall: s.w.mono + s.w.skew, Mono: s.w.mono - s.started + monoBase}
}

// ring is the ticker: it asks for a tick four times a tick time.
func (s *server) ring() {
	if !s.recovering && s.w.mono >= s.nextTick && !s.w.mutant(noTicks) {
		s.inbox = append(s.inbox, item{event: replica.Event{Kind: replica.Tick}})
		s.nextTick = s.w.mono + s.w.prof.tick/4
	}
}

// ask lets an operator ask for a snapshot, or reset the statistics.
func (s *server) ask() {
	kind := replica.SnapshotWanted
	if s.w.chance(2) {
		kind = replica.ResetConns
	}
	s.inbox = append(s.inbox, item{event: replica.Event{Kind: kind}})
}

// accept takes a connection and its connect request.
func (s *server) accept(c *conn, q wire.ConnectRequest) {
	id := slices.Index(s.conns[1:], nil) + 1
	if id == 0 {
		id = len(s.conns)
		s.conns = append(s.conns, nil)
	}
	s.conns[id] = c
	c.id = replica.ConnID(id)
	c.shipped = 1
	s.inbox = append(s.inbox, item{conn: c, connect: q, event: replica.Event{
		Kind: replica.ConnOpen, Conn: c.id, Frames: connectFrame(&q), IDs: c.stream.ids, At: s.now().Mono,
	}})
}

// readSockets lets the reader of one connection look at its socket.
func (s *server) readSockets() {
	if len(s.conns) == 1 {
		return
	}
	if c := s.conns[1+s.w.rng.IntN(len(s.conns)-1)]; c != nil {
		s.readSocket(c)
	}
}

func (s *server) readSocket(c *conn) {
	switch {
	case c.reported:
	case c.list != nil && !c.closing:
		s.listTurn(c)
	case c.closing || c.hungUp && (len(c.socket) == 0 || s.w.chance(2)):
		c.reported = true
		if !s.w.mutant(forgetClosed) {
			s.inbox = append(s.inbox, item{conn: c, event: replica.Event{Kind: replica.ConnClosed, Conn: c.id}})
		} else {
			c.stream.gone, c.stream.cut = true, true
			s.release(c)
		}
	case len(c.socket) > 0 && c.stream.connect == nil:
		n := 1 + s.w.rng.IntN(len(c.socket))
		reqs := c.socket[:n]
		c.socket = c.socket[n:]
		if c.answered == c.shipped {
			reqs = reqs[s.serveReads(c, reqs):]
			if s.beginList(c, reqs) {
				return
			}
		}
		s.ship(c, reqs)
	}
}

// ship hands requests to the core.
func (s *server) ship(c *conn, reqs []*request) {
	if len(reqs) == 0 {
		return
	}
	c.shipped += int64(len(reqs))
	throttled := s.w.chance(40) && !slices.ContainsFunc(reqs, func(q *request) bool {
		return q.xid < 0 || q.op == wire.OpCloseSession
	})
	s.inbox = append(s.inbox, item{conn: c, reqs: reqs, event: replica.Event{
		Kind: replica.ClientBatch, Conn: c.id, Frames: encode(reqs), At: s.now().Mono, Throttled: throttled,
	}})
}

func encode(reqs []*request) []byte {
	var frames []byte
	for _, q := range reqs {
		frames = q.appendFrame(frames)
	}
	return frames
}

// serveReads answers the pure reads at the front outside of the loop, as a
// connection's own goroutine does, and returns how many.
func (s *server) serveReads(c *conn, reqs []*request) int {
	frames := encode(reqs)
	out, taken, count := s.r.ServeReads(c.id, frames, nil)
	if count == 0 {
		return 0
	}
	for _, q := range reqs[:count] {
		frames = frames[len(q.appendFrame(nil)):]
		taken -= len(q.appendFrame(nil))
		c.stream.push(q, 0)
	}
	if taken != 0 {
		s.w.fail("reply", "%d requests were taken and %d bytes too many", count, taken)
	}
	s.answeredOutside(c, out)
	s.w.count("read outside the loop", count)
	return count
}

// answeredOutside takes replies that were made outside of the loop.
func (s *server) answeredOutside(c *conn, out []byte) {
	c.receive(out)
	c.stream.settled()
	if !s.w.mutant(lostTouch) {
		c.lastActive = s.now().Mono
	}
	c.stream.session.active, c.stream.session.fastRead = s.clock().Mono, true
}

// listJob is a long list of children, made in turns while the tree changes.
type listJob struct {
	list *replica.List
	req  *request
	rest []*request
}

// beginList begins with the list that the first request asks for, if it is a
// long one; the others wait for it.
func (s *server) beginList(c *conn, reqs []*request) bool {
	list, size := s.r.BeginList(c.id, encode(reqs))
	if list == nil {
		return false
	}
	if size != len(reqs[0].appendFrame(nil)) {
		s.w.fail("reply", "a list took %d bytes", size)
	}
	c.list = &listJob{list, reqs[0], reqs[1:]}
	s.w.met("list made in turns")
	return true
}

func (s *server) listTurn(c *conn) {
	j := c.list
	out, done := s.r.ListTurn(c.id, j.list, nil)
	if !done {
		return
	}
	c.list, c.socket = nil, append(j.rest, c.socket...)
	if !c.stream.gone {
		c.stream.push(j.req, 0)
		// A session that began to close meanwhile may have its list, or not.
		var h wire.ReplyHeader
		d := jute.NewDecoder(out[4:])
		h.Decode(&d)
		c.stream.expect[0].expired = c.stream.session.closed != 0 && h.Err == wire.CodeSessionExpired
		s.answeredOutside(c, out)
	}
}

// receive takes what the server sends.
func (c *conn) receive(out []byte) {
	c.client.w.trail(out)
	for _, f := range cutFrames(out) {
		c.stream.frame(f)
		if !c.hungUp {
			c.pipe = append(c.pipe, f)
		}
	}
}

// touched lists the connections that read outside the loop since the last
// tick.
func (s *server) touched() []replica.ConnID {
	var ids []replica.ConnID
	since := s.lastTick
	s.lastTick = s.now().Mono
	for id, c := range s.conns {
		if c != nil && c.lastActive > 0 && c.lastActive >= since {
			ids = append(ids, replica.ConnID(id))
		}
	}
	return ids
}

// turn steps the core with the first n events that wait, and carries out the
// effects.
func (s *server) turn(n int) {
	n = min(n, len(s.inbox))
	items := s.inbox[:n:n]
	s.inbox = s.inbox[n:]
	events := make([]replica.Event, n)
	for i := range items {
		switch items[i].event.Kind {
		case replica.Tick:
			items[i].event.Touched = s.touched()
		case replica.ConnClosed:
			if c := items[i].conn; c.lastActive >= s.lastTick && c.lastActive > 0 && !s.w.mutant(lastReadLost) {
				items[i].event.Touched = []replica.ConnID{c.id}
			}
		}
		events[i] = items[i].event
		s.w.trace("event %d conn %d zxid 0x%x %v", events[i].Kind, events[i].Conn, events[i].Zxid, items[i].reqs)
	}
	s.r.Step(s.now(), events, &s.fx)
	step := lockstep{w: s.w, m: s.w.model, s: s, now: s.clock(), recs: s.fx.Append}
	step.follow(items)
	for i := range events {
		scribble(events[i].Frames) // the core keeps none of it (I8)
	}
	s.deliver()
	for _, rec := range s.fx.Append {
		s.w.trail(rec.Entry)
	}
	s.queue = append(s.queue, s.fx.Append...)
	s.closeConns()
	for i := range items {
		if items[i].event.Kind == replica.ConnClosed {
			s.release(items[i].conn)
		}
	}
	if s.fx.Snapshot != nil {
		s.startSnapshot(s.fx.Snapshot)
	}
	if s.fx.Again {
		s.inbox = append(s.inbox, item{event: replica.Event{Kind: replica.Tick}})
	}
	s.checkTurn()
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

func (s *server) release(c *conn) {
	s.conns[c.id] = nil
	c.broken = true
}

// deliver hands over what the core has for the connections.
func (s *server) deliver() {
	for _, id := range s.fx.Dirty {
		c := s.conns[id]
		if c == nil || s.w.mutant(lateEvents) && s.w.chance(8) {
			continue
		}
		out, answered, _, _ := s.r.Drain(uint32(id), nil) // all of it (profile.limits)
		c.answered += int64(answered)
		if s.w.mutant(lostReply) && s.w.chance(50) {
			continue
		}
		c.receive(out)
		if s.w.mutant(twice) && s.w.chance(50) {
			c.receive(out)
		}
	}
}

func (s *server) closeConns() {
	for _, x := range s.fx.Close {
		c := s.conns[x.Conn]
		if c == nil {
			continue
		}
		if !c.stream.gone {
			s.w.fail("close", "a connection was closed: %s", x.Why)
		}
		c.closing = true
	}
	for _, c := range s.conns {
		if c != nil && c.stream.gone && !c.stream.cut && !c.closing {
			s.w.fail("close", "the connection of a session that ended stays open")
		}
	}
}

// stop ends the server as an operator does: everything in the queue is
// written first.
func (s *server) stop() {
	s.w.trace("stop")
	if s.w.mutant(hastyStop) {
		s.queue = nil
	}
	for len(s.queue)+len(s.batch) > 0 {
		s.writeLog()
		if s.w.srv == nil {
			return // the disk failed
		}
	}
	before := s.w.disk.injected
	if err := s.log.Close(); err != nil {
		s.logFailed(before, err)
		return
	}
	s.w.met("clean stop")
	s.w.off(true)
}

// settle runs the server until nothing waits in it.
func (s *server) settle() {
	for {
		for _, c := range s.conns[1:] {
			if c != nil {
				s.readSocket(c)
			}
		}
		switch {
		case len(s.inbox) > 0:
			s.turn(len(s.inbox))
		case len(s.queue)+len(s.batch) > 0:
			s.writeLog()
		case s.job != nil:
			s.writeSnapshot()
		default:
			return
		}
	}
}

// describe names a transaction in the text of a failure.
func describe(entry []byte) string {
	d := jute.NewDecoder(entry)
	var h wire.TxnHeader
	h.Decode(&d)
	return fmt.Sprintf("transaction %+v %x", h, d.Rest())
}

// intact checks that the bytes of a record are what they were when the core
// made it (I8).
func (s *server) intact(rec *replica.Record) {
	if t := s.w.model.txn(rec.Zxid); !bytes.Equal(t.entry, rec.Entry) {
		s.w.fail("I8", "the record of 0x%x changed before it was written: %s, was %s", rec.Zxid, describe(rec.Entry), describe(t.entry))
	}
}
