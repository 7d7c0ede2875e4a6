package ensemble

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// connectTries is how often a learner dials its leader
// (Learner.connectToLeader).
const connectTries = 5

// end is one side of a connection between a learner and its leader.
type end struct {
	l      *life
	id     zab.LinkID
	term   uint64
	peer   *end
	pipe   *pipe // to the other side
	closed bool
	why    string // the core has closed it

	outbox []parcel // waits behind a stream
	job    *sending
	in     []byte // packets that are not complete

	received []byte // of a snapshot
}

// parcel is what the core has for a connection: packets or a stream.
type parcel struct {
	packets []byte
	stream  *replica.Stream
}

// sending is a stream under way.
type sending struct {
	stream *replica.Stream
	part   int
}

// connect dials the leader of a role until a connection stands, or enough.
func (l *life) connect(role replica.RoleChange, try int) {
	wait := l.w.latency()
	if try > 1 {
		wait += l.w.prof.tick / 2
	}
	l.after(wait, func() {
		if l.role.Term != role.Term {
			return
		}
		leader := l.w.server(role.Leader).life
		switch {
		case leader != nil && leader.role.State == wire.Leading && l.w.reachable(l.s.id, role.Leader):
			l.w.link(l, leader)
		case try < connectTries:
			l.connect(role, try+1)
		default:
			l.put(replica.Event{Kind: replica.LinkDown, Peer: &replica.PeerEvent{Term: role.Term, Why: "the leader cannot be reached"}})
		}
	})
}

// link makes a connection between a learner and its leader.
func (w *world) link(learner, leader *life) {
	a, b := learner.newEnd(), leader.newEnd()
	a.peer, b.peer = b, a
	a.pipe, b.pipe = w.newPipe(learner.s.id, leader.s.id), w.newPipe(leader.s.id, learner.s.id)
	w.trace("%d follows %d: link %d-%d", learner.s.id, leader.s.id, a.id, b.id)
	w.met("link made")
	for _, e := range []*end{b, a} {
		e.l.put(replica.Event{Kind: replica.LinkUp, Peer: &replica.PeerEvent{Link: e.id, Term: e.term}})
	}
}

func (l *life) newEnd() *end {
	l.linkIDs++
	e := &end{l: l, id: l.linkIDs, term: l.role.Term}
	l.links = append(l.links, e)
	return e
}

func (l *life) end(id zab.LinkID) *end {
	for _, e := range l.links {
		if e.id == id {
			return e
		}
	}
	return nil
}

// send queues what the core has for the other side.
func (e *end) send(p parcel) {
	if p.stream == nil && e.l.w.mutant(overtake) {
		e.packets(p.packets)
		return
	}
	e.outbox = append(e.outbox, p)
	e.ship()
}

// ship hands on what waits, up to the end of the first stream.
func (e *end) ship() {
	for e.job == nil && len(e.outbox) > 0 && !e.closed {
		p := e.outbox[0]
		e.outbox = e.outbox[1:]
		e.packets(p.packets)
		if p.stream != nil {
			e.job = &sending{stream: p.stream}
			e.l.after(e.l.w.latency(), e.streamStep)
		}
	}
}

// packets sends bytes, in pieces as a stream may cut them.
func (e *end) packets(b []byte) {
	w := e.l.w
	w.trail(b)
	if w.script != nil {
		pieces, labels := w.script.cut(b)
		for i, piece := range pieces {
			e.pipe.sendAs(labels[i], func() { e.peer.receive(piece) })
		}
		return
	}
	for len(b) > 0 {
		n := len(b)
		if w.chance(8) {
			n = 1 + w.rng.IntN(n)
		}
		piece := bytes.Clone(b[:n])
		b = b[n:]
		if w.mutant(lostPacket) && w.chance(100) {
			continue
		}
		if w.mutant(twicePacket) && n == len(piece) && w.chance(100) {
			e.pipe.send(func() { e.peer.receive(piece) })
		}
		e.pipe.send(func() { e.peer.receive(piece) })
	}
}

// streamStep sends the next part of a stream.
func (e *end) streamStep() {
	if e.closed || e.job == nil {
		return
	}
	j, w := e.job, e.l.w
	if j.stream.Snapshot == nil {
		if !e.l.guard(func() { e.sendLog(j.stream.After, j.stream.Upto) }) {
			return
		}
		e.job = nil
		e.ship()
		return
	}
	piece, done := e.part()
	e.progress()
	e.pipe.sendAs("bulk", func() { e.peer.bulk(piece) })
	if !done {
		e.l.after(w.latency(), e.streamStep)
		return
	}
	zxid := j.stream.Snapshot.Zxid
	e.pipe.send(func() { e.peer.snapshot(zxid) })
	w.met("snapshot sent")
	e.job = nil
	e.ship()
}

// part makes one part of the snapshot.
func (e *end) part() (piece []byte, done bool) {
	j, w := e.job, e.l.w
	s := j.stream.Snapshot
	j.part++
	switch j.part {
	case 1:
		return s.Sessions, false
	case 2:
		if w.mutant(streamNotExact) {
			s.Walk.Abort()
			s.Walk = e.l.r.Cut().Walk
		}
		return s.ACLs, false
	}
	piece, done = s.Walk.Next(nil, w.prof.turnOf(s))
	if done {
		piece = storage.AppendStreamEnd(piece)
	}
	return piece, done
}

// sendLog sends what the log holds, as pairs of PROPOSAL and COMMIT.
func (e *end) sendLog(after, upto int64) {
	w := e.l.w
	var buf []byte
	first := true
	err := e.l.dirs.CopyLog(after, upto, storage.Limits{}, func(zxid int64, entry []byte) error {
		if skip := first && w.mutant(logBeginsLate); skip {
			first = false
			return nil
		}
		buf = (&wire.QuorumPacket{Type: wire.PacketProposal, Zxid: zxid, Data: entry}).Append(buf)
		buf = (&wire.QuorumPacket{Type: wire.PacketCommit, Zxid: zxid}).Append(buf)
		return nil
	})
	var gap *storage.HistoryError
	if errors.As(err, &gap) { // a snapshot or a purge came between the search and this
		w.met("log gone")
		e.snap()
		return
	}
	if err != nil {
		w.fail("stream", "server %d cannot send its log behind 0x%x up to 0x%x: %v", e.l.s.id, after, upto, err)
	}
	w.met("log sent")
	e.packets(buf)
}

// bulk takes bytes of a snapshot.
func (e *end) bulk(b []byte) {
	if !e.closed {
		e.received = append(e.received, b...)
		e.progress()
	}
}

func (e *end) progress() {
	if !e.closed {
		e.l.put(replica.Event{Kind: replica.Progress, Peer: &replica.PeerEvent{Link: e.id}})
	}
}

// snapshot loads the snapshot that has come.
func (e *end) snapshot(zxid int64) {
	if e.closed {
		return
	}
	t := replica.NewRestore(e.l.cfg)
	r := bufio.NewReaderSize(bytes.NewReader(append(e.received, "more"...)), 16<<10)
	e.received = nil
	info, err := storage.ReadStream(r, storage.Limits{}, t, nil)
	if err == nil {
		err = t.SnapshotDone(zxid)
	}
	if rest, _ := io.ReadAll(r); err != nil || string(rest) != "more" {
		e.l.w.fail("stream", "the snapshot of the leader cannot be read: %v, or too much of the stream was: %q is left", err, rest)
	}
	e.l.w.trace("%d has loaded the leader's snapshot 0x%x, %d nodes", e.l.s.id, zxid, info.Nodes)
	received := func() {
		e.l.put(replica.Event{Kind: replica.Received, Peer: &replica.PeerEvent{Link: e.id, State: t}})
	}
	if e.l.w.mutant(receivedLate) {
		e.l.after(e.l.w.upTo(e.l.w.prof.tick), received)
		return
	}
	received()
}

// receive takes bytes of packets.
func (e *end) receive(b []byte) {
	if e.closed {
		return
	}
	e.in = append(e.in, b...)
	var list []wire.QuorumPacket
	at := 0
	for {
		var p wire.QuorumPacket
		n, err := p.Decode(e.in[at:], 1<<20)
		if errors.Is(err, jute.ErrShort) {
			break
		}
		if err != nil {
			e.l.w.fail("stream", "packets cannot be decoded: %v", err)
		}
		at += n
		list = append(list, p)
	}
	e.in = e.in[at:len(e.in):len(e.in)] // the list shares what is before
	if len(list) > 0 {
		e.l.put(replica.Event{Kind: replica.Packets, Peer: &replica.PeerEvent{Link: e.id, Packets: list}})
	}
}

// forget takes a side out of its server.
func (e *end) forget() {
	e.closed = true
	if e.job != nil && e.job.stream.Snapshot != nil {
		e.job.stream.Snapshot.Walk.Abort()
	}
	for _, p := range e.outbox {
		if p.stream != nil && p.stream.Snapshot != nil {
			p.stream.Snapshot.Walk.Abort()
		}
	}
	e.job, e.outbox = nil, nil
	for i, x := range e.l.links {
		if x == e {
			e.l.links = append(e.l.links[:i:i], e.l.links[i+1:]...)
			return
		}
	}
}

// close closes this side; the other one hears of it, behind what was sent or
// instead of it.
func (e *end) close(why string) {
	if e.closed {
		return
	}
	e.forget()
	e.peer.pipe.dead = true
	if e.l.w.chance(2) {
		e.pipe.queue = nil
	}
	e.pipe.send(func() { e.peer.down(why) })
}

// vanish ends this side without a word, as a server without power does; the
// other one learns of it by a try to send, some time later.
func (e *end) vanish() {
	if e.closed {
		return
	}
	e.forget()
	e.pipe.dead, e.peer.pipe.dead = true, true
	e.l.w.after(e.l.w.upTo(20*e.l.w.prof.tick), func() { e.peer.down("no route to host") })
}

// down tells the core that the connection is gone.
func (e *end) down(why string) {
	if e.closed {
		return
	}
	e.forget()
	e.pipe.dead = true
	e.l.put(replica.Event{Kind: replica.LinkDown, Peer: &replica.PeerEvent{Link: e.id, Why: why}})
}

// snap breaks the connection for both sides, each at its time.
func (e *end) snap() {
	e.pipe.dead, e.peer.pipe.dead = true, true
	for _, x := range []*end{e, e.peer} {
		e.l.w.after(e.l.w.upTo(2*e.l.w.prof.tick), func() { x.down("the connection broke") })
	}
}
