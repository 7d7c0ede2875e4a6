package clientport

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is one client connection: input that its poller reads, and an output
// buffer into which the poller and the core's loop append whole frames.
type Conn struct {
	port *Port
	poll *poller
	id   uint32
	addr netip.AddrPort
	ip   string

	atSecure bool // it came to the port for TLS

	// The poller's own.
	phase     phase
	in        *Buffer
	have      int   // bytes in in
	readable  bool  // there may be something to read
	hungUp    bool  // and the end of the stream behind it
	shipped   int64 // requests handed to the core
	known     bool  // the core got to know the connection
	why       error // of its end
	brief     bool  // there is no input that has to be read before the end
	discarded int   // bytes of unwanted input
	timer     *time.Timer

	shippedSeen atomic.Int64 // shipped, for those who look on

	Since    time.Time
	Received atomic.Int64 // packets
	Sent     atomic.Int64
	// LastActive is the core's clock (ms) when reads were last answered
	// outside the loop.
	LastActive atomic.Int64
	fast       fastStats

	held bool // on the port's list; guarded by its heldMu

	relay atomic.Pointer[relay] // nil: the client speaks no TLS

	mu       sync.Mutex
	fd       int    // -1: closed, or given to nc
	nc       stream // of a four-letter word
	out      []byte
	wrote    int  // bytes of out that the socket has
	writing  bool // somebody is at the socket
	full     bool // the socket takes no more; it is announced when it does
	answered int64
	more     bool // the core has more replies, for which it waits for room
	large    []largeMark
	curious  bool  // the poller waits for a change of what mu guards
	closing  bool  // the core is through with it: close once the output is written
	dead     bool  // the socket is of no use any more
	ended    bool  // the poller is through; nothing counts any more
	late     bool  // the timer rang
	shook    bool  // the TLS handshake is made
	failed   error // or why it is not
	done     bool  // what was done beside the poller is
}

// phase is how far a connection is.
type phase uint8

const (
	starting  phase = iota // its first frame, or a four-letter word, is not whole
	shaking                // hands, on a goroutine of its own (tls.go)
	opening                // the core has its connect request
	serving                // requests
	busy                   // a goroutine works for it (beside)
	leaving                // it gets what it is due before the socket goes
	lingering              // the client is told, and has to close its end
	gone
)

func newConn(p *Port, q *poller, fd int, addr netip.AddrPort) *Conn {
	c := &Conn{port: p, poll: q, fd: fd, addr: addr, ip: addr.Addr().WithZone("").String(), Since: time.Now()}
	c.after(p.Limits.SessionlessFor)
	return c
}

// ID returns the connection's number, unique until Release.
func (c *Conn) ID() uint32 { return c.id }

// IP returns the client's address without port.
func (c *Conn) IP() string { return c.ip }

// RemoteAddr returns the client's address as "host:port".
func (c *Conn) RemoteAddr() string { return c.addr.String() }

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

// announced takes what epoll says of the socket.
func (c *Conn) announced(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.writable()
	}
	if events&^unix.EPOLLOUT != 0 {
		c.readable = true
		c.hungUp = c.hungUp || events&^(unix.EPOLLIN|unix.EPOLLOUT) != 0
		c.advance()
	}
}

// stepsAtOnce is how much of a connection's input is done before the others
// have their turn.
const stepsAtOnce = 16

// advance does what can be done for the connection now. It runs on the poller.
func (c *Conn) advance() {
	for range stepsAtOnce {
		again, err := c.step()
		if err != nil {
			c.leave(err)
		} else if !again {
			return
		}
	}
	c.poll.kick(c)
}

// step does one thing and reports whether there may be another.
func (c *Conn) step() (again bool, err error) {
	switch c.phase {
	case starting:
		return c.start()
	case shaking:
		return c.shaken()
	case opening:
		return c.open()
	case serving:
		return c.turn()
	case busy:
		return c.resume(), nil
	case leaving:
		return c.bringDue(), nil
	case lingering:
		return c.discard(), nil
	}
	return false, nil
}

// kick has the poller look at the connection.
func (c *Conn) kick() { c.poll.kick(c) }

// changed kicks the connection if its poller waits for a change; c.mu is held.
func (c *Conn) changed() {
	if c.curious {
		c.curious = false
		c.kick()
	}
}

// after has the poller look at the connection when d has passed.
func (c *Conn) after(d time.Duration) {
	c.noTimer()
	c.timer = time.AfterFunc(d, func() {
		c.mu.Lock()
		c.late = true
		c.mu.Unlock()
		c.kick()
	})
}

// noTimer takes the last after back.
func (c *Conn) noTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.mu.Lock()
	c.late = false
	c.mu.Unlock()
}

// start reads the first frame, which opens a session, or finds a four-letter
// word.
func (c *Conn) start() (again bool, err error) {
	if err := c.early(); err != nil {
		return false, err
	}
	if c.have > 0 && c.in.b[0] == tlsHandshake && c.port.Unified && c.relay.Load() == nil {
		return false, c.upgrade()
	}
	if c.have < 4 {
		return c.read()
	}
	word := binary.BigEndian.Uint32(c.in.b)
	if c.port.Core.IsWord(word) {
		c.serveWord(word)
		return true, nil
	}
	if !c.port.Core.Serving() {
		c.port.Metrics.CnxnClosedWithoutZKServerRunning.Inc()
		return false, errNotServing
	}
	n := int(int32(word))
	if n <= 0 || n > c.port.Limits.MaxFrame {
		if c.in.b[0] == tlsHandshake && c.relay.Load() == nil {
			c.port.refusals.say(c.port.Log, c.addr, "the client speaks TLS, and this is the plain client port")
		}
		return false, errFrame
	}
	if c.have < 4+n {
		return c.read()
	}
	body := c.in.b[4 : 4+n]
	deficit, ok := c.port.Throttle.Take(body)
	if !ok {
		return false, errThrottled
	}
	c.noTimer()
	c.port.Metrics.ConnectionTokenDeficit.Observe(deficit)
	c.port.Metrics.ConnectionRequestCount.Inc()
	c.counted(1)
	c.shipped++
	c.shippedSeen.Store(c.shipped)
	c.port.Metrics.OutstandingRequests.Add(1)
	c.phase, c.known = opening, true
	c.port.Core.Open(c, body)
	c.consume(4 + n)
	return true, nil
}

// early says why a connection without a session ends, if it does.
func (c *Conn) early() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dead:
		return net.ErrClosed
	case c.port.draining.Load():
		return errStopping
	case c.late:
		return errSessionless
	}
	return nil
}

// open waits for the answer to the connect request, or for the end.
func (c *Conn) open() (again bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered < c.shipped && !c.dead && !c.closing {
		c.curious = true
		return false, nil
	}
	c.phase = serving
	return true, nil
}

// beside does work for the connection on a goroutine of its own; the poller
// reads nothing more of it meanwhile.
func (c *Conn) beside(work func()) {
	c.phase = busy
	go func() {
		work()
		c.Flush()
		c.mu.Lock()
		c.done = true
		c.mu.Unlock()
		c.kick()
	}()
}

// resume goes on once the work beside the poller is done.
func (c *Conn) resume() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		return false
	}
	c.done = false
	if c.phase = serving; c.nc != nil {
		c.phase, c.why = leaving, errWord
	}
	return true
}
