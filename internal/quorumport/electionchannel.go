package quorumport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"zooid/internal/wire"
)

// Why a channel ended.
var (
	errDropped   = errors.New("dropped")
	errReplaced  = errors.New("replaced by a newer connection")
	errRestarted = errors.New("the peer asks for a new connection")
)

// channel is an established connection: what is written and read on it are
// notifications, each behind its length.
type channel struct {
	p     *peer
	nc    net.Conn
	in    *bufio.Reader
	how   []any  // how it is secured, for the log
	order uint64 // among the accepted connections; 0 = dialled

	wake chan struct{} // there may be something in the slot
	done chan struct{} // closed with the connection
	once sync.Once
	why  error // set before done is closed
}

// close ends the channel. The first reason is the one that is told.
func (c *channel) close(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.done)
		rawSocket(c.nc).Close() // the farewell of TLS may wait for the peer
	})
}

func (c *channel) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// install makes c the channel of its peer; e.mu is held. Connections of one
// peer may have said who they are in another order than they were made in: the
// newest one is the one that the peer still has.
func (e *Election) install(c *channel) {
	p := c.p
	c.wake, c.done = make(chan struct{}, 1), make(chan struct{})
	if e.closed || p.ch != nil && c.order != 0 && p.ch.order > c.order {
		c.close(errReplaced)
		e.settle(p)
		return
	}
	if p.ch != nil {
		p.ch.close(errReplaced)
	}
	p.abandonDial()
	p.ch, p.hint, p.open = c, nil, true
	p.failures.forget()
	// What was sent last may have been lost with the channel before.
	if p.slot == nil {
		p.slot = p.last
	}
	p.readers++
	e.wg.Add(2)
	go e.read(c)
	go e.write(c)
}

// write sends what the slot holds whenever it holds something.
func (e *Election) write(c *channel) {
	defer e.wg.Done()
	for {
		e.mu.Lock()
		var message []byte
		if c.p.ch == c && c.p.slot != nil {
			message = c.p.slot
			c.p.slot, c.p.last = nil, message
		}
		e.mu.Unlock()
		if message == nil {
			select {
			case <-c.wake:
			case <-c.done:
				return
			}
			continue
		}
		c.nc.SetWriteDeadline(time.Now().Add(e.o.HandshakeTimeout))
		if _, err := c.nc.Write(message); err != nil {
			c.close(err)
			return
		}
	}
}

// read delivers what comes until the connection ends, and then takes the
// channel from its peer. It makes all calls of Changed.
func (e *Election) read(c *channel) {
	defer e.wg.Done()
	e.tell(c, "election connection up", nil, c.how...)
	e.report(c.p)
	for {
		message, err := readMessage(c.in)
		if err != nil {
			c.close(err)
			break
		}
		e.deliver(c, message)
	}
	e.mu.Lock()
	if c.p.ch == c {
		c.p.ch = nil
	}
	e.mu.Unlock()
	e.tell(c, "election connection down", c.why)
	e.report(c.p)
	e.mu.Lock()
	c.p.readers--
	e.settle(c.p)
	e.mu.Unlock()
}

// tell logs that a channel came or went, but not each time of a peer that does
// nothing else.
func (e *Election) tell(c *channel, what string, why error, how ...any) {
	e.mu.Lock()
	limit := &c.p.changes
	if !c.p.known {
		limit = &e.strange
	}
	e.mu.Unlock()
	kept, ok := limit.Pass(20, 10*time.Second)
	if !ok || e.ctx.Err() != nil {
		return
	}
	log := e.o.Log.With("id", c.p.id, "remote", c.nc.RemoteAddr()).With(how...)
	if kept > 0 {
		log = log.With("more_before", kept)
	}
	switch {
	case refusedByPeer(why):
		log.Warn(what, "reason", fmt.Errorf("the other side refuses this server's certificate, or its choice of TLS: %w", why))
	case why != nil:
		log.Info(what, "reason", why)
	default:
		log.Info(what)
	}
}

// refusedByPeer says whether a connection ended because the other side refused
// what TLS showed it: who dials hears of that only after the handshake.
func refusedByPeer(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// deliver hands over a message. One from a channel that was replaced is
// dropped: what the peer said last it says again on the new one, and it must
// not be followed by what it said before.
func (e *Election) deliver(c *channel, message []byte) {
	n := new(wire.Notification)
	if err := n.Decode(message); err != nil {
		if kept, ok := e.refused.Pass(5, 10*time.Second); ok {
			e.o.Log.Warn("election message dropped", "id", c.p.id, "bytes", len(message), "reason", err, "more_before", kept)
		}
		return
	}
	c.p.calls.Lock()
	defer c.p.calls.Unlock()
	e.mu.Lock()
	current := c.p.ch == c && !e.closed
	e.mu.Unlock()
	if current {
		e.o.Deliver(c.p.id, n)
	}
}

// report tells whether the peer has a channel if that is news.
func (e *Election) report(p *peer) {
	p.calls.Lock()
	defer p.calls.Unlock()
	e.mu.Lock()
	up, closed := p.ch != nil, e.closed
	e.mu.Unlock()
	if up == p.reported || closed || e.o.Changed == nil {
		return
	}
	p.reported = up
	e.o.Changed(p.id, up)
}

// readMessage reads a message into memory of its own, which grows with what
// really comes.
func readMessage(in *bufio.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:])))
	if size < 1 || size > maxNotification {
		return nil, fmt.Errorf("a message of %d bytes; 1 to %d are allowed", size, maxNotification)
	}
	message := make([]byte, 0, min(size, channelBuffer))
	for len(message) < size {
		message = slices.Grow(message, 1)
		part := message[len(message):min(cap(message), size)]
		n, err := io.ReadFull(in, part)
		message = message[:len(message)+n]
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return message, nil
}

// tune sets the options of a connection. A peer whose machine is gone is found
// out by what it does not acknowledge, not only after the quarter of an hour
// that the system takes by itself.
func (e *Election) tune(nc net.Conn) {
	tcp, ok := rawSocket(nc).(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetKeepAlive(e.o.KeepAlive)
	if raw, err := tcp.SyscallConn(); err == nil {
		limit := int(e.o.HandshakeTimeout.Milliseconds())
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, limit)
		})
	}
}
