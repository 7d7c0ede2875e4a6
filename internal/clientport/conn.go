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
	nc   net.Conn // a *net.TCPConn
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

	held bool // on the port's list; guarded by its heldMu

	mu        sync.Mutex
	wake      sync.Cond // answered grew, or output shrank, or the end came
	out       []byte
	answered  int64
	large     []largeMark
	writing   bool // somebody is at the socket
	closing   bool // the core is through with it: close once the output is written
	dead      bool // the socket is of no use any more
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
	known, err := c.run()
	c.leave(err)
	c.mu.Lock()
	c.dead, c.ended = true, true
	unanswered := c.shipped - c.answered
	c.freeLarge(c.shipped)
	c.out = nil
	c.mu.Unlock()
	c.port.Metrics.OutstandingRequests.Add(-unanswered)
	c.port.Relieve()
	c.port.count(c, err) // before the client can see the end
	c.nc.Close()
	Recycle(c.in)
	c.in = nil
	if known {
		c.port.Core.Closed(c)
	} else {
		c.port.Release(c.id)
	}
}

// Why a connection ends, when it is not the client's doing.
var (
	errFrame       = errors.New("frame length is negative, zero or above jute.maxbuffer")
	errSessionless = errors.New("no connect request in time")
	errNotServing  = errors.New("the server is not serving")
	errThrottled   = errors.New("connection throttle has no tokens")
	errLarge       = errors.New("large requests in flight exceed largeRequestMaxBytes")
	errStopping    = errors.New("the server is stopping")
	errClosing     = errors.New("closed by the server")
	errWord        = errors.New("four-letter word answered")
)

// run reports whether the core got to know the connection.
func (c *Conn) run() (known bool, err error) {
	if c.readErr != nil {
		return false, c.readErr
	}
	c.nc.SetReadDeadline(time.Now().Add(c.port.Limits.SessionlessFor))
	if c.port.draining.Load() { // its deadline may be the one just replaced
		return false, errStopping
	}
	body, err := c.first()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
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
	c.awaitOpen()
	c.nc.SetReadDeadline(time.Time{})
	for {
		// Whoever ends the connection says so first and then sets a deadline,
		// so it is seen here or in the read that follows.
		if err := c.holdBack(); err != nil {
			return true, err
		}
		if err := c.turn(); err != nil {
			return true, c.reason(err)
		}
	}
}

// reason turns the end of a read into what brought it about.
func (c *Conn) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case c.closing:
		return errClosing
	case c.port.draining.Load():
		return errStopping
	}
	return err
}

// leave brings the client what it is due before the socket goes: the replies
// to what was read, then the end of the stream. Closing a socket that has
// unread input resets it, which would take replies back on their way, so the
// input is read on for a moment.
func (c *Conn) leave(err error) {
	switch err {
	case errFrame, errLarge, errStopping, errClosing:
	default:
		return
	}
	c.nc.SetWriteDeadline(time.Now().Add(lingerFor))
	c.mu.Lock()
	for !c.dead && (c.writing || len(c.out) > 0 || !c.closing && c.answered < c.shipped) {
		c.wake.Wait()
	}
	dead := c.dead
	c.mu.Unlock()
	if !dead {
		c.linger(closeGrace)
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
		c.linger(lingerFor)
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
	deficit, ok := c.port.Throttle.Take(c.in.b[4 : 4+n])
	if !ok {
		return nil, errThrottled
	}
	c.port.Metrics.ConnectionTokenDeficit.Observe(deficit)
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

// WriteWord writes the answer of a four-letter word, for as long as the client
// goes on taking it.
func (c *Conn) WriteWord(text []byte) {
	for len(text) > 0 {
		c.nc.SetWriteDeadline(time.Now().Add(lingerFor))
		n, err := c.nc.Write(text[:min(len(text), wordPiece)])
		if err != nil {
			return
		}
		text = text[n:]
	}
}

const (
	// wordPiece is how many bytes a client has to take within lingerFor.
	wordPiece = 64 << 10
	// lingerFor bounds how long a client that is being closed may take to read
	// what it is due.
	lingerFor = time.Second
	// closeGrace is how long it may take to close its own end then.
	closeGrace = 250 * time.Millisecond
	// discardMax is how many bytes of unwanted input are read meanwhile.
	discardMax = 1 << 20
)

// linger ends the output and reads on until the client has closed.
func (c *Conn) linger(grace time.Duration) {
	_ = c.nc.(*net.TCPConn).CloseWrite()
	c.nc.SetReadDeadline(time.Now().Add(grace))
	_, _ = io.Copy(io.Discard, io.LimitReader(c.nc, discardMax))
}

// turn reads what is there and hands all whole frames on.
func (c *Conn) turn() error {
	n, count, err := c.whole()
	if err != nil {
		if err == errLarge {
			c.port.Metrics.LargeRequestsRejected.Inc()
		}
		return err
	}
	if n == 0 {
		return c.read()
	}
	c.Received.Add(int64(count))
	c.port.Metrics.PacketsReceived.AddN(int64(count))
	taken := 0
	for taken < n && c.idle() {
		bytes, requests := c.port.Core.Reads(c, c.in.b[taken:n])
		if requests == 0 {
			break
		}
		taken, count = taken+bytes, count-requests
		if c.flush(true); c.Dead() {
			return net.ErrClosed // nobody reads the other replies
		}
	}
	if taken == n {
		c.consume(n)
	} else {
		c.ship(taken, n, count)
	}
	return nil
}

// whole measures the whole frames at the front of the input. A frame that must
// not be taken is an error once those before it are gone.
func (c *Conn) whole() (bytes, count int, err error) {
	if c.in == nil {
		return 0, 0, nil
	}
	b, large := c.in.b[:c.have], 0
	for len(b)-bytes >= 4 {
		n := int(int32(binary.BigEndian.Uint32(b[bytes:])))
		if n <= 0 || n > c.port.Limits.MaxFrame {
			err = errFrame
			break
		}
		if len(b)-bytes < 4+n {
			break
		}
		if limit := c.port.Limits.LargeRequest; limit > 0 && n > limit {
			if !c.port.fitsLarge(n, large) {
				err = errLarge
				break
			}
			large += n
		}
		bytes += 4 + n
		count++
	}
	if count > 0 {
		return bytes, count, nil // those before it first
	}
	return 0, 0, err
}

// ship hands the frames in.b[from:to] to the core, with their memory; what
// follows them moves to a new buffer.
func (c *Conn) ship(from, to, count int) {
	mem, frames := c.in, c.in.b[from:to]
	rest := c.in.b[to:c.have]
	c.in, c.have = nil, 0
	if len(rest) > 0 {
		c.room(len(rest))
		c.have = copy(c.in.b, rest)
	}
	if c.port.Limits.LargeRequest > 0 {
		c.markLarge(frames, c.shipped+1)
	}
	c.shipped += int64(count)
	c.shippedSeen.Store(c.shipped)
	c.port.Metrics.OutstandingRequests.Add(int64(count))
	c.port.Core.Batch(c, frames, mem, count)
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

// awaitOpen waits for the answer to the connect request, or for the end.
func (c *Conn) awaitOpen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.answered < c.shipped && !c.dead && !c.closing {
		c.wake.Wait()
	}
}

// holdBack stops reading while the server as a whole, and this connection too,
// has more outstanding than it should, or while the client does not take its
// replies. An error says that the connection is to end.
func (c *Conn) holdBack() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead && !c.closing && !c.port.draining.Load() {
		if len(c.out) < maxUnread {
			if !c.over() {
				return nil
			}
			c.port.hold(c)
			if !c.over() {
				return nil // the others were answered meanwhile
			}
		}
		c.wake.Wait()
	}
	switch {
	case c.closing:
		return errClosing
	case c.dead:
		return net.ErrClosed
	}
	return errStopping
}

// over reports whether the global limit forbids this connection to read on.
func (c *Conn) over() bool {
	return c.answered < c.shipped && c.port.Metrics.OutstandingRequests.Value() > c.port.Limits.Outstanding
}

// maxUnread is how many bytes of replies a client may leave unread before its
// requests are no longer read.
const maxUnread = 1 << 20

// wakeUp makes the reader look again whether it may go on.
func (c *Conn) wakeUp() {
	c.mu.Lock()
	c.wake.Broadcast()
	c.mu.Unlock()
}
