package clientport

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lingerFor bounds how long a client that is being closed may take to read
	// what it is due.
	lingerFor = time.Second
	// closeGrace is how long it may take to close its own end then.
	closeGrace = 250 * time.Millisecond
	// discardMax is how many bytes of unwanted input are read meanwhile.
	discardMax = 1 << 20
)

// leave begins the end of a connection. Where that is the server's doing, the
// client is brought what it is due before the socket goes.
func (c *Conn) leave(err error) {
	served := c.phase == serving
	c.why = err
	c.noTimer()
	if c.phase == shaking {
		c.end() // it is due nothing
		return
	}
	switch err {
	case errFrame, errLarge, errStopping, errClosing:
		c.phase = leaving
		c.brief = served && err == errClosing && c.have == 0
	default:
		c.end()
	}
}

// bringDue waits until the replies to what was read are written, then says
// that nothing follows.
func (c *Conn) bringDue() bool {
	if c.why == errWord {
		c.end()
		return false
	}
	c.mu.Lock()
	unwritten := c.writing || len(c.out) > 0
	over := c.dead || c.late && unwritten
	due := unwritten || !c.closing && c.answered < c.shipped
	c.curious = due && !over
	late := c.late
	c.mu.Unlock()
	switch {
	case over:
		c.end()
	case due && (late || c.timer == nil): // if late, then it is not the client that takes long
		c.after(lingerFor)
	case !due && c.brief && !c.readable:
		c.end() // a client that has closed its session sends nothing more
	case !due:
		_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		c.phase = lingering
		c.after(closeGrace)
		return true
	}
	return false
}

// discard reads on until the client has closed. Closing a socket that has
// unread input resets it, which would take replies back on their way.
func (c *Conn) discard() bool {
	c.mu.Lock()
	over := c.dead || c.late
	c.mu.Unlock()
	if !over && !c.readable {
		return false
	}
	if !over {
		c.have = 0
		c.room(1)
		n, err := readSocket(c.fd, c.in.b)
		if err == unix.EAGAIN {
			c.readable, c.hungUp = false, false
			c.spare()
			return false
		}
		if c.discarded += n; err == nil && n > 0 && c.discarded < discardMax {
			return true
		}
	}
	c.end()
	return false
}

// end ends the connection.
func (c *Conn) end() {
	c.phase = gone
	c.noTimer()
	c.mu.Lock()
	c.dead, c.ended = true, true
	unanswered := c.shipped - c.answered
	c.freeLarge(c.shipped)
	c.out, c.wrote = nil, 0
	c.mu.Unlock()
	c.port.Metrics.OutstandingRequests.Add(-unanswered)
	c.port.Relieve()
	c.port.count(c, c.why) // before the client can see the end
	c.mu.Lock()
	if !c.writing { // who writes closes it
		c.closeSocket()
	}
	c.mu.Unlock()
	Recycle(c.in)
	c.in = nil
	if r := c.relay.Load(); r != nil {
		r.ending(c.why)
	}
	if c.known {
		c.port.Core.Closed(c)
	} else {
		c.port.Release(c.id)
	}
	c.port.gone(c)
}

// closeSocket closes the descriptor; c.mu is held, and nobody is at it.
func (c *Conn) closeSocket() {
	if c.nc != nil {
		c.nc.Close()
	}
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

// CloseAfterFlush writes the output and then closes the connection.
func (c *Conn) CloseAfterFlush() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.Flush()
	c.kick()
}

// Abort closes the connection at once.
func (c *Conn) Abort() {
	c.mu.Lock()
	c.dead = true
	if c.nc != nil {
		c.nc.Close()
	}
	c.mu.Unlock()
	c.kick()
}

// hurry has the connection notice that the port is draining.
func (c *Conn) hurry() {
	c.mu.Lock()
	if c.nc != nil {
		_ = c.nc.SetReadDeadline(time.Now())
	}
	c.mu.Unlock()
	c.kick()
}
