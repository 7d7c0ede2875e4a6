package clientport

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is one client connection: a goroutine that reads, and an output buffer
// into which the reader and the core's loop append whole frames.
type Conn struct {
	port *Port
	nc   *net.TCPConn
	raw  syscall.RawConn
	id   uint32
	ip   string

	// Input; the reader's own.
	in       *Buffer
	have     int // bytes in in
	readErr  error
	readOnce func(fd uintptr) bool
	shipped  int64 // requests handed to the core

	shippedSeen atomic.Int64 // shipped, for those who look on

	Since    time.Time
	Received atomic.Int64 // packets
	Sent     atomic.Int64
	// LastActive is the core's clock (ms) when reads were last answered
	// outside the loop.
	LastActive atomic.Int64
	fast       fastStats

	mu        sync.Mutex
	wake      sync.Cond // answered grew, or output shrank, or the end came
	out       []byte
	answered  int64
	opened    bool // the connect request is answered
	writing   bool // somebody is at the socket
	closing   bool // close when the output is written
	dead      bool
	ended     bool // the reader is through; nothing counts any more
	writeBuf  []byte
	wrote     int
	writeErr  error
	writeOnce func(fd uintptr) bool
}

func newConn(p *Port, nc *net.TCPConn, ip string) *Conn {
	c := &Conn{port: p, nc: nc, ip: ip, Since: time.Now()}
	c.wake.L = &c.mu
	c.raw, c.readErr = nc.SyscallConn()
	c.readOnce = c.readSocket
	c.writeOnce = c.writeSocket
	return c
}

// ID returns the connection's number, unique until Release.
func (c *Conn) ID() uint32 { return c.id }

// IP returns the client's address without port.
func (c *Conn) IP() string { return c.ip }

// RemoteAddr returns the client's address as "host:port".
func (c *Conn) RemoteAddr() string { return c.nc.RemoteAddr().String() }

// serve runs the connection from the first byte to the last.
func (c *Conn) serve() {
	defer c.port.gone(c)
	shipped, err := c.run()
	c.mu.Lock()
	c.dead, c.ended = true, true
	unanswered := c.shipped - c.answered
	c.mu.Unlock()
	c.port.Metrics.OutstandingRequests.Add(-unanswered)
	c.nc.Close()
	Recycle(c.in)
	c.in = nil
	if err != nil {
		c.port.Metrics.ConnectionDropCount.Inc()
		c.port.Log.Debug("client connection ended", "client", c.RemoteAddr(), "reason", err)
	}
	if shipped {
		c.port.Core.Closed(c)
	} else {
		c.port.Release(c.id)
	}
}

var (
	errFrame       = errors.New("frame length is negative, zero or above jute.maxbuffer")
	errSessionless = errors.New("no connect request in time")
	errNotServing  = errors.New("the server is not serving")
	errThrottled   = errors.New("connection throttle has no tokens")
	errLarge       = errors.New("large requests in flight exceed largeRequestMaxBytes")
	errStopping    = errors.New("the server is stopping")
	errWord        = errors.New("four-letter word answered")
)

// run reports whether the core got to know the connection.
func (c *Conn) run() (opened bool, err error) {
	if c.readErr != nil {
		return false, c.readErr
	}
	c.nc.SetReadDeadline(time.Now().Add(c.port.Limits.SessionlessFor))
	body, err := c.first()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.port.Metrics.SessionlessConnectionsExpired.Inc()
			err = errSessionless
		}
		return false, err
	}
	c.port.Metrics.ConnectionRequestCount.Inc()
	c.port.Metrics.PacketsReceived.Inc()
	c.Received.Add(1)
	c.shipped++
	c.shippedSeen.Store(c.shipped)
	c.port.Metrics.OutstandingRequests.Add(1)
	c.port.Core.Open(c, body)
	c.consume(4 + len(body))
	if !c.awaitOpen() {
		return true, nil
	}
	c.nc.SetReadDeadline(time.Time{})
	for {
		if err := c.turn(); err != nil {
			c.awaitAnswers()
			return true, err
		}
		if c.port.draining.Load() {
			c.awaitAnswers()
			return true, errStopping
		}
	}
}

// first reads the first frame, or a four-letter word.
func (c *Conn) first() ([]byte, error) {
	for c.have < 4 {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	word := binary.BigEndian.Uint32(c.in.b)
	if c.port.Core.Word(word, c) {
		c.linger()
		return nil, errWord
	}
	if !c.port.Core.Serving() {
		c.port.Metrics.CnxnClosedWithoutZKServerRunning.Inc()
		return nil, errNotServing
	}
	n := int(int32(word))
	if n <= 0 || n > c.port.Limits.MaxFrame {
		return nil, errFrame
	}
	for c.have < 4+n {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	if !c.port.Throttle.Take(c.in.b[4 : 4+n]) {
		return nil, errThrottled
	}
	return c.in.b[4 : 4+n], nil
}

// Argument returns the n bytes behind a four-letter word, waiting for them.
func (c *Conn) Argument(n int) ([]byte, error) {
	for c.have < 4+n {
		if err := c.read(); err != nil {
			return nil, err
		}
	}
	return c.in.b[4 : 4+n], nil
}

// WriteWord writes the answer of a four-letter word.
func (c *Conn) WriteWord(text []byte) {
	c.nc.SetWriteDeadline(time.Now().Add(lingerFor))
	c.nc.Write(text)
}

// lingerFor bounds how long a connection that is being closed is still read.
const lingerFor = time.Second

// linger ends the output and reads on until the client has closed: closing a
// socket with unread input would reset it and take the answer back.
func (c *Conn) linger() {
	c.nc.CloseWrite()
	c.nc.SetReadDeadline(time.Now().Add(lingerFor))
	io.Copy(io.Discard, io.LimitReader(c.nc, 1<<20))
}

// turn reads what is there and hands all whole frames on.
func (c *Conn) turn() error {
	n, count, err := c.whole()
	if err != nil {
		return err
	}
	if n == 0 {
		return c.read()
	}
	c.Received.Add(int64(count))
	c.port.Metrics.PacketsReceived.AddN(int64(count))
	taken := 0
	if c.idle() {
		bytes, requests := c.port.Core.Reads(c, c.in.b[:n])
		if requests > 0 {
			taken, count = bytes, count-requests
			c.flush(true)
		}
	}
	if taken == n {
		c.consume(n)
	} else if err := c.ship(taken, n, count); err != nil {
		return err
	}
	return c.holdBack()
}

// whole measures the whole frames at the front of the input.
func (c *Conn) whole() (bytes, count int, err error) {
	if c.in == nil {
		return 0, 0, nil
	}
	b := c.in.b[:c.have]
	for len(b)-bytes >= 4 {
		n := int(int32(binary.BigEndian.Uint32(b[bytes:])))
		if n <= 0 || n > c.port.Limits.MaxFrame {
			if count > 0 {
				return bytes, count, nil // those before it first
			}
			return 0, 0, errFrame
		}
		if len(b)-bytes < 4+n {
			break
		}
		bytes += 4 + n
		count++
	}
	return bytes, count, nil
}

// ship hands the frames in.b[from:to] to the core, with their memory; what
// follows them moves to a new buffer.
func (c *Conn) ship(from, to, count int) error {
	mem, frames := c.in, c.in.b[from:to]
	if limit := c.port.Limits.LargeRequest; limit > 0 && to-from > limit {
		if c.port.largeInFlight.Add(int64(to-from)) > c.port.Limits.LargeRequestBytes {
			c.port.largeInFlight.Add(-int64(to - from))
			c.port.Metrics.LargeRequestsRejected.Inc()
			return errLarge
		}
	}
	rest := c.in.b[to:c.have]
	c.in, c.have = nil, 0
	if len(rest) > 0 {
		c.room(len(rest))
		c.have = copy(c.in.b, rest)
	}
	c.shipped += int64(count)
	c.shippedSeen.Store(c.shipped)
	c.port.Metrics.OutstandingRequests.Add(int64(count))
	c.port.Core.Batch(c, frames, mem, count)
	return nil
}

// LargeDone takes the n bytes of a shipped batch off the large requests.
func (p *Port) LargeDone(n int) {
	if p.Limits.LargeRequest > 0 && n > p.Limits.LargeRequest {
		p.largeInFlight.Add(-int64(n))
	}
}

// consume drops the first n bytes of input; an empty buffer goes back, so that
// an idle connection holds none.
func (c *Conn) consume(n int) {
	c.have = copy(c.in.b, c.in.b[n:c.have])
	if c.have == 0 {
		Recycle(c.in)
		c.in = nil
	}
}

// room makes sure that the input can take n bytes more.
func (c *Conn) room(n int) {
	if c.in == nil {
		if n <= bufferSize {
			c.in = buffers.Get().(*Buffer)
		} else {
			c.in = &Buffer{b: make([]byte, n)}
		}
		c.have = 0
	}
	if len(c.in.b)-c.have < n {
		// Grow by what has come, not by what a length announces.
		bigger := &Buffer{b: make([]byte, max(2*len(c.in.b), c.have+n))}
		copy(bigger.b, c.in.b[:c.have])
		Recycle(c.in)
		c.in = bigger
	}
}

// read waits for input and takes what is there.
func (c *Conn) read() error {
	if err := c.raw.Read(c.readOnce); err != nil {
		return err
	}
	return c.readErr
}

// readSocket is one try to read; false waits until the socket is readable. It
// takes a buffer only once there may be something to put into it.
func (c *Conn) readSocket(fd uintptr) bool {
	c.room(1)
	n, err := syscall.Read(int(fd), c.in.b[c.have:])
	switch {
	case n > 0:
		c.have += n
		c.port.Metrics.BytesReceivedCount.AddN(int64(n))
		c.readErr = nil
		return true
	case err == syscall.EAGAIN || err == syscall.EINTR:
		if c.have == 0 {
			Recycle(c.in)
			c.in = nil
		}
		return false
	case err != nil:
		c.readErr = err
		return true
	}
	c.readErr = io.EOF
	return true
}

// idle reports whether everything handed to the core is answered.
func (c *Conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered == c.shipped
}

// awaitOpen waits for the answer to the connect request.
func (c *Conn) awaitOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.answered < c.shipped && !c.dead && !c.closing {
		c.wake.Wait()
	}
	return !c.dead && !c.closing
}

// awaitAnswers waits, when the server is stopping, until what was read is
// answered and written.
func (c *Conn) awaitAnswers() {
	if !c.port.draining.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead && !c.closing && (c.answered < c.shipped || c.writing || len(c.out) > 0) {
		c.wake.Wait()
	}
}

// holdBack stops reading while the server as a whole, and this connection too,
// has more outstanding than it should, or while the client does not take its
// replies.
func (c *Conn) holdBack() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waited := false
	for !c.dead && !c.closing {
		over := c.answered < c.shipped && c.port.Metrics.OutstandingRequests.Value() > c.port.Limits.Outstanding
		if !over && len(c.out) < maxUnread {
			break
		}
		if !waited {
			waited = true
			c.port.Metrics.RequestThrottleWaitCount.Inc()
		}
		c.wake.Wait()
	}
	if c.dead {
		return net.ErrClosed
	}
	return nil
}

// maxUnread is how many bytes of replies a client may leave unread before its
// requests are no longer read.
const maxUnread = 1 << 20
