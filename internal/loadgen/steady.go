package loadgen

import (
	"fmt"
	"math"

	"zooid/internal/wire"
)

// source makes the requests of a steady phase.
type source interface {
	// append appends one request to b and returns its kind.
	append(b []byte, c *conn, xid int32) ([]byte, uint8)
}

// The kinds of the steady workloads.
const (
	kindRead  = 0
	kindWrite = 1
)

// mix reads and writes random keys.
type mix struct {
	keys        int
	read, write template
	readBelow   uint64 // of 2^32: the share of reads
}

func newMix(y layout, data []byte, readShare float64) *mix {
	return &mix{
		keys: y.keys, read: readTemplate(y), write: writeTemplate(y, data),
		readBelow: uint64(math.Round(readShare * (1 << 32))),
	}
}

func (m *mix) append(b []byte, c *conn, xid int32) ([]byte, uint8) {
	bits := c.random.next()
	key := below(uint32(bits), m.keys)
	if bits>>32 < m.readBelow {
		return m.read.append(b, xid, key), kindRead
	}
	return m.write.append(b, xid, key), kindWrite
}

// inTurn takes every key of a list once: to create or delete it.
type inTurn struct {
	engine *engine
	of     template
	keys   []int32 // nil: 0, 1, 2, ...
}

func (s *inTurn) append(b []byte, _ *conn, xid int32) ([]byte, uint8) {
	i := int(s.engine.serial.Add(1) - 1)
	if s.keys != nil {
		i = int(s.keys[i])
	}
	return s.of.append(b, xid, i), kindRead
}

// steady is the phase of a closed loop: every connection always has depth
// requests in flight.
type steady struct {
	plain
	depth    int
	source   source
	tolerate wire.Code // a refusal that is as good as success
}

func (j *steady) start(l *loop) error {
	for _, c := range l.conns {
		if c == nil || c.state != open {
			continue
		}
		j.send(l, c, j.depth)
		if err := l.flush(c); err != nil {
			return err
		}
	}
	return nil
}

// send appends up to n requests to the loop's output.
func (j *steady) send(l *loop, c *conn, n int) {
	for n = l.engine.claim(n); n > 0; n-- {
		var kind uint8
		l.out, kind = j.source.append(l.out, c, c.nextXid())
		l.note(c, l.now, kind)
	}
}

func (j *steady) reply(l *loop, _ *conn, r *reply) error {
	l.answered(r, j.tolerate)
	return nil
}

// answered counts a reply, by kind or as a refusal.
func (l *loop) answered(r *reply, tolerate wire.Code) {
	if r.code == wire.CodeOK || r.code == tolerate {
		l.record(r.kind, r.sent)
		return
	}
	l.failed(r.code)
}

func (j *steady) turn(l *loop, c *conn) error {
	if n := j.depth - c.inflight(); n > 0 {
		j.send(l, c, n)
	}
	return nil
}

func (j *steady) done(l *loop) bool { return l.outstanding == 0 && l.engine.ending() }

// paced is the phase of an open loop: bursts of depth requests leave at fixed
// times, whether the server keeps up or not, and a latency counts from the time
// at which the request should have left. A stall of the server thus shows in
// every request that it held up, not in one.
type paced struct {
	plain
	source  source
	burst   int
	every   float64 // ns between two bursts of this loop
	origin  int64   // when burst 0 is due
	sent    int64   // bursts so far
	targets []*conn
}

// maxBacklog bounds the requests in flight on a connection; bursts wait beyond it.
const maxBacklog = 1 << 15

// newPaced gives loop l its share of rate operations a second. The bursts of
// the loops interleave.
func newPaced(l *loop, src source, depth int, rate float64) *paced {
	loops := float64(len(l.engine.loops))
	every := float64(depth) / rate * 1e9
	return &paced{source: src, burst: depth, every: every * loops, origin: int64(every * float64(l.index))}
}

func (j *paced) start(l *loop) error {
	sharpTimers()
	j.origin += l.now
	for _, c := range l.conns {
		if c != nil && c.state == open {
			j.targets = append(j.targets, c)
		}
	}
	if len(j.targets) == 0 {
		return fmt.Errorf("loop %d has no connection", l.index)
	}
	return nil
}

// due is when burst n leaves.
func (j *paced) due(n int64) int64 { return j.origin + int64(float64(n)*j.every) }

func (j *paced) tick(l *loop) (int64, error) {
	for at := j.due(j.sent); at <= l.now; at = j.due(j.sent) {
		c := j.targets[j.sent%int64(len(j.targets))]
		if c.state != open || c.inflight() > maxBacklog || l.engine.ending() {
			break
		}
		for n := l.engine.claim(j.burst); n > 0; n-- {
			var kind uint8
			l.out, kind = j.source.append(l.out, c, c.nextXid())
			l.note(c, at, kind)
			l.cur.late.Record(l.now - at)
		}
		j.sent++
		if err := l.flush(c); err != nil {
			return 0, l.lose(c, err)
		}
	}
	return j.due(j.sent), nil
}

func (j *paced) reply(l *loop, _ *conn, r *reply) error {
	l.answered(r, wire.CodeOK)
	return nil
}

func (j *paced) done(l *loop) bool { return l.outstanding == 0 && l.engine.ending() }
