package loadgen

import (
	"fmt"
	"math"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// arriving is the phase of the workload Connect: as many handshakes under way
// as there are --connections; the sessions stay open until the phase is over.
type arriving struct {
	plain
	underway int
	dialled  int
}

func (j *arriving) start(l *loop) error {
	for range l.engine.share(l, l.engine.opt.Connections) {
		if err := j.next(l); err != nil {
			return err
		}
	}
	return nil
}

func (j *arriving) next(l *loop) error {
	if l.engine.claim(1) == 0 {
		return nil
	}
	c, err := l.dial(l.server(j.dialled))
	j.dialled++
	j.underway++
	if err == nil {
		c.mark = 1
	}
	return err
}

// server deals the endpoints round.
func (l *loop) server(n int) *endpoint {
	return &l.servers[(l.index+n*len(l.engine.loops))%len(l.servers)]
}

func (j *arriving) opened(l *loop, c *conn) error {
	l.record(kindRead, c.started)
	c.lastSent = l.now
	j.underway--
	return j.next(l)
}

func (j *arriving) done(l *loop) bool { return j.underway == 0 && l.engine.ending() }

// churning is the phase of the workload Churn: every slot connects, creates an
// ephemeral znode, closes its session, and begins anew.
type churning struct {
	plain
	root   string
	data   []byte
	active int
	cycles int
}

// What a churning session waits for.
const (
	awaitCreate uint8 = iota
	awaitClose
)

// closedMark, added to a slot's number, says that closeSession was answered.
const closedMark = int64(1) << 32

func (j *churning) start(l *loop) error {
	for i := range l.engine.share(l, l.engine.opt.Connections) {
		if err := j.next(l, int64(l.index+i*len(l.engine.loops))); err != nil {
			return err
		}
	}
	return nil
}

func (j *churning) next(l *loop, slot int64) error {
	if l.engine.claim(1) == 0 {
		return nil
	}
	c, err := l.dial(l.server(j.cycles))
	if err != nil {
		return err
	}
	j.cycles++
	j.active++
	c.mark = slot
	return nil
}

func (j *churning) opened(l *loop, c *conn) error {
	const ephemeral = 1
	l.request(c, wire.OpCreate, createBody(fmt.Sprintf("%s/e%05d", j.root, c.mark), j.data, ephemeral), awaitCreate)
	return nil
}

func createBody(path string, data []byte, flags int32) []byte {
	r := wire.CreateRequest{Path: []byte(path), Data: data, ACL: wire.OpenACL, Flags: flags}
	return r.Append(nil)
}

func (j *churning) reply(l *loop, c *conn, r *reply) error {
	if r.code != wire.CodeOK {
		l.failed(r.code)
	}
	switch r.kind {
	case awaitCreate:
		c.state = closing
		l.request(c, wire.OpCloseSession, nil, awaitClose)
	case awaitClose:
		l.record(kindRead, c.started)
		c.mark += closedMark
	}
	return nil
}

// gone begins the next cycle: the server hangs up after closeSession, so that
// no port of ours stays in TIME_WAIT.
func (j *churning) gone(l *loop, c *conn, err error) error {
	if c.mark < closedMark {
		return err
	}
	j.active--
	return j.next(l, c.mark-closedMark)
}

func (j *churning) done(l *loop) bool { return j.active == 0 && l.engine.ending() }

// holding is the phase of the workload Idle: nothing but pings.
type holding struct{ plain }

func (holding) done(l *loop) bool { return l.engine.ending() }

// fanout is the phase of the workload Watch: all sessions but one watch a
// znode, that one changes it, and the clock runs until the last event is there.
type fanout struct {
	plain
	watch, set []byte // bodies
	watchers   []*conn
	writer     *conn
	step       fanStep
	armed      int
	seen       int
	changed    bool // setData was answered
	fired      int64
}

// fanStep is where a round stands.
type fanStep uint8

const (
	toArm fanStep = iota
	arming
	firing
	finished
)

// The kinds of the workload Watch.
const (
	kindLast uint8 = 0
	kindEach uint8 = 1
)

const (
	askWatch uint8 = iota
	askSet
)

func newFanout(path string, data []byte) *fanout {
	set := wire.SetDataRequest{Path: []byte(path), Data: data, Version: -1}
	return &fanout{watch: pathBody(path, true), set: set.Append(nil)}
}

func (j *fanout) start(l *loop) error {
	for _, c := range l.conns {
		switch {
		case c == nil:
		case int(c.mark) == l.engine.opt.Connections:
			j.writer = c
		default:
			j.watchers = append(j.watchers, c)
		}
	}
	return nil
}

func (j *fanout) reply(l *loop, c *conn, r *reply) error {
	if r.code != wire.CodeOK {
		return fmt.Errorf("%s: the watched znode: %w", c.server.name, r.code)
	}
	if r.kind == askSet {
		j.changed = true
		return nil
	}
	j.armed++
	return nil
}

func (j *fanout) event(l *loop, c *conn) error {
	var e wire.WatcherEvent
	d := jute.NewDecoder(l.r.body)
	e.Decode(&d)
	if j.step != firing || d.Err() != nil || e.Type != wire.EventNodeDataChanged {
		return fmt.Errorf("%s: an event that no watch of the run asked for (type %d, path %q)", c.server.name, e.Type, e.Path)
	}
	l.record(kindEach, j.fired)
	if j.seen++; j.seen == len(j.watchers) {
		l.record(kindLast, j.fired)
	}
	return nil
}

// tick moves the round on, once all that it waits for is there.
func (j *fanout) tick(l *loop) (int64, error) {
	switch {
	case j.step == toArm:
		if l.engine.claim(1) == 0 {
			j.step = finished
			break
		}
		j.step, j.armed, j.seen, j.changed = arming, 0, 0, false
		for _, c := range j.watchers {
			l.request(c, wire.OpGetData, j.watch, askWatch)
			if err := l.flush(c); err != nil {
				return 0, l.lose(c, err)
			}
		}
	case j.step == arming && j.armed == len(j.watchers):
		j.step = firing
		l.now = now()
		j.fired = l.now
		l.request(j.writer, wire.OpSetData, j.set, askSet)
		if err := l.flush(j.writer); err != nil {
			return 0, l.lose(j.writer, err)
		}
	case j.step == firing && j.changed && j.seen == len(j.watchers):
		j.step = toArm
		return l.now, nil
	}
	return math.MaxInt64, nil
}

func (j *fanout) done(*loop) bool { return j.step == finished }
