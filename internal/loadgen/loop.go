package loadgen

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

const (
	readSize  = 256 << 10             // bytes read from a socket at once
	maxReply  = 256 << 20             // a longer frame is no reply of a ZooKeeper server
	longWait  = 10 * time.Millisecond // how late a loop may notice that it is to stop
	pingEvery = int64(time.Second)
)

// maxKinds is how many kinds of operation one workload may tell apart.
const maxKinds = 2

// reply is one answer, valid during the call that it is handed to.
type reply struct {
	xid  int32
	zxid int64
	code wire.Code
	body []byte
	sent int64
	kind uint8
}

// job is what a loop does during one phase of a run. Its methods run on the
// loop's goroutine; an error ends the run.
type job interface {
	// start begins the phase.
	start(l *loop) error
	// opened says that a session that start or a later call dialled is there.
	opened(l *loop, c *conn) error
	// reply takes an answer; what it sends it leaves in l.out.
	reply(l *loop, c *conn, r *reply) error
	// event takes a notification.
	event(l *loop, c *conn) error
	// turn follows the last reply of each read; the loop flushes after it.
	turn(l *loop, c *conn) error
	// tick runs between reads and returns when it wants to run again at the
	// latest (see now).
	tick(l *loop) (int64, error)
	// gone says that a connection broke or was closed by the server.
	gone(l *loop, c *conn, err error) error
	// done reports whether the phase is over for this loop.
	done(l *loop) bool
}

// plain is a job that ignores everything but a lost connection; jobs embed it.
type plain struct{}

func (plain) start(*loop) error                    { return nil }
func (plain) opened(*loop, *conn) error            { return nil }
func (plain) reply(*loop, *conn, *reply) error     { return nil }
func (plain) event(*loop, *conn) error             { return nil }
func (plain) turn(*loop, *conn) error              { return nil }
func (plain) tick(*loop) (int64, error)            { return math.MaxInt64, nil }
func (plain) gone(_ *loop, _ *conn, e error) error { return e }

// interval is what a loop measured since it was last asked.
type interval struct {
	kinds  [maxKinds]Histogram
	late   Histogram // how late the requests of an open loop left
	errors map[wire.Code]int64
}

// count notes a refused operation.
func (v *interval) count(code wire.Code) {
	if v.errors == nil {
		v.errors = make(map[wire.Code]int64)
	}
	v.errors[code]++
}

// merge adds what other measured.
func (v *interval) merge(other *interval) {
	for k := range v.kinds {
		v.kinds[k].Merge(&other.kinds[k])
	}
	v.late.Merge(&other.late)
	for code, n := range other.errors {
		if v.errors == nil {
			v.errors = make(map[wire.Code]int64)
		}
		v.errors[code] += n
	}
}

// loop serves a share of the connections.
type loop struct {
	index          int
	engine         *engine
	servers        []endpoint
	poll           *poller
	job            job
	now            int64
	sessionTimeout time.Duration
	proofs         []byte // the auth packets that follow each handshake
	proofCount     int
	nextPing       int64
	outstanding    int // requests in flight on all connections

	conns []*conn // by slot; nil where free
	free  []int32
	freed []int32

	in  []byte
	out []byte
	r   reply

	mu     sync.Mutex // guards what follows, against the sampler
	cur    *interval
	bySend sendTimes
}

// run carries out one phase.
func (l *loop) run(j job) error {
	l.job, l.now = j, now()
	l.nextPing = l.now + pingEvery
	if err := j.start(l); err != nil {
		return err
	}
	next := l.now
	for !j.done(l) {
		wait := min(time.Duration(max(0, next-now())), longWait)
		ready, err := l.poll.wait(wait)
		if err != nil {
			return fmt.Errorf("waiting for sockets: %w", err)
		}
		l.mu.Lock()
		l.now = now()
		for _, r := range ready {
			if err = l.serve(r); err != nil {
				break
			}
		}
		if err == nil {
			next, err = l.between()
		}
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// between does what is due beside the sockets.
func (l *loop) between() (int64, error) {
	l.free = append(l.free, l.freed...)
	l.freed = l.freed[:0]
	if l.now >= l.nextPing {
		l.nextPing = l.now + pingEvery
		if err := l.pings(); err != nil {
			return 0, err
		}
	}
	if err := l.engine.overdue(l); err != nil {
		return 0, err
	}
	return l.job.tick(l)
}

// pings keeps sessions alive that have been silent for a third of their timeout.
func (l *loop) pings() error {
	for _, c := range l.conns {
		if c == nil || c.state != open || l.now-c.lastSent < c.timeout/3 {
			continue
		}
		h := wire.RequestHeader{Xid: wire.XidPing, Type: wire.OpPing}
		l.out = appendFrame(l.out, &h, nil)
		if err := l.flush(c); err != nil {
			return l.lose(c, err)
		}
	}
	return nil
}

// serve handles one report of the poller.
func (l *loop) serve(r readiness) error {
	c := l.conns[r.slot]
	if c == nil {
		return nil
	}
	if r.out && c.waitOut {
		if err := l.writable(c); err != nil {
			return l.lose(c, err)
		}
	}
	for more := r.in; more && c.state != dialing && c.state != abandoned; {
		var err error
		if more, err = l.readable(c); err != nil {
			return err
		}
		more = more || r.ended
	}
	return nil
}

func (l *loop) writable(c *conn) error {
	if c.state == dialing {
		return l.greet(c)
	}
	return l.drain(c)
}

// lose gives a connection up and asks the job what that means.
func (l *loop) lose(c *conn, err error) error {
	l.out = l.out[:0]
	l.drop(c)
	return l.job.gone(l, c, err)
}

// readable reads once, handles all whole frames, and lets the job refill. It
// reports whether there may be more to read.
func (l *loop) readable(c *conn) (bool, error) {
	n := copy(l.in, c.rest)
	room := len(l.in) - n
	got, err := unix.Read(c.fd, l.in[n:])
	if err == unix.EAGAIN {
		return false, nil
	}
	if err == unix.EINTR {
		return true, nil
	}
	if err != nil {
		return false, l.lose(c, lost(c, err))
	}
	if got == 0 {
		return false, l.lose(c, lost(c, nil))
	}
	l.now = now()
	rest, err := l.frames(c, l.in[:n+got])
	if err != nil || c.state == abandoned {
		return false, err
	}
	c.rest = append(c.rest[:0], rest...)
	if c.state == open {
		if err := l.job.turn(l, c); err != nil {
			return false, err
		}
	}
	if err := l.flush(c); err != nil {
		return false, l.lose(c, err)
	}
	return got == room, nil
}

// frames handles every whole frame of b and returns what is left. A frame that
// the loop's buffer cannot hold makes the buffer grow.
func (l *loop) frames(c *conn, b []byte) ([]byte, error) {
	for len(b) >= 4 {
		size := int(int32(binary.BigEndian.Uint32(b)))
		if size < 0 || size > maxReply {
			return nil, fmt.Errorf("%s: a frame of %d bytes: is this a ZooKeeper server's plain-text client port?", c.server.name, size)
		}
		if len(b) < 4+size {
			if 4+size > len(l.in) {
				l.in = make([]byte, 4+size+readSize)
			}
			break
		}
		if err := l.frame(c, b[4:4+size]); err != nil || c.state == abandoned {
			return nil, err
		}
		b = b[4+size:]
	}
	return b, nil
}

// frame handles one frame.
func (l *loop) frame(c *conn, f []byte) error {
	if c.state == greeting {
		return l.welcome(c, f)
	}
	if len(f) < wire.ReplyHeaderSize {
		return fmt.Errorf("%s: a reply of %d bytes is shorter than its header", c.server.name, len(f))
	}
	r := &l.r
	r.xid = int32(binary.BigEndian.Uint32(f))
	r.zxid = int64(binary.BigEndian.Uint64(f[4:]))
	r.code = wire.Code(int32(binary.BigEndian.Uint32(f[12:])))
	r.body = f[wire.ReplyHeaderSize:]
	switch r.xid {
	case wire.XidNotification:
		return l.job.event(l, c)
	case wire.XidPing:
		return nil
	case wire.XidAuth:
		return l.proved(c, r.code)
	}
	s, ok := c.pop(r.xid)
	if !ok {
		return fmt.Errorf("%s: reply to xid %d, but %d is due: replies must come in the order of the requests",
			c.server.name, r.xid, c.expect+1)
	}
	l.outstanding--
	r.sent, r.kind = s.at, s.kind
	return l.job.reply(l, c, r)
}

// welcome reads the ConnectResponse.
func (l *loop) welcome(c *conn, f []byte) error {
	var r wire.ConnectResponse
	d := jute.NewDecoder(f)
	r.Decode(&d)
	if d.Err() != nil || r.TimeOut <= 0 {
		return fmt.Errorf("%s: the server refused a new session (%d bytes of answer, timeout %d)", c.server.name, len(f), r.TimeOut)
	}
	c.timeout = int64(r.TimeOut) * int64(time.Millisecond)
	if l.proofCount == 0 {
		c.state = open
		return l.job.opened(l, c)
	}
	c.state, c.proofs = proving, l.proofCount
	l.out = append(l.out, l.proofs...)
	return nil
}

// proved counts the answers to auth packets.
func (l *loop) proved(c *conn, code wire.Code) error {
	if code != wire.CodeOK {
		return fmt.Errorf("%s: the server refused --auth: %w", c.server.name, code)
	}
	if c.proofs--; c.proofs == 0 && c.state == proving {
		c.state = open
		return l.job.opened(l, c)
	}
	return nil
}

// record counts an answered operation that began at start.
func (l *loop) record(kind uint8, start int64) {
	l.cur.kinds[kind].Record(l.now - start)
	if l.bySend.length > 0 {
		l.bySend.record(start, l.now-start)
	}
}

// failed counts a refused one.
func (l *loop) failed(code wire.Code) { l.cur.count(code) }
