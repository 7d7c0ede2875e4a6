package loadgen

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// connState is how far a connection has come.
type connState uint8

const (
	dialing   connState = iota // TCP handshake under way
	greeting                   // ConnectRequest sent
	proving                    // auth packets sent
	open                       // requests may be sent
	closing                    // closeSession sent
	abandoned                  // closed; its slot is about to be free
)

// stamp is what is kept of a request in flight.
type stamp struct {
	at   int64 // when it was, or should have been, sent; see now
	kind uint8
}

// conn is one connection and its session. All of it belongs to one loop.
type conn struct {
	fd       int
	slot     int32
	state    connState
	waitOut  bool // the poller reports when the socket takes bytes
	server   *endpoint
	started  int64 // when the dial began
	lastSent int64
	timeout  int64 // negotiated session timeout, ns
	xid      int32 // of the last request
	expect   int32 // of the next reply
	proofs   int   // auth replies that are still to come

	// A ring of the requests in flight, oldest at head; its length is a power
	// of two.
	stamps     []stamp
	head, tail uint32

	rest    []byte // the front of a frame whose end has not come
	pending []byte // bytes that the socket did not take yet
	random  random
	mark    int64 // for the job's own use
}

// base is the origin of all times in this package.
var base = time.Now()

// now returns ns since the process began.
func now() int64 { return int64(time.Since(base)) }

func (c *conn) inflight() int { return int(c.tail - c.head) }

// nextXid numbers requests 1, 2, 3, ... and starts again before the sign.
func (c *conn) nextXid() int32 {
	if c.xid == math.MaxInt32 {
		c.xid = 0
	}
	c.xid++
	return c.xid
}

// push notes a request that is being sent.
func (c *conn) push(at int64, kind uint8) {
	if c.inflight() == len(c.stamps) {
		c.grow()
	}
	c.stamps[c.tail&uint32(len(c.stamps)-1)] = stamp{at, kind}
	c.tail++
}

func (c *conn) grow() {
	n := max(4, 2*len(c.stamps))
	ring := make([]stamp, n)
	count := uint32(c.inflight())
	for i := range count {
		ring[i] = c.stamps[(c.head+i)&uint32(len(c.stamps)-1)]
	}
	c.stamps, c.head, c.tail = ring, 0, count
}

// pop takes the oldest request, if xid is the one whose reply is due.
func (c *conn) pop(xid int32) (stamp, bool) {
	if c.inflight() == 0 {
		return stamp{}, false
	}
	due := c.expect + 1
	if c.expect == math.MaxInt32 {
		due = 1
	}
	if xid != due {
		return stamp{}, false
	}
	c.expect = due
	s := c.stamps[c.head&uint32(len(c.stamps)-1)]
	c.head++
	return s, true
}

// dial starts a connection to an endpoint; the rest happens as the poller
// reports.
func (l *loop) dial(server *endpoint) (*conn, error) {
	fd, err := newSocket(server.family)
	if err != nil {
		return nil, refused(server, err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	err = unix.Connect(fd, server.addr)
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		_ = unix.Close(fd)
		return nil, refused(server, err)
	}
	c := &conn{fd: fd, server: server, started: now(), waitOut: true}
	c.slot = l.take(c)
	c.random = newRandom(uint64(c.slot)<<8 | uint64(l.index))
	if err := l.poll.add(fd, c.slot, true); err != nil {
		l.drop(c)
		return nil, refused(server, err)
	}
	return c, nil
}

// take puts a connection into a free slot.
func (l *loop) take(c *conn) int32 {
	if n := len(l.free); n > 0 {
		slot := l.free[n-1]
		l.free = l.free[:n-1]
		l.conns[slot] = c
		return slot
	}
	l.conns = append(l.conns, c)
	return int32(len(l.conns) - 1)
}

// drop closes a connection. Its slot is free once the events at hand are done,
// as one of them may still mean the old socket.
func (l *loop) drop(c *conn) {
	if c.state == abandoned {
		return
	}
	l.poll.remove(c.fd, c.slot)
	_ = unix.Close(c.fd)
	c.state = abandoned
	l.outstanding -= c.inflight()
	c.head = c.tail
	l.conns[c.slot] = nil
	l.freed = append(l.freed, c.slot)
}

// greet sends the ConnectRequest once TCP is through.
func (l *loop) greet(c *conn) error {
	if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
		return refused(c.server, err)
	} else if code != 0 {
		return refused(c.server, unix.Errno(code))
	}
	c.state = greeting
	start := len(l.out)
	l.out = append(l.out, 0, 0, 0, 0)
	l.out = greetingOf(l.sessionTimeout).Append(l.out)
	jute.PutInt(l.out[start:], int32(len(l.out)-start-4))
	return l.flush(c)
}

// greetingOf is the request for a new session.
func greetingOf(timeout time.Duration) *wire.ConnectRequest {
	return &wire.ConnectRequest{
		TimeOut:     int32(timeout / time.Millisecond),
		Passwd:      zeroPassword[:],
		HasReadOnly: true,
	}
}

var zeroPassword [16]byte

// request appends a whole request to the loop's output and notes it; body is
// the encoded record.
func (l *loop) request(c *conn, op wire.Opcode, body []byte, kind uint8) {
	h := wire.RequestHeader{Xid: c.nextXid(), Type: op}
	l.out = appendFrame(l.out, &h, body)
	l.note(c, l.now, kind)
}

// note counts a request as in flight.
func (l *loop) note(c *conn, at int64, kind uint8) {
	c.push(at, kind)
	l.outstanding++
}

// appendFrame appends length, header and record.
func appendFrame(b []byte, h *wire.RequestHeader, body []byte) []byte {
	b = jute.AppendInt(b, int32(8+len(body)))
	return append(h.Append(b), body...)
}

// flush hands the loop's output to a connection's socket; what it does not
// take waits until it does.
func (l *loop) flush(c *conn) error {
	if len(l.out) == 0 {
		return nil
	}
	b := l.out
	l.out = l.out[:0]
	c.lastSent = l.now
	if len(c.pending) > 0 {
		c.pending = append(c.pending, b...)
		return nil
	}
	n, err := write(c.fd, b)
	if err != nil {
		return lost(c, err)
	}
	if n < len(b) {
		c.pending = append(c.pending, b[n:]...)
	}
	return l.watchOutput(c, n < len(b))
}

// drain writes what waits, now that the socket takes bytes again.
func (l *loop) drain(c *conn) error {
	if len(c.pending) == 0 {
		return l.watchOutput(c, false)
	}
	n, err := write(c.fd, c.pending)
	if err != nil {
		return lost(c, err)
	}
	c.pending = append(c.pending[:0], c.pending[n:]...)
	return l.watchOutput(c, len(c.pending) > 0)
}

// write is write(2); a full socket takes 0 bytes.
func write(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
			continue
		}
		return 0, err
	}
}

func (l *loop) watchOutput(c *conn, on bool) error {
	if c.waitOut == on {
		return nil
	}
	c.waitOut = on
	if err := l.poll.change(c.fd, c.slot, on); err != nil {
		return lost(c, err)
	}
	return nil
}
