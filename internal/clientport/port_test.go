package clientport

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/metrics"
	"zooid/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// echo is a core that answers every frame with itself. Frames that begin with
// 'c' have the connection closed behind their answer; reads begin with 'r' and
// are answered on the connection's goroutine.
type echo struct {
	p  *Port
	mu sync.Mutex
	// out holds what Drain hands over, by connection.
	out    map[uint32][]byte
	count  map[uint32]int
	closed int
	opened int
	// silent makes it keep its answers to batches until answer.
	silent atomic.Bool
}

func (e *echo) reply(c *Conn, frames []byte, n int) {
	e.mu.Lock()
	e.out[c.ID()] = append(e.out[c.ID()], frames...)
	e.count[c.ID()] += n
	e.mu.Unlock()
	c.Deliver(e)
	c.Flush()
}

func (e *echo) Drain(id uint32, dst []byte) ([]byte, int, int, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	dst = append(dst, e.out[id]...)
	n := e.count[id]
	e.out[id], e.count[id] = e.out[id][:0], 0
	return dst, n, n, false
}

func (e *echo) Open(c *Conn, body []byte) {
	e.mu.Lock()
	e.opened++
	e.mu.Unlock()
	e.reply(c, framed(body), 1)
}

func (e *echo) Reads(c *Conn, frames []byte) (taken, n int, long func()) {
	out := c.BeginOut()
	for len(frames)-taken >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(frames[taken:]))
		if frames[taken+4] != 'r' {
			break
		}
		out = append(out, frames[taken:taken+size]...)
		taken, n = taken+size, n+1
	}
	c.EndOut(out, n)
	return taken, n, nil
}

// answer gives the answers that were kept.
func (e *echo) answer(c *Conn) {
	c.Deliver(e)
	c.Flush()
	e.p.Relieve()
}

func (e *echo) Batch(c *Conn, frames []byte, mem *Buffer, n int) {
	if e.silent.Load() {
		e.mu.Lock()
		e.out[c.ID()] = append(e.out[c.ID()], frames...)
		e.count[c.ID()] += n
		e.mu.Unlock()
		Recycle(mem)
		return
	}
	e.reply(c, frames, n)
	end := frames[4] == 'c'
	Recycle(mem)
	e.p.Relieve()
	if end {
		c.CloseAfterFlush()
	}
}

func (e *echo) Closed(c *Conn) {
	e.mu.Lock()
	e.closed++
	e.mu.Unlock()
	e.p.Release(c.ID())
}

func (e *echo) Serving() bool { return true }

func (e *echo) Room(*Conn) {}

func (e *echo) Settle() {}

var ruok, stmk = binary.BigEndian.Uint32([]byte("ruok")), binary.BigEndian.Uint32([]byte("stmk"))

func (e *echo) IsWord(word uint32) bool { return word == ruok || word == stmk }

func (e *echo) Word(word uint32, c *Conn) {
	if word == ruok {
		c.WriteWord([]byte("imok"))
		return
	}
	mask, _ := c.Argument(8)
	c.WriteWord(mask)
}

func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func listen(t testing.TB, limits Limits) *echo {
	t.Helper()
	e := newEcho(limits)
	if err := e.p.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	e.serve(t)
	return e
}

// newEcho is an echo whose port does not listen yet.
func newEcho(limits Limits) *echo {
	p := &Port{Limits: limits, Metrics: &metrics.Server{}, Log: slog.New(slog.DiscardHandler)}
	if p.Limits.MaxFrame == 0 {
		p.Limits.MaxFrame = 4096
	}
	if p.Limits.SessionlessFor == 0 {
		p.Limits.SessionlessFor = patience
	}
	p.Limits.Outstanding, p.Limits.MaxOutput, p.Limits.Backlog = 100, 1<<20, -1
	e := &echo{p: p, out: map[uint32][]byte{}, count: map[uint32]int{}}
	p.Core = e
	return e
}

func (e *echo) serve(t testing.TB) {
	go e.p.Serve()
	t.Cleanup(func() { e.p.Drain(patience) })
}

func (e *echo) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", e.p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

// settle waits until nothing is left of any connection.
func (e *echo) settle(t testing.TB) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		e.mu.Lock()
		same := e.opened == e.closed
		e.mu.Unlock()
		if same && len(e.p.Conns()) == 0 && e.p.Metrics.NumAliveConnections.Value() == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are left, %d opened, %d closed", len(e.p.Conns()), e.opened, e.closed)
		}
		<-time.After(time.Millisecond)
	}
	if n := e.p.Metrics.OutstandingRequests.Value(); n != 0 {
		t.Fatalf("%d requests count as outstanding", n)
	}
	if n := e.p.largeInFlight.Load(); n != 0 {
		t.Fatalf("%d bytes of large requests count as in flight", n)
	}
}

// FuzzFrames throws bytes at a connection, behind a handshake or not, in one
// piece or in two: nothing panics, and nothing is left of the connection.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("ruok"), 2, false)
	f.Add([]byte("stmk12345678"), 6, false)
	f.Add([]byte("stmk123"), 6, false)
	f.Add(framed([]byte("connect")), 3, false)
	f.Add(append(framed([]byte("r1")), framed([]byte("w2"))...), 5, true)
	f.Add(append(framed([]byte("w1")), framed([]byte("close"))...), 9, true)
	f.Add([]byte{0, 0, 0, 0}, 1, true)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, 1, true)
	f.Add([]byte{0, 0, 0x10, 1}, 1, true)
	f.Add(framed(make([]byte, 4096)), 100, true)
	e := listen(f, Limits{LargeRequest: 100, LargeRequestBytes: 1000})
	f.Fuzz(func(t *testing.T, b []byte, cut int, handshake bool) {
		nc := e.dial(t)
		if handshake {
			nc.Write(framed([]byte("hello")))
		}
		cut = min(max(cut, 0), len(b))
		nc.Write(b[:cut])
		nc.Write(b[cut:])
		nc.CloseWrite()
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server does not end the connection")
		}
		nc.Close()
		e.settle(t)
	})
}

func TestRefusalAndIDs(t *testing.T) {
	e := listen(t, Limits{PerAddress: 2})
	for round := range 3 {
		a, b := e.dial(t), e.dial(t)
		for _, nc := range []net.Conn{a, b} {
			nc.Write(framed([]byte("hello")))
			if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := e.dial(t).Read(make([]byte, 1)); n > 0 || err == nil {
			t.Fatal("a third connection was taken")
		}
		a.Close()
		b.Close()
		e.settle(t)
		if n := len(e.p.conns); n > 3 {
			t.Fatalf("round %d: %d ids for two connections", round, n)
		}
	}
}

// TestOutputLimit sends events to a client that never reads until it is cut
// off.
func TestOutputLimit(t *testing.T) {
	e := listen(t, Limits{})
	nc := e.dial(t)
	nc.Write(framed([]byte("hello")))
	if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	conns := e.p.Conns()
	if len(conns) != 1 {
		t.Fatal("no connection")
	}
	event := framed(make([]byte, 4000))
	for i := 0; !conns[0].Dead(); i++ {
		if i > 1<<16 {
			t.Fatal("it may leave 256 MB unread")
		}
		e.reply(conns[0], event, 0)
	}
	e.settle(t)
}

// TestLongOutputAtOnce: a client that reads gets what the core had for it in one
// go, however much that is.
func TestLongOutputAtOnce(t *testing.T) {
	e := listen(t, Limits{})
	nc := e.dial(t)
	nc.Write(framed([]byte("hello")))
	if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	conns, long := e.p.Conns(), framed(make([]byte, 16<<20)) // MaxOutput is 1 MB
	if len(conns) != 1 {
		t.Fatal("no connection")
	}
	e.reply(conns[0], long, 0)
	if _, err := io.ReadFull(nc, make([]byte, len(long))); err != nil {
		t.Fatalf("cut off: %v", err)
	}
}

// TestListenErrors names the port and says what to do.
func TestListenErrors(t *testing.T) {
	e := listen(t, Limits{})
	p := &Port{Metrics: &metrics.Server{}, Log: slog.New(slog.DiscardHandler)}
	err := p.Listen(e.p.Addr().String())
	if err == nil {
		t.Fatal("a port was taken twice")
	}
	want := "client port " + e.p.Addr().String() + " is in use by another process: stop it or choose another clientPort"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// TestThrottle runs the token bucket against a clock and dice of its own.
func TestThrottle(t *testing.T) {
	now, dice := time.Unix(1000, 0), 0.5
	th := &Throttle{
		MaxTokens: 4, FillTime: 10 * time.Millisecond, FillCount: 2, FreezeTime: 5 * time.Millisecond,
		DropIncrease: 0.25, DropDecrease: 0.5, DecreaseRatio: 0.5,
		Now: func() time.Time { return now }, Float64: func() float64 { return dice },
	}
	session := (&wire.ConnectRequest{}).Append(nil)
	take := func(ok bool, deficit int64, drop float64) {
		t.Helper()
		d, got := th.Take(session)
		if got != ok || d != deficit || th.DropProbability() != drop {
			t.Fatalf("at %v: took %t, deficit %d, drop %v; want %t, %d, %v",
				now.Sub(time.Unix(1000, 0)), got, d, th.DropProbability(), ok, deficit, drop)
		}
	}
	for i := range int64(4) {
		take(true, i+1, 0)
	}
	take(false, 0, 0) // empty, but the probability is frozen still
	now = now.Add(6 * time.Millisecond)
	take(false, 0, 0.25)
	now = now.Add(4 * time.Millisecond) // 10 ms are not more than 10 ms
	take(false, 0, 0.25)
	now = now.Add(1 * time.Millisecond) // 11 * 2 / 10 = 2 tokens
	take(true, 3, 0.25)
	dice = 0.2
	take(false, 0, 0.25) // by chance, though there is a token
	dice = 0.9
	now = now.Add(6 * time.Millisecond)
	take(true, 4, 0.25)                  // one was left, and half the bucket was missing: no change
	now = now.Add(20 * time.Millisecond) // full again
	take(true, 1, 0)

	th = &Throttle{MaxTokens: 5, FillTime: time.Hour, FreezeTime: -1, Weights: true, NewWeight: 3, RenewWeight: 2,
		Now: func() time.Time { return now }}
	take(true, 3, 0)
	take(false, 0, 0) // 2 are left, a new session takes 3
	session = (&wire.ConnectRequest{SessionID: 1}).Append(nil)
	take(true, 5, 0)
	if _, ok := new(Throttle).Take(session); !ok {
		t.Error("the zero throttle refuses")
	}
}
