package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// patience is how long answers may take once no more requests are sent.
const patience = int64(15 * time.Second)

// engine is the loops of a run and what they share. A run is a row of phases;
// in a phase every loop carries out one job, and between phases none runs.
type engine struct {
	opt   *Options
	loops []*loop

	halt   atomic.Bool  // the phase is to wind down
	haltAt atomic.Int64 // when that was said; see now

	limited bool         // the phase ends when the budget is spent
	budget  atomic.Int64 // operations that may still begin
	serial  atomic.Int64 // the next key of a phase that takes keys in turn
}

// newEngine resolves the servers and makes the loops; nothing is dialled yet.
func newEngine(ctx context.Context, opt *Options) (*engine, error) {
	servers, err := resolve(ctx, opt.Servers)
	if err != nil {
		return nil, err
	}
	e := &engine{opt: opt}
	for i := range opt.Threads {
		p, err := newPoller()
		if err != nil {
			e.close()
			return nil, fmt.Errorf("making a poller: %w", err)
		}
		l := &loop{
			index: i, engine: e, servers: copies(servers), poll: p, sessionTimeout: opt.SessionTimeout,
			in: make([]byte, readSize), out: make([]byte, 0, 64<<10), cur: new(interval),
		}
		if opt.Slice < time.Second {
			l.bySend.length = int64(opt.Slice)
		}
		for _, a := range opt.Auth {
			l.proofs = appendProof(l.proofs, a)
			l.proofCount++
		}
		e.loops = append(e.loops, l)
	}
	return e, nil
}

// close drops all connections without a word to the server.
func (e *engine) close() {
	for _, l := range e.loops {
		for _, c := range l.conns {
			if c != nil {
				l.drop(c)
			}
		}
		l.poll.close()
	}
}

// share is how many of n things fall to loop l, dealt round.
func (e *engine) share(l *loop, n int) int {
	return (n - l.index + len(e.loops) - 1) / len(e.loops)
}

// limit bounds the operations of the next phase.
func (e *engine) limit(ops int64) {
	e.limited = ops > 0
	e.budget.Store(ops)
	e.serial.Store(0)
}

// claim asks for the right to begin n operations and returns how many may.
func (e *engine) claim(n int) int {
	if e.halt.Load() {
		return 0
	}
	if !e.limited {
		return n
	}
	left := e.budget.Add(-int64(n))
	if left >= 0 {
		return n
	}
	return int(max(0, int64(n)+left))
}

// ending reports whether no more operations may begin.
func (e *engine) ending() bool {
	return e.halt.Load() || e.limited && e.budget.Load() <= 0
}

func (e *engine) stop() {
	if e.halt.CompareAndSwap(false, true) {
		e.haltAt.Store(now())
	}
}

// overdue is the end of the patience with a server that does not answer.
func (e *engine) overdue(l *loop) error {
	if !e.halt.Load() {
		return nil
	}
	at := e.haltAt.Load()
	if at == 0 || l.now-at < patience {
		return nil
	}
	return fmt.Errorf("%d requests are without an answer %v after the last one was sent",
		l.outstanding, time.Duration(patience))
}

// errInterrupted ends a phase whose context is done.
var errInterrupted = errors.New("interrupted")

// phase lets every loop carry out its job and waits for all. The first failure
// winds the others down; so does the context, which makes errInterrupted.
func (e *engine) phase(ctx context.Context, assign func(l *loop) job) error {
	e.halt.Store(false)
	e.haltAt.Store(0)
	unhook := context.AfterFunc(ctx, e.stop)
	defer unhook()
	var wg sync.WaitGroup
	failures := make([]error, len(e.loops))
	for i, l := range e.loops {
		j := assign(l)
		wg.Go(func() {
			if failures[i] = l.run(j); failures[i] != nil {
				e.stop()
			}
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// appendProof appends an auth packet for scheme:data.
func appendProof(b []byte, auth string) []byte {
	scheme, data := splitAuth(auth)
	packet := wire.AuthPacket{Scheme: []byte(scheme), Auth: []byte(data)}
	h := wire.RequestHeader{Xid: wire.XidAuth, Type: wire.OpAuth}
	return appendFrame(b, &h, packet.Append(nil))
}

// opening is the phase that opens total sessions, few at a time, as servers
// have short accept queues.
type opening struct {
	plain
	total    int // of all loops
	begun    int // of this loop
	ready    int
	want     int
	allowed  time.Duration
	deadline int64
}

// openAtOnce is how many handshakes a loop has under way at most.
const openAtOnce = 16

func (j *opening) start(l *loop) error {
	j.want = l.engine.share(l, j.total)
	j.allowed = 30*time.Second + time.Duration(j.want)*5*time.Millisecond
	j.deadline = l.now + int64(j.allowed)
	for range min(openAtOnce, j.want) {
		if err := j.next(l); err != nil {
			return err
		}
	}
	return nil
}

func (j *opening) next(l *loop) error {
	if j.begun == j.want || l.engine.halt.Load() {
		return nil
	}
	number := l.index + j.begun*len(l.engine.loops)
	j.begun++
	c, err := l.dial(&l.servers[number%len(l.servers)])
	if err != nil {
		return err
	}
	c.mark = int64(number)
	return nil
}

func (j *opening) opened(l *loop, _ *conn) error {
	j.ready++
	return j.next(l)
}

func (j *opening) tick(l *loop) (int64, error) {
	if l.now > j.deadline {
		return 0, fmt.Errorf("only %d of %d sessions are open after %v", j.ready, j.want, j.allowed)
	}
	return math.MaxInt64, nil
}

func (j *opening) done(l *loop) bool { return j.ready == j.want || l.engine.halt.Load() }

// leaving is the phase that closes all sessions in good order.
type leaving struct {
	plain
	deadline int64
}

func (j *leaving) start(l *loop) error {
	j.deadline = l.now + int64(10*time.Second)
	for _, c := range l.conns {
		if c == nil {
			continue
		}
		if c.state != open {
			l.drop(c)
			continue
		}
		c.state = closing
		l.request(c, wire.OpCloseSession, nil, 0)
		if l.flush(c) != nil {
			l.drop(c)
		}
	}
	l.out = l.out[:0]
	return nil
}

func (j *leaving) gone(*loop, *conn, error) error { return nil }

func (j *leaving) tick(l *loop) (int64, error) {
	if l.now > j.deadline {
		for _, c := range l.conns {
			if c != nil {
				l.drop(c)
			}
		}
	}
	return math.MaxInt64, nil
}

func (j *leaving) done(l *loop) bool {
	for _, c := range l.conns {
		if c != nil {
			return false
		}
	}
	return true
}

// leave closes all sessions, even after the run was interrupted.
func (e *engine) leave() error {
	e.limit(0)
	return e.phase(context.Background(), func(*loop) job { return new(leaving) })
}

// pathBody is the record of requests that have a path and a flag.
func pathBody(path string, watch bool) []byte {
	return jute.AppendBool(jute.AppendString(nil, path), watch)
}
