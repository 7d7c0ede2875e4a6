package clientport

import "golang.org/x/sys/unix"

// Drainer gives the replies that the core holds for a connection.
type Drainer interface {
	// more asks for Core.Room once there is room for more.
	Drain(id uint32, dst []byte) (out []byte, answered, frames int, more bool)
}

// Deliver moves the core's replies into the connection's output. It is called
// by the core's loop while reads are excluded, so that an event stands before
// any reply that shows its cause. It returns how many requests that answers.
func (c *Conn) Deliver(d Drainer) int {
	c.mu.Lock()
	if c.out == nil {
		c.out = takeOutput()
	}
	before := c.unread()
	out, answered, frames, more := d.Drain(c.id, c.out)
	c.out, c.more = out, more
	c.answered += int64(answered)
	if len(c.large) > 0 {
		c.freeLarge(c.answered)
	}
	stale, counts := c.dead && answered > 0, !c.ended
	over := before > c.port.Limits.MaxOutput && !c.dead // what is new it had no time to read
	if over || c.dead {
		c.dead, c.out, c.wrote = true, nil, 0
	}
	c.changed()
	c.mu.Unlock()
	if stale {
		c.port.Metrics.StaleReplies.Inc()
	}
	c.Sent.Add(int64(frames))
	c.port.Metrics.PacketsSent.AddN(int64(frames))
	if counts {
		c.port.Metrics.OutstandingRequests.Add(-int64(answered))
	}
	if over {
		c.port.Log.Warn("connection closed: the client does not read what it is sent",
			"client", c.RemoteAddr(), "bytes", c.port.Limits.MaxOutput)
		c.kick()
	}
	return answered
}

// Dead reports whether nothing can be written to the client any more.
func (c *Conn) Dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// BeginOut locks the output and returns it, for whole frames to be appended;
// EndOut puts it back.
func (c *Conn) BeginOut() []byte {
	c.mu.Lock()
	if c.out == nil {
		c.out = takeOutput()
	}
	return c.out
}

// EndOut stores what BeginOut returned, with frames more frames in it.
func (c *Conn) EndOut(out []byte, frames int) {
	size := int64(len(out) - len(c.out))
	c.out = out
	c.mu.Unlock()
	if frames > 0 {
		c.Sent.Add(int64(frames))
		c.port.Metrics.PacketsSent.AddN(int64(frames))
		c.port.Metrics.ResponseBytes.AddN(size - 4*int64(frames))
		each := size/int64(frames) - 4
		c.port.Metrics.ClientResponseSize.ObserveBatch(each, each, each)
	}
}

// unread is how many bytes of output the socket has not taken; c.mu is held.
func (c *Conn) unread() int { return len(c.out) - c.wrote }

// Flush writes the output as far as the socket takes it now. Whoever comes
// while somebody is at the socket leaves the rest to him, and what the socket
// does not take is left until it does (writable).
func (c *Conn) Flush() {
	c.mu.Lock()
	if c.writing || c.dead || c.full {
		c.mu.Unlock()
		return
	}
	c.writing = true
	for len(c.out) > 0 && !c.dead && !c.full {
		buf, at := c.out, c.wrote
		c.out, c.wrote = nil, 0
		c.mu.Unlock()
		n, err := writeSocket(c.fd, buf[at:])
		c.mu.Lock()
		if err == unix.EAGAIN {
			c.full = true
			err = c.poll.watchWrites(c)
		}
		if err == nil && at+n < len(buf) {
			c.putBack(buf, at+n)
			continue
		}
		c.dead = c.dead || err != nil
		putOutput(buf)
	}
	c.writing = false
	if len(c.out) == 0 && c.out != nil {
		putOutput(c.out)
		c.out = nil
	}
	c.changed()
	if c.ended {
		c.closeSocket()
	} else if c.dead {
		c.kick()
	}
	room := c.more && !c.dead && !c.ended && c.unread() < maxUnread
	if room {
		c.more = false
	}
	c.mu.Unlock()
	if room {
		c.port.Core.Room(c)
	}
}

// putBack leaves what the socket did not take in front of what came meanwhile;
// c.mu is held.
func (c *Conn) putBack(buf []byte, wrote int) {
	if len(c.out) > 0 {
		buf = append(buf, c.out...)
		putOutput(c.out)
	}
	c.out, c.wrote = buf, wrote
}

// writable goes on writing to a socket that was full.
func (c *Conn) writable() {
	c.mu.Lock()
	c.full = false
	c.mu.Unlock()
	c.Flush()
}
