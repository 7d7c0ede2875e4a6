package ensemble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"zooid/internal/jute"
	"zooid/internal/replica"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// pairs reads directions: 1>2, or 1-2 for both.
func (s *story) pairs(d *datadriven.TestData) ([][2]int64, error) {
	var list [][2]int64
	for _, a := range d.CmdArgs {
		if len(a.Vals) > 0 {
			continue
		}
		var from, to int64
		var how byte
		if n, _ := fmt.Sscanf(a.Key, "%d%c%d", &from, &how, &to); n != 3 || how != '>' && how != '-' {
			return nil, fmt.Errorf("%q is not like 1>2 or 1-2", a.Key)
		}
		list = append(list, [2]int64{from, to})
		if how == '-' {
			list = append(list, [2]int64{to, from})
		}
	}
	return list, nil
}

// network has what happens between servers. What is cut or held waits, as TCP
// has it; what is broken is lost.
func (s *story) network(t *testing.T, d *datadriven.TestData) error {
	w := s.w
	switch d.Cmd {
	case "cut", "mend", "hold", "let", "break", "said", "lose":
	case "intrude":
		return s.intrude(t, d)
	case "listen":
		clear(w.script.said)
		return nil
	case "isolate":
		list, err := s.servers(d)
		for _, x := range list {
			w.cutWhere(func(a, b int64) bool { return a == x.id || b == x.id })
		}
		return err
	default:
		return errCommand
	}
	list, err := s.pairs(d)
	if err != nil {
		return err
	}
	at := ""
	d.MaybeScanArgs(t, "at", &at)
	if d.Cmd == "mend" && len(list) == 0 {
		clear(w.cuts)
	}
	for _, pair := range list {
		switch d.Cmd {
		case "cut":
			w.cuts[pair] = true
		case "mend":
			delete(w.cuts, pair)
		case "hold":
			w.script.stops[pair] = strings.ReplaceAll(at, "_", " ")
		case "lose":
			w.script.loses[pair] = strings.ReplaceAll(at, "_", " ")
		case "let":
			delete(w.script.stops, pair)
		case "break":
			s.snap(pair)
		case "said":
			s.printf("%s", orNothing(strings.Join(w.script.said[pair], ", ")))
			delete(w.script.said, pair)
		}
	}
	for _, p := range w.pipes {
		p.pump()
	}
	return nil
}

// snap breaks the connection of a learner and its leader: what is on the way
// is lost.
func (s *story) snap(pair [2]int64) {
	l := s.w.server(pair[0]).life
	if l == nil {
		return
	}
	for _, e := range append([]*end(nil), l.links...) {
		if e.peer.l.s.id == pair[1] {
			e.snap()
		}
	}
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// disk has what the disk of a server does.
func (s *story) disk(t *testing.T, d *datadriven.TestData) error {
	if d.Cmd != "disk" && d.Cmd != "snapshot" {
		return errCommand
	}
	x, err := s.server(d.CmdArgs[0].Key)
	if err != nil {
		return err
	}
	l := x.life
	switch {
	case d.Cmd == "snapshot":
		s.snapshot(t, d, l)
	case d.HasArg("hold"):
		s.w.script.disks[x.id] = true
	case d.HasArg("go"):
		if delete(s.w.script.disks, x.id); l != nil {
			l.work()
		}
	case l == nil:
		s.printf("server %d is down", x.id)
	case d.HasArg("step") && (l.busy || len(l.queue) == 0):
		s.printf("nothing waits")
	case d.HasArg("step"):
		rec := l.queue[0]
		l.busy = true
		l.write()
		s.w.play(s.w.now+20, func() bool { return l.s.life != l })
		s.printf("done: %s", recordText(&rec))
	case d.HasArg("hold-sync"):
		s.w.script.syncs[x.id] = true
	case d.HasArg("sync"):
		delete(s.w.script.syncs, x.id)
		if sync := s.w.script.unsynced[x.id]; sync != nil {
			delete(s.w.script.unsynced, x.id)
			sync()
		}
	case d.HasArg("full"):
		x.disk.fault = vfs.FailFrom(0, errFull, vfs.OpWrite, vfs.OpCreate)
	case d.HasArg("broken"):
		x.disk.fault = vfs.FailFrom(0, errIO)
	default:
		s.waiting(x)
	}
	return nil
}

// waiting tells what waits for a disk.
func (s *story) waiting(x *server) {
	var list []string
	for i := range x.life.queue {
		list = append(list, recordText(&x.life.queue[i]))
	}
	s.printf("waiting: %s", orNothing(strings.Join(list, ", ")))
}

func recordText(rec *queued) string {
	switch rec.Op {
	case replica.Append:
		return "txn " + dotted(rec.Zxid)
	case replica.SaveAccepted:
		return fmt.Sprintf("acceptedEpoch %d", rec.Epoch)
	case replica.SaveCurrent:
		return fmt.Sprintf("currentEpoch %d", rec.Epoch)
	case replica.Truncate, replica.TruncateAndLoad:
		return "cut behind " + dotted(rec.Zxid)
	case replica.DropBehind:
		return "drop behind " + dotted(rec.Zxid)
	case replica.Barrier:
		return "barrier"
	}
	return "configuration"
}

// snapshot begins a snapshot as the core does, and can stop it on its way.
func (s *story) snapshot(t *testing.T, d *datadriven.TestData, l *life) {
	id := l.s.id
	switch turns := 0; {
	case d.HasArg("hold"):
		s.w.script.walks[id] = true
		return
	case d.HasArg("begin"):
		s.w.script.walks[id] = true
		l.startSnapshot(l.r.Cut())
	case d.MaybeScanArgs(t, "turns", &turns):
		for range turns {
			delete(s.w.script.walks, id)
			l.snapshotTurn(l.job)
			s.w.script.walks[id] = true
		}
	default: // go
		delete(s.w.script.walks, id)
		if l.job == nil {
			l.startSnapshot(l.r.Cut())
		} else {
			l.snapshotTurn(l.job)
		}
		s.w.play(s.w.now+10*s.w.prof.tick, func() bool { return l.job == nil })
	}
	if l.job == nil {
		s.printf("written")
	} else {
		s.printf("under way, as of %s", dotted(l.job.snap.Zxid))
	}
}

// client has what clients do. Each command waits for its answers, unless it
// says nowait; a client that loses its server comes back when it is told to.
func (s *story) client(t *testing.T, d *datadriven.TestData) error {
	op, ok := map[string]wire.Opcode{"create": wire.OpCreate, "delete": wire.OpDelete, "set": wire.OpSetData, "get": wire.OpGetData,
		"exists": wire.OpExists, "sync": wire.OpSync, "close": wire.OpCloseSession}[d.Cmd]
	if !ok && d.Cmd != "connect" && d.Cmd != "answers" && d.Cmd != "leave" {
		return errCommand
	}
	name := d.CmdArgs[0].Key
	c := s.clients[name]
	if c == nil {
		c = newClient(s.w, len(s.names))
		s.clients[name], s.names = c, append(s.names, name)
		c.listen = func(f []byte) { s.heard(c, name, f) }
		c.left = func(why string) { s.printf("%s: %s", name, why) }
	}
	if d.Cmd == "connect" {
		return s.connect(t, d, c)
	}
	if d.Cmd == "leave" {
		c.drop("gone")
		return nil
	}
	if d.Cmd != "answers" {
		if c.conn == nil {
			return fmt.Errorf("%s is not connected", name)
		}
		c.send(s.requests(t, d, op)...)
	}
	if !d.HasArg("nowait") {
		s.w.play(s.w.now+200, func() bool { return c.conn == nil || len(c.sent) == 0 })
		for _, q := range c.sent {
			s.printf("%s: no answer to %s %s", name, verb(q.op), q.path)
		}
	}
	return nil
}

// requests reads the paths of a command, one request for each.
func (s *story) requests(t *testing.T, d *datadriven.TestData, op wire.Opcode) []*request {
	version := -1
	data := ""
	d.MaybeScanArgs(t, "version", &version)
	d.MaybeScanArgs(t, "data", &data)
	flags := int32(0)
	if d.HasArg("ephemeral") {
		flags = 1
	}
	var list []*request
	for _, a := range d.CmdArgs[1:] {
		if strings.HasPrefix(a.Key, "/") {
			list = append(list, &request{op: op, path: a.Key, data: data, flags: flags, version: int32(version), watch: d.HasArg("watch")})
		}
	}
	if len(list) == 0 {
		list = append(list, &request{op: op, path: "/"})
		if op == wire.OpCloseSession {
			list[0].path = ""
		}
	}
	return list
}

func (s *story) connect(t *testing.T, d *datadriven.TestData, c *client) error {
	var to string
	d.ScanArgs(t, "to", &to)
	x, err := s.server(to)
	if err != nil {
		return err
	}
	if c.conn != nil {
		c.left, c.listen = nil, nil
		c.drop("goes to another server")
	}
	name := d.CmdArgs[0].Key
	c.listen = func(f []byte) { s.heard(c, name, f) }
	c.left = func(why string) { s.printf("%s: %s", name, why) }
	if x.life == nil {
		s.printf("%s: connection refused", name)
		return nil
	}
	timeout := int32(20 * s.w.prof.tick)
	d.MaybeScanArgs(t, "timeout", &timeout)
	c.connectTo(x, timeout)
	conn := c.conn
	s.alive(c, conn)
	s.w.play(s.w.now+200, func() bool { return c.conn != conn || c.greeted })
	if c.conn == conn && !c.greeted {
		s.printf("%s: no answer", name)
	}
	return nil
}

// alive keeps the session of a connection alive as clients do.
func (s *story) alive(c *client, conn *conn) {
	s.w.after(s.w.prof.tick, func() {
		if c.conn != conn {
			return
		}
		if c.greeted && len(c.sent) == 0 {
			c.send(&request{op: wire.OpPing})
		}
		s.alive(c, conn)
	})
}

func verb(op wire.Opcode) string { return strings.TrimSuffix(op.String(), "Data") }

// heard tells what a client is told.
func (s *story) heard(c *client, name string, f []byte) {
	d := jute.NewDecoder(f)
	if !c.greeted {
		var r wire.ConnectResponse
		r.Decode(&d)
		switch {
		case r.TimeOut <= 0:
			s.printf("%s: the session has expired", name)
		case c.id == 0:
			s.printf("%s: a session", name)
		default:
			s.printf("%s: the same session", name)
		}
		return
	}
	var h wire.ReplyHeader
	h.Decode(&d)
	if h.Xid == wire.XidNotification {
		var e wire.WatcherEvent
		e.Decode(&d)
		kind := map[int32]string{1: "created", 2: "deleted", 3: "changed"}[e.Type]
		s.printf("%s: event: %s %s", name, e.Path, kind)
		return
	}
	if h.Xid == wire.XidPing || h.Xid == wire.XidSetWatches || len(c.sent) == 0 {
		return
	}
	q := c.sent[0]
	what := fmt.Sprintf("%s %s", verb(q.op), q.path)
	switch {
	case h.Err != wire.CodeOK:
		s.printf("%s: %s: %s, at %s", name, what, h.Err.Text(), dotted(h.Zxid))
	case q.op == wire.OpGetData:
		s.printf("%s: %s: %q, at %s", name, what, d.Buffer(), dotted(h.Zxid))
	default:
		s.printf("%s: %s: ok, at %s", name, what, dotted(h.Zxid))
	}
}

// intrude connects somebody to the quorum port of a leader who says that it is
// a server with some id, which has accepted some epoch.
func (s *story) intrude(t *testing.T, d *datadriven.TestData) error {
	var to string
	var id, accepted int64
	d.ScanArgs(t, "to", &to)
	d.ScanArgs(t, "as", &id)
	d.MaybeScanArgs(t, "accepted", &accepted)
	x, err := s.server(to)
	if err != nil {
		return err
	}
	w := s.w
	nobody := &life{w: w, s: &server{w: w}} // what it is told is heard by nobody
	a, b := nobody.newEnd(), x.life.newEnd()
	a.peer, b.peer = b, a
	a.pipe, b.pipe = w.newPipe(0, x.id), w.newPipe(x.id, 0)
	x.life.put(replica.Event{Kind: replica.LinkUp, Peer: &replica.PeerEvent{Link: b.id, Term: b.term}})
	info := wire.LearnerInfo{SID: id, ProtocolVersion: wire.LearnerProtocol}
	hello := wire.QuorumPacket{Type: wire.PacketFollowerInfo, Zxid: accepted << 32, Data: info.Append(nil)}
	a.send(parcel{packets: hello.Append(nil)})
	w.play(w.now+2*w.prof.tick, func() bool { return b.closed })
	key := [2]int64{x.id, 0}
	s.printf("answered: %s", orNothing(strings.Join(w.script.said[key], ", ")))
	delete(w.script.said, key)
	if b.closed {
		s.printf("refused: %s", b.why)
	}
	return nil
}
